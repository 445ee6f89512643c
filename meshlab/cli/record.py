"""``meshlab record``: from a server to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshlab.cli.options import End, Source, Start
from meshlab.cli.output import interruptible, progress_bar, say, warn, write
from meshlab.reports.run.exits import FAILED

__all__ = ["record"]


def record(
    source: Source,
    start: Start,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the recording.")],
    end: End = "",
    selectors: Annotated[
        list[str] | None,
        typer.Option("--selector", metavar="SELECTOR", help="Series to record besides those that the notebooks need."),
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option("--redact", metavar="LABEL", help="A label whose values are replaced by pseudonyms."),
    ] = None,
) -> None:
    """Record raw samples of a server to a folder that notebooks can be run on.

    An interrupted recording resumes when the same command is run again: until then, what is there is kept in a folder
    beside it that ends in .partial. What the store itself warned of is said, and the exit code is 3.
    """
    from meshlab.recordings.contents import contents
    from meshlab.recordings.manifest import warnings
    from meshlab.recordings.pieces import work_folder
    from meshlab.telemetry.record import record as run

    work = work_folder(out)
    resumed = work.is_dir()
    try:
        with interruptible(), progress_bar("recording") as bar:
            folder = run(
                source, out, start=start, end=end, selectors=selectors or (), redact=redact or (), progress=bar
            )
    except KeyboardInterrupt:
        if work.is_dir():
            warn(f"kept in {work} what is there: run the same command again to resume")
        raise
    found = contents(folder)
    span = found.manifest["window"]
    say(f"recorded {span['start']} to {span['end']} -> {folder}")
    if resumed:
        say(f"resumed the recording begun at {found.manifest['recorded']}")
    write(f"{found.text()}next: {found.next_command(folder)}\n")
    if warnings(found.manifest):
        warn("the recording may not be complete: the store warned while it was recorded; record a shorter span at once")
        raise typer.Exit(FAILED)
