"""``meshlab query``: PromQL from the command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from meshlab.cli.options import End, Source, Start
from meshlab.cli.output import progress_bar, warn, write
from meshlab.errors import Incomplete, ParameterError

__all__ = ["Format", "query"]


_NUMBERS: Final = "ask for numbers of them, such as histogram_quantile(0.9, ...) or histogram_count(...)"


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def query(
    promql: Annotated[str, typer.Argument(help="A PromQL expression.")],
    source: Source,
    start: Start = "",
    end: End = "",
    step: Annotated[str, typer.Option(help="A duration, such as 15s (default: chosen by the window).")] = "",
    at: Annotated[str, typer.Option(help="One instant instead of a window (default: now).")] = "",
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A file instead of the terminal.")] = None,
) -> None:
    """Evaluate a PromQL expression, over a window or at an instant."""
    from meshlab.cli import answers
    from meshlab.core.files import write_bytes
    from meshlab.core.progress import reporting
    from meshlab.core.times import parse_instant
    from meshlab.core.window import Window
    from meshlab.engines.matrix import only_histograms_lack
    from meshlab.telemetry.source import open_engine

    if at and (start or end or step):
        raise ParameterError("--at and a window are both given", "use --at, or --start, --end and --step")
    if not start and (end or step):
        raise ParameterError("--end or --step is given without --start", "add --start, such as --start -1h")
    if format is Format.PARQUET and out is None:
        raise ParameterError("--format parquet cannot be written to a terminal", "name a file with -o")
    engine = open_engine(source)
    with progress_bar("asking") as bar, reporting(bar):
        if start:
            answer = engine.query_range(promql, Window.parse(start, end, step, now=engine.now()))
        else:
            answer = engine.query(promql, parse_instant(at, engine.now(), "at") if at else None)
    written = getattr(answers, format.value)(answer)
    if out is None:
        write(written)
    else:
        try:
            write_bytes(out, written if isinstance(written, bytes) else written.encode())
        except OSError as e:
            raise ParameterError(f"{out} cannot be written: {e.strerror}", "choose another file with -o") from None
    for warning in answer.query.warnings:
        warn(f"warning: {warning}")
    for info in answer.query.infos:
        warn(f"info: {info}")
    if not answer.query.complete:
        hint = _NUMBERS if only_histograms_lack(answer.query) else "try again later"
        raise Incomplete(f"the query returned a partial result: {'; '.join(answer.query.failed)}", hint)
