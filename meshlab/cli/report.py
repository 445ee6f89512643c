"""``meshlab report``: run a notebook, once or until there is a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshlab.cli.options import InconclusiveOk, Parameters, Threshold, folder_name, pairs
from meshlab.cli.output import interruptible, say, spinner
from meshlab.errors import ParameterError
from meshlab.reports.run.exits import FailOn, exit_code

if TYPE_CHECKING:
    from meshlab.reports.run.runner import Outcome

__all__ = ["report"]


def report(
    notebook: Annotated[str, typer.Argument(help="A name (see `meshlab notebooks`) or a path.")],
    source: Annotated[str | None, typer.Option(help="What to ask: the same as -p source=...")] = None,
    parameters: Parameters = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder of the report.", show_default="out/NOTEBOOK/SOURCE")
    ] = None,
    fail_on: Threshold = FailOn.FAIL,
    inconclusive_ok: InconclusiveOk = False,
    timeout: Annotated[float, typer.Option(min=1, help="Longest time for one cell, in seconds.")] = 600.0,
    watch: Annotated[
        str,
        typer.Option("--watch", metavar="EVERY", help="Look again until there is a verdict, such as every 60s."),
    ] = "",
    longest: Annotated[str, typer.Option("--max", metavar="TIME", help="Longest time to watch.")] = "30m",
    since: Annotated[str, typer.Option("--since", help="Start of the watch window (default: first evaluation).")] = "",
) -> None:
    """Run a notebook, publish it as a page, and exit by its verdict.

    With --watch the window starts at the first evaluation (or --since), grows, and is judged again and again until
    there is a verdict, in either direction, or --max has passed.

    Exit codes: 0 fine, 2 wrong parameter or configuration, 3 the engine or the notebook failed, 10 verdict at or above
    --fail-on, 11 inconclusive.
    """
    given = pairs(parameters)
    if source is not None:
        if "source" in given:
            raise ParameterError("source is given twice", "use --source or -p source=..., not both")
        given = {"source": source, **given}
    asked = given.get("source", "default")
    folder = out or Path("out", folder_name(notebook.removesuffix(".ipynb")), folder_name(asked))
    if since and not watch:
        raise ParameterError("--since is given without --watch", "use -p start=... for one evaluation")

    def look() -> Outcome:
        with interruptible(), spinner(f"running {notebook}"):
            from meshlab.reports.run.runner import run

            return run(notebook, parameters=given, out=folder, timeout_s=timeout)

    if watch:
        import time

        from meshlab.core.times import parse_duration
        from meshlab.reports.run.watching import watch as watched

        given |= _fixed_start(given, since)
        done = watched(
            look,
            every_s=parse_duration(watch) / 1000,
            longest_s=parse_duration(longest) / 1000,
            at_once=bool(since),
            clock=time.monotonic,
            wait=time.sleep,
            report=say,
        )
    else:
        done = look()
    from meshlab.reports.waivers.waiving import in_words

    about = given.get("source") or done.source or Path(notebook).stem
    verdict = f"{done.verdict.value} {in_words(done.result)}".rstrip()
    say(f"{verdict}  {about}  {done.result['headline']} -> {done.page}")
    raise typer.Exit(exit_code(done.verdict.value, fail_on, inconclusive_ok=inconclusive_ok))


def _fixed_start(given: dict[str, str], since: str) -> dict[str, str]:
    """Where a watched window starts, by the store's own clock; only its end moves."""
    from meshlab.core.times import parse_instant
    from meshlab.telemetry.source import open_engine

    for name in ("start", "end"):
        if name in given:
            raise ParameterError(f"{name} cannot be combined with --watch", "use --since, or leave out --watch")
    if "source" not in given:
        raise ParameterError("--watch needs a live server", "name one with --source")
    engine = open_engine(given["source"])
    if not engine.is_live:
        raise ParameterError(f"{given['source']} is a recording, which does not grow", "leave out --watch")
    start = parse_instant(since, engine.now(), "since") if since else engine.now()
    return {"start": start.isoformat(timespec="milliseconds")}
