"""From a source to all that is worth knowing before the first question."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pandas as pd

from meshlab.core.readiness import Readiness, State
from meshlab.core.sanitize import plain
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.display.numbers import duration
from meshlab.doctor.budget import BudgetedEngine, BudgetExceeded
from meshlab.doctor.burning import Burning, burning
from meshlab.doctor.profile import labels_found
from meshlab.doctor.store import Store, look
from meshlab.errors import BadQuery, ParameterError, Refused
from meshlab.questions.base import Question, installed, question
from meshlab.reports.run.notebooks import NotebookInfo, available
from meshlab.telemetry.dialects.detection import none_found, unread
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.probe import UNKNOWN, Probe, last_seen
from meshlab.telemetry.source import open_source
from meshlab.telemetry.triage import Triage

__all__ = ["Asked", "Examination", "Service", "examine"]

_SPAN: Final = timedelta(minutes=15)
_COMMAND_SPAN: Final = "-30m"
_BEFORE: Final = timedelta(hours=1)
_TRIED: Final = 5
_ALIKE: Final = 0.8
"""What is so near to the worst is as bad: a failure is passed on by all who call."""


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
    probe : Probe
        What was found out about the telemetry.
    labels : mapping of str to str
        Labels that stand for dimensions here and not in the mesh's own words.
    services : tuple of Service
        The busiest first.
    nameless : float
        Requests whose called service has no name.
    notes : tuple of str
        How requests were counted, where that is to be known.
    burning : tuple of Burning
        What burns, kind by kind, the worst first.
    urgent : str
        The command that says more about what burns most; empty where nothing burns.
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
    probe: Probe = UNKNOWN
    labels: Mapping[str, str] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    nameless: float = 0.0
    notes: tuple[str, ...] = ()
    burning: tuple[Burning, ...] = ()
    urgent: str = ""
    questions: tuple[Asked, ...] = ()
    problems: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    queries: int = 0

    @property
    def next(self) -> str:
        """The one command to type: about what burns most, or the first question that can be asked; or empty."""
        asked = [q for q in self.questions if q.readiness.state is not State.LACKING]
        ready = [q for q in asked if q.readiness.state is State.READY]
        return self.urgent or next((q.command for q in (*ready, *asked)), "")

    @property
    def can_answer(self) -> bool:
        """Whether any question can be answered here, now or when there is something to ask."""
        return bool(self.next) and not self.problems


def examine(
    source: str, *, cwd: Path | None = None, here: datetime | None = None, longest_s: float = 10.0
) -> Examination:
    """Find out what is in a store, in at most 25 small queries.

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
        mesh = Mesh.detect(frugal, source, options=options, required=False)
        if not mesh.dialects:
            return _without_mesh(found, mesh, frugal)
        found = replace(found, meshes=tuple(dialect.name for dialect in mesh.dialects), probe=mesh.probe)
        found = replace(found, labels=labels_found(mesh.dialects, mesh.probe))
        late = timedelta(milliseconds=mesh.probe.lag_ms)
        if late:
            found = replace(found, window=Window.aligned(found.window.start - late, found.window.end - late, 1_000))
        found = _traffic(found, Triage(mesh, found.window), cwd)
    except ParameterError as error:
        found = replace(found, problems=(*found.problems, str(error)))
    except BudgetExceeded as error:
        found = replace(found, skipped=(*found.skipped, f"everything else: {error.what}"))
    return replace(found, queries=frugal.asked)


def _without_mesh(found: Examination, mesh: Mesh, engine: BudgetedEngine) -> Examination:
    """What was looked for, and when there was something."""
    there: tuple[str, ...] = ()
    with suppress(BudgetExceeded, BadQuery, Refused):
        there = unread(engine, mesh.probe.span, mesh.options, ())
    problem = str(none_found(found.source, mesh.probe.span, mesh.options, there))
    when = None
    with suppress(BudgetExceeded, BadQuery, Refused):
        when = last_seen(engine, mesh.options) if engine.is_live else None
    if when is not None:
        start, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (when - _BEFORE, when))
        ago = duration((found.store.now - when).total_seconds(), 2)
        problem = f"the newest request counters are {ago} old: ask about that time, with start={start} and end={end}"
    return replace(found, problems=(*found.problems, problem), probe=mesh.probe, queries=engine.asked)


def _traffic(found: Examination, triage: Triage, cwd: Path) -> Examination:
    """Services first: what an on-call engineer recognises. Then what burns, and what can be asked."""
    found = replace(found, services=_services(triage.services), nameless=triage.nameless, notes=triage.notes)
    notebooks = [(n, question(n.question)) for n in available(cwd) if n.question in installed()]
    questions, kinds, skipped = [], [], []
    for notebook, asked in notebooks:
        try:
            readiness = asked.suggest(triage)
        except BudgetExceeded as error:
            skipped.append(f"{notebook.name}: {error.what}")
            continue
        questions.append(Asked(notebook.name, notebook.title, readiness, _command(found, notebook, readiness)))
    try:
        for worst in burning(triage):
            kinds += worst
    except (BudgetExceeded, BadQuery, Refused) as error:
        skipped.append(f"the rest of what burns: {error.what}")
    found = replace(found, burning=tuple(kinds))
    urgent = _urgent(found, triage, notebooks)
    return replace(found, questions=tuple(questions), urgent=urgent, skipped=(*found.skipped, *skipped))


def _urgent(found: Examination, triage: Triage, notebooks: Sequence[tuple[NotebookInfo, Question]]) -> str:
    """The command about what burns most: of the questions that explain it, the most specific that can be asked."""
    worst = sorted(found.burning, key=lambda each: -each.severity)[:_TRIED]
    alike = [each for each in worst if each.severity >= _ALIKE * worst[0].severity]
    for notebook, asked in sorted(notebooks, key=lambda each: len(each[1].explains)):
        for about in (each.subject for each in alike if each.kind in asked.explains):
            with suppress(BudgetExceeded):
                readiness = asked.suggest(triage, about)
                if readiness.state is State.READY:
                    return _command(found, notebook, readiness)
    return ""


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
