"""One subject of a sweep, from its evidence to the files of its report: in a worker, with nothing shared."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from meshlab.core.results import NOT_MEASURED, Result, Verdict
from meshlab.core.sanitize import shortened
from meshlab.errors import MeshlabError
from meshlab.questions.base import Case, Question
from meshlab.questions.base import question as named
from meshlab.reports.waivers.entries import Waiver
from meshlab.reports.waivers.owners import NOBODY, Owners, owned
from meshlab.reports.waivers.waiving import waive

__all__ = ["ERROR", "SCHEMA", "WORST", "Done", "Task", "failed", "folder_of", "judged"]

SCHEMA: Final = "meshlab.swept/1"
ERROR: Final = "ERROR"
"""The word of a subject that could not be judged because something broke."""
WORST: Final = ("FAIL", ERROR, "INCONCLUSIVE", "WARN", "PASS", NOT_MEASURED)
"""Words of subjects, the worst first."""

_LONGEST: Final = 1_000
# Figures are drawn with matplotlib's global settings, which threads would take from each other.
_DRAWING: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a worker is given."""

    question: str
    title: str
    """The question in words."""
    case: Case
    given: Mapping[str, Any]
    """Parameters, for the page."""
    pages: str
    """``all``, ``failing`` (what is not PASS) or ``none``."""
    at: datetime
    """Aware: which waivers hold."""
    before: Mapping[str, Any] | None = None
    """The summary of the run before."""
    waivers: tuple[Waiver, ...] = ()
    owners: Owners = NOBODY
    tz: str = ""
    """The time zone that pages show beside UTC; empty for none."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker gives back."""

    record: Mapping[str, Any]
    """The subject's row: JSON values."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The report, by its files' names."""


def judged(task: Task) -> Done:
    """Judge one subject; whatever goes wrong becomes its row."""
    if task.case.unjudged:
        word = Verdict.INCONCLUSIVE.value if task.case.due else NOT_MEASURED
        return Done(_record(task, word, task.case.unjudged))
    try:
        return _judged(task)
    except MeshlabError as error:
        return failed(task, str(error))
    except Exception as error:  # noqa: BLE001 - one subject's failure never ends the sweep
        return failed(task, f"{type(error).__name__}: {error}; this is a bug in meshlab: run the subject's own report")


def failed(task: Task, why: str) -> Done:
    """The row of a subject that could not be judged.

    Parameters
    ----------
    why : str
        One sentence.
    """
    return Done(_record(task, ERROR, "could not be judged", error=shortened(why, _LONGEST)))


def folder_of(subject: object) -> str:
    """A folder's name for a subject: legible, and no other subject's."""
    text = str(subject)
    legible = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._-")[:80]
    return f"{legible}-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}"


def _judged(task: Task) -> Done:
    question, case = named(task.question), task.case
    result = question.answer(case.evidence, case.settings, case.subject)
    summary = waive(result.to_dict(), task.waivers, at=task.at, note_idle=False)
    summary = owned(summary, task.owners)
    # What passes by a waiver alone is looked at all the same.
    shown = task.pages == "all" or (task.pages == "failing" and result.verdict is not Verdict.PASS)
    files = _report(task, question, result, summary) if shown else {}
    return Done(_record(task, summary["verdict"], result.headline, result=summary, page=shown), files)


def _record(
    task: Task,
    word: str,
    headline: str,
    *,
    error: str = "",
    result: Mapping[str, Any] | None = None,
    page: bool = False,
) -> dict[str, Any]:
    subject = task.case.subject
    assert subject is not None
    return {
        "schema": SCHEMA,
        "question": task.question,
        "subject": str(subject),
        "cluster": subject.cluster,
        "namespace": subject.namespace,
        "service": subject.service,
        "window": str(task.case.evidence.window),
        "source": task.case.evidence.source,
        "verdict": word,
        "headline": headline,
        "error": error,
        "page": page,
        "owner": task.owners.of(subject),
        "result": result,
    }


def _report(task: Task, question: Question, result: Result, summary: dict[str, Any]) -> dict[str, bytes]:
    from meshlab.reports.render.content import of_result
    from meshlab.reports.render.page import render
    from meshlab.reports.stored import report_files

    with _DRAWING:
        figures = question.draw(result)
    content = of_result(task.title, result, summary, figures, question=task.question)
    page = render(content, summary, given=task.given, tz=task.tz)
    tables = {f"tables/{name}.parquet": data for name, data in result.parquet()}
    return {**report_files(summary, page, before=task.before), **tables}
