"""``meshlab import``: from files of other tools to a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshlab.cli.output import interruptible, progress_bar, say, write
from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError

__all__ = ["import_files"]


def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files, or folders of TSDB blocks.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the recording.")],
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TIME",
            help="When a scrape without times was made: RFC 3339 with an offset or unix seconds; once, or once a file.",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="time=T,value=V,metric=M", help="Which columns of a table hold the time, value and name."),
    ] = None,
    metric: Annotated[str, typer.Option(metavar="NAME", help="The name of series that have none.")] = "",
    timezone: Annotated[
        str, typer.Option(metavar="ZONE", help="The zone of times without an offset, such as Europe/Berlin.")
    ] = "",
) -> None:
    """Make a recording of telemetry that another tool wrote down.

    Prometheus text and OpenMetrics, Prometheus JSON, VictoriaMetrics's export, TSDB blocks, CSV and Parquet; recognised
    by what is in the file, packed with gzip or not.
    """
    from meshlab.recordings.contents import contents
    from meshlab.recordings.importers.run import import_file

    with interruptible(), progress_bar("importing") as bar:
        folder = import_file(
            files, out, at=at or (), columns=_columns(columns or ()), metric=metric, timezone=timezone, progress=bar
        )
    found = contents(folder)
    span = found.manifest["window"]
    say(f"imported {span['start']} to {span['end']} -> {folder}")
    write(f"{found.text()}next: {found.next_command(folder)}\n")


def _columns(texts: list[str] | tuple[()]) -> dict[str, str]:
    """``time=T,value=V``, in one text or in several."""
    columns = {}
    for text in (part for whole in texts for part in whole.split(",")):
        role, equals, name = text.partition("=")
        if not equals or not role.strip() or not name.strip():
            raise ParameterError(f"--columns {plain(text)!r} is not of the form time=COLUMN", "write time=T,value=V")
        columns[role.strip()] = name.strip()
    return columns
