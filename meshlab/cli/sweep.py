"""``meshlab sweep``: one question, every service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from meshlab.cli.options import InconclusiveOk, Parameters, Source, Threshold, folder_name, pairs
from meshlab.cli.output import interruptible, progress_bar, say
from meshlab.reports.run.exits import FailOn, worst_code
from meshlab.reports.sweep.choices import Pages, Workers

__all__ = ["sweep"]

_MOST: Final = 3


def sweep(
    question: Annotated[str, typer.Argument(help="Such as canary or scaling.")],
    source: Source,
    parameters: Parameters = None,
    pages: Annotated[
        Pages, typer.Option(help="Which services get a page: failing (anything but PASS), all, none.")
    ] = Pages.FAILING,
    executor: Annotated[Workers, typer.Option(help="Worker pool.")] = Workers.PROCESSES,
    jobs: Annotated[int, typer.Option(min=0, help="Number of workers; 0: one for each core.")] = 0,
    dask: Annotated[str, typer.Option(metavar="ADDRESS", help="A Dask scheduler instead of --executor.")] = "",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder of all runs.", show_default="out/sweep/SOURCE")
    ] = None,
    fail_on: Threshold = FailOn.FAIL,
    inconclusive_ok: InconclusiveOk = False,
) -> None:
    """Ask one question of every service at once.

    The mesh is asked once, each service is judged by itself, and what is not PASS gets a page. An interrupted sweep
    resumes when the same command is run again.

    Exit codes, the first that holds: 2 wrong parameter or configuration, 10 a verdict at or above --fail-on, 3 a
    service that could not be judged, 11 one that is inconclusive (or nothing was judged at all), 0 fine.
    """
    from meshlab.core.progress import reporting
    from meshlab.reports.sweep.pool import executors
    from meshlab.reports.sweep.sweep import sweep as run

    folder = out or Path("out", "sweep", folder_name(source))
    with interruptible(), progress_bar("sweeping") as bar, reporting(bar):
        done = run(
            question,
            source=source,
            out=folder,
            executor=executors(executor.value, jobs, dask),
            parameters=pairs(parameters),
            pages=pages.value,
        )
    verdicts = [str(record["verdict"]) for record in done.records]
    counted = ", ".join(
        f"{count} {verdict}{_named(done.records, verdict)}" for verdict, count in sorted(Counter(verdicts).items())
    )
    counted += f"; {done.waived} findings waived" if done.waived else ""
    counted += "".join(f"; {note}" for note in done.notes)
    resumed = f" ({done.resumed} of them from the interrupted run)" if done.resumed else ""
    say(f"{len(verdicts)} services{resumed}: {counted or 'no traffic'} -> {done.index}")
    raise typer.Exit(worst_code(verdicts, fail_on, inconclusive_ok=inconclusive_ok))


def _named(records: Sequence[Mapping[str, Any]], verdict: str) -> str:
    """The first services of a verdict that calls for somebody."""
    from meshlab.core.results import NOT_MEASURED
    from meshlab.core.sanitize import plain

    if verdict in ("PASS", NOT_MEASURED):
        return ""
    names = [plain(record["subject"]) for record in records if record["verdict"] == verdict]
    more = len(names) - _MOST
    return f" ({', '.join(names[:_MOST])}{f' and {more} more' if more > 0 else ''})"
