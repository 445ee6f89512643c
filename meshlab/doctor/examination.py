"""From a source to all that is worth knowing before the first question."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pandas as pd

from meshlab.core.readiness import Readiness, State
from meshlab.core.sanitize import plain
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.doctor.budget import BudgetedEngine, BudgetExceeded
from meshlab.doctor.store import Scrapes, Store, look, scrapes
from meshlab.errors import BadQuery, ParameterError, Refused
from meshlab.questions.base import installed, question
from meshlab.reports.run.notebooks import NotebookInfo, available
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.source import open_source

__all__ = ["Asked", "Examination", "Service", "examine"]

_SPAN: Final = timedelta(minutes=15)
_COMMAND_SPAN: Final = "-30m"


@dataclass(frozen=True, slots=True)
class Service:
    """A service and its traffic.

    Parameters
    ----------
    subject : Subject
    host : str
    requests : float
        In the examined window.
    """

    subject: Subject
    host: str
    requests: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one notebook's question.

    Parameters
    ----------
    notebook, title : str
    readiness : Readiness
    command : str
        What to type.
    """

    notebook: str
    title: str
    readiness: Readiness
    command: str


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was found out.

    Parameters
    ----------
    source : str
    store : Store
    window : Window
        What the traffic was counted over.
    live : bool
        Whether time goes on there.
    meshes : tuple of str
    scrapes : Scrapes or None
    services : tuple of Service
        The busiest first.
    questions : tuple of Asked
    problems : tuple of str
        What keeps questions from being asked, each with what to do.
    skipped : tuple of str
        What was skipped, and why.
    queries : int
    """

    source: str
    store: Store
    window: Window
    live: bool
    meshes: tuple[str, ...] = ()
    scrapes: Scrapes | None = None
    services: tuple[Service, ...] = ()
    questions: tuple[Asked, ...] = ()
    problems: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    queries: int = 0

    @property
    def next(self) -> str:
        """The one command to type; empty where nothing can be asked."""
        ready = [q for q in self.questions if q.readiness.state is State.READY]
        waiting = [q for q in self.questions if q.readiness.state is State.WAITING]
        return next((q.command for q in (*ready, *waiting)), "")

    @property
    def can_answer(self) -> bool:
        """Whether any question can be answered here, now or when there is something to ask."""
        return bool(self.next) and not self.problems


def examine(
    source: str, *, cwd: Path | None = None, here: datetime | None = None, longest_s: float = 10.0
) -> Examination:
    """Find out what is in a store, in at most twenty small questions.

    Parameters
    ----------
    source : str
        As in `connect`.
    cwd : Path, optional
        Where profiles, recordings and notebooks are looked for.
    here : datetime, optional
        This machine's time, to compare clocks.
    longest_s : float
        When so much time has passed, the remaining checks are skipped.

    Raises
    ------
    ParameterError, ConfigError, RecordingError
        No such source.
    Unreachable, Refused
        Nobody answers there, or it is not Prometheus.
    """
    cwd = (cwd or Path.cwd()).resolve()
    engine, options = open_source(source, cwd=cwd)
    frugal = BudgetedEngine(engine, longest_s=longest_s)
    store = look(frugal, here)
    now = store.now.replace(microsecond=0)
    span = frugal.span() or (now - _SPAN, now)
    found = Examination(source, store, Window.aligned(*span, 1_000), frugal.is_live)
    try:
        mesh = Mesh.detect(frugal, source, options=options)
        found = replace(found, meshes=tuple(dialect.name for dialect in mesh.dialects))
        found = _traffic(found, mesh, frugal, cwd)
    except ParameterError as error:
        found = replace(found, problems=(*found.problems, str(error)))
    except BudgetExceeded as error:
        found = replace(found, skipped=(*found.skipped, f"everything else: {error.what}"))
    return replace(found, queries=frugal.asked)


def _traffic(found: Examination, mesh: Mesh, engine: BudgetedEngine, cwd: Path) -> Examination:
    """Services first: what an on-call engineer recognises."""
    table = mesh.services(found.window).frame
    found = replace(found, services=_services(table))
    questions, skipped = [], []
    for notebook in available(cwd):
        if notebook.question not in installed():
            continue
        try:
            readiness = question(notebook.question).suggest(mesh, found.window)
        except BudgetExceeded as error:
            skipped.append(f"{notebook.name}: {error.what}")
            continue
        questions.append(Asked(notebook.name, notebook.title, readiness, _command(found, notebook, readiness)))
    found = replace(found, questions=tuple(questions), skipped=(*found.skipped, *skipped))
    if not engine.is_live:
        return found
    try:
        return replace(found, scrapes=scrapes(engine, mesh.dialect.request_selectors[0]))
    except (BudgetExceeded, BadQuery, Refused) as error:
        return replace(found, skipped=(*found.skipped, f"the scrape interval: {error.what}"))


def _services(table: pd.DataFrame) -> tuple[Service, ...]:
    sums = table.groupby(list(IDENTITY), sort=False).agg({"requests": "sum", "destination_host": "first"})
    sums = sums.sort_values("requests", ascending=False, kind="stable")
    rows = sums.reset_index()[[*IDENTITY, "destination_host", "requests"]].itertuples(index=False, name=None)
    return tuple(Service(Subject(*row[:3]), str(row[3]), float(row[4])) for row in rows)


def _command(found: Examination, notebook: NotebookInfo, readiness: Readiness) -> str:
    known = {parameter.name for parameter in notebook.parameters}
    given = dict(readiness.parameters)
    if found.live and "start" in known:
        given.setdefault("start", _COMMAND_SPAN)
    parts = ["meshlab", "report", notebook.name, "--source", found.source]
    for name, value in given.items():
        parts += ["-p", f"{name}={plain(value)}"]
    return shlex.join(parts)
