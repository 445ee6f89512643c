"""One question asked of every service: one collect, a judge a service, in any executor, through kills."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from meshlab import config
from meshlab.core.files import first_link, write_text
from meshlab.core.progress import report as progress
from meshlab.core.sanitize import plain
from meshlab.core.times import format_duration
from meshlab.core.window import Window
from meshlab.errors import ParameterError
from meshlab.questions.base import question as named
from meshlab.reports.index import NOTES, write_index
from meshlab.reports.run.notebooks import NotebookInfo, available
from meshlab.reports.run.parameters import convert
from meshlab.reports.stored import to_json
from meshlab.reports.sweep import folder
from meshlab.reports.sweep.choices import Pages
from meshlab.reports.sweep.judging import Task
from meshlab.reports.sweep.pool import judge_all
from meshlab.reports.waivers.entries import waivers
from meshlab.reports.waivers.owners import owners
from meshlab.reports.waivers.waiving import idle, waived
from meshlab.telemetry.mesh import Mesh

__all__ = ["SweepRun", "sweep"]

_ITS_OWN: Final = ("source", "start", "end", "step")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRun:
    """What a sweep gave."""

    records: Sequence[Mapping[str, Any]]
    """A row a subject, sorted by subject."""
    folder: Path
    """Of this run: ``results.parquet``, ``sweep.json`` and ``subjects/``."""
    index: Path
    """The page over all runs."""
    resumed: int = 0
    """Subjects that an interrupted run before had finished."""
    notes: Sequence[str] = ()
    """What is to be said of waivers that speak of nothing here, and of requests that belong to no service."""

    @property
    def waived(self) -> int:
        """Findings that are waived."""
        return sum(len(waived(record["result"] or {})) for record in self.records)


def sweep(
    question: str,
    *,
    source: str,
    out: Path,
    executor: Callable[[], Executor],
    parameters: Mapping[str, str] | None = None,
    pages: str = "failing",
    cwd: Path | None = None,
    clock: Callable[[], datetime] | None = None,
    tz: str = "",
) -> SweepRun:
    """Ask a question of every service that a source knows.

    A run that was killed goes on when the same is asked again: its window stands, and what was finished is not judged
    anew.

    Parameters
    ----------
    question : str
        Of those that are installed (entry points ``meshlab.questions``).
    source : str
        As in `meshlab.connect`.
    out : Path
        The folder of all runs.
    executor : callable
        Makes any `concurrent.futures` executor; made again when its workers died.
    parameters : mapping of str to str, optional
        As typed, of the question's notebook.
    pages : str
        Whose page is written: ``failing`` (what is not PASS), ``all`` or ``none``.
    cwd : Path, optional
        Where profiles, recordings and notebooks are looked for.
    clock : callable, optional
        Says what time it is: which waivers hold.
    tz : str
        The time zone that pages show beside UTC; that of meshlab.toml when not given.

    Raises
    ------
    ConfigError
        meshlab.toml is wrong.
    ParameterError
        No such question, or it cannot be swept; a wrong parameter; a folder that holds other things.
    EngineError
        The source did not answer: nobody was judged.
    """
    from meshlab.telemetry.source import connect

    if pages not in [*Pages]:
        raise ParameterError(f"pages is {pages!r}", f"write one of {', '.join(Pages)}")
    here = (cwd or Path.cwd()).resolve()
    asked, notebook = named(question), _notebook(question, here)
    given = _given(notebook, parameters or {})
    times: dict[str, str] = {name: str(given.pop(name)) for name in _ITS_OWN if name in given}
    settings = asked.settings_of_all(**given)
    configured = config.load(here)
    known = waivers(configured)
    now = (clock or (lambda: datetime.now(UTC)))()
    options = {"question": question, "source": source, "pages": pages, "parameters": {**given, **times}}
    if known:
        # What was finished under other waivers would have another verdict now.
        options["waivers"] = [f"{w}, {w.until}, {w.reason}: {'holds' if w.holds(now) else 'expired'}" for w in known]
    out = here / out
    if link := first_link(out, here):
        raise ParameterError(f"{link} is a link, and a sweep is not written through one", "name the folder itself")
    work = folder.interrupted(out, options)
    mesh = connect(source, cwd=here)
    window = mesh.window(**(folder.window_of(work) if work else times))
    work = work or out / f".{question}-{window.end:%Y%m%dT%H%M%SZ}.partial"
    progress(0, 0, "asking the mesh")
    cases = list(asked.cases(asked.collect(mesh, window, settings), settings))
    folder.begin(work, options, _span(window))
    target = out / work.name.removeprefix(".").removesuffix(".partial")
    owned_by = owners(configured, source, here)
    tasks = [
        Task(
            question=question,
            title=notebook.title or question,
            case=case,
            given=given,
            pages=pages,
            before=folder.summary_before(target, case.subject),
            waivers=known,
            owners=owned_by,
            tz=tz or configured.tz,
            at=now,
        )
        for case in cases
    ]
    records = folder.finished(work)
    left = [task for task in tasks if str(task.case.subject) not in records]
    resumed = len(tasks) - len(left)
    for count, (task, done) in enumerate(judge_all(left, executor), resumed + 1):
        folder.keep(work, task, done)
        records[str(task.case.subject)] = done.record
        progress(count, len(tasks), str(task.case.subject))
    rows = [records[subject] for subject in sorted(records)]
    notes = [*idle(known, [row["result"] for row in rows if row["result"]], at=now), *_nameless(mesh, window)]
    write_text(work / NOTES, to_json(notes))
    folder.write_table(rows, work / "results.parquet")
    folder.publish(work, target)
    return SweepRun(records=rows, folder=target, index=write_index(out), resumed=resumed, notes=notes)


def _notebook(question: str, here: Path) -> NotebookInfo:
    """The notebook that answers a question: its parameters are the sweep's."""
    found = [listed for listed in available(here) if listed.question == question]
    if not found:
        raise ParameterError(f"no notebook answers the question {question}", "reinstall meshlab")
    return found[0]


def _given(notebook: NotebookInfo, parameters: Mapping[str, str]) -> dict[str, Any]:
    for name, remedy in (
        ("service", "leave it out, or use meshlab report for one service"),
        ("source", "name it with --source"),
    ):
        if name in parameters:
            raise ParameterError(f"a sweep does not take the parameter {name}", remedy)
    return dict(convert(notebook.parameters, parameters))


def _nameless(mesh: Mesh, window: Window) -> list[str]:
    """How many requests belong to no service that could be judged."""
    table = mesh.at(window).nameless(window).frame.sort_values("requests", ascending=False)
    said = []
    for category, rows in table[table["requests"] >= 1].groupby("category", sort=True):
        hosts = [host for host in rows["destination_host"] if host]
        most = f", most to {plain(hosts[0])}" if hosts else ""
        said.append(f"{rows['requests'].sum():,.0f} {category} requests belong to no service{most}")
    return said


def _span(window: Any) -> dict[str, str]:
    times = {"start": window.start.isoformat(), "end": window.end.isoformat()}
    return {**times, "step": format_duration(window.step_ms)}
