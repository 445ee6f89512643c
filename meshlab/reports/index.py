"""One page over all runs of a folder: what was said of each subject, and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import meshlab
from meshlab.core.documents import read_json
from meshlab.core.files import write_text
from meshlab.core.results import SCHEMA, SHAPES
from meshlab.display import templates, times
from meshlab.display.numbers import plural
from meshlab.errors import ParameterError
from meshlab.reports import render
from meshlab.reports.render.page import style
from meshlab.reports.stored import read
from meshlab.reports.sweep.judging import ERROR, WORST
from meshlab.reports.sweep.judging import SCHEMA as SWEPT
from meshlab.reports.waivers.waiving import count_line, in_words, notes

__all__ = ["NOTES", "Run", "runs", "write_index"]

NOTES: Final = "waivers.json"
"""What a sweep says of the waivers that speak of none of its subjects."""

_SHAPES: Final = {**SHAPES, ERROR: "‼"}
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_SHOWN: Final = 30
"""Runs of a subject; older ones are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run said of one subject."""

    question: str
    subject: str
    word: str
    headline: str
    at: datetime | None
    """The end of its window, where the result has one."""
    page: str
    """Address of the page, relative to the index; empty for none."""
    without: str = ""
    """What the verdict would be without waivers, in words; empty where it would be the same."""
    owner: str = ""
    """Empty when nobody says."""
    waivers: tuple[str, ...] = ()
    """What is waived, and what is to be said of waivers."""


def runs(folder: Path) -> Iterator[Run]:
    """All runs below a folder, of reports and of sweeps; half-written ones are not looked at."""
    for path in sorted(folder.rglob("*.json")):
        parts = path.relative_to(folder).parts
        if path.name not in ("record.json", "result.json") or any(part.startswith(".") for part in parts):
            continue
        if path.name == "result.json" and path.with_name("record.json").is_file():
            continue
        if _is_run(stored := read(path)):
            yield _run(stored, path, folder)


def write_index(folder: Path) -> Path:
    """Write ``index.html`` over all runs below a folder.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ParameterError
        There is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise ParameterError(f"there is no folder {folder}", "name the folder of reports or of a sweep")
    subjects = _by_subject(runs(folder))
    if not subjects and not any(folder.glob("*/sweep.json")):
        raise ParameterError(f"there is no report below {folder}", "name the folder of reports or of a sweep")
    last = [subject["last"].word for subject in subjects]
    counts = [(word, last.count(word)) for word in WORST if word in last]
    text = templates.render(
        "index.html.j2",
        package=render.__package__,
        version=meshlab.__version__,
        css=style("page.css", "index.css"),
        shapes=_SHAPES,
        moment=times.moment,
        plural=plural,
        worst=counts[0][0] if counts else "NOT_MEASURED",
        counts=counts,
        subjects=subjects,
        notes=_notes(folder),
        total=sum(len(subject["runs"]) + subject["older"] for subject in subjects),
    )
    page = folder / "index.html"
    write_text(page, text)
    return page


def _notes(folder: Path) -> list[str]:
    """What the last sweep of each question says of waivers: the folders' names end with the times."""
    last: dict[Path, Path] = {}
    for path in sorted(folder.rglob(NOTES)):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            last[path.parent.with_name(path.parent.name.rpartition("-")[0])] = path
    return list(dict.fromkeys(str(note) for path in last.values() for note in _read_list(path)))


def _read_list(path: Path) -> list[object]:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _is_run(found: Mapping[str, Any]) -> bool:
    """Whether a file says what a run said, in a form that is known: anybody may have put it there."""
    findings = _summary(found).get("findings", [])
    about = _summary(found).get("waivers", {})
    return (
        found.get("schema") in (SCHEMA, SWEPT)
        and found.get("verdict") in WORST
        and isinstance(findings, list)
        and all(isinstance(f, Mapping) and isinstance(f.get("waived", {}), Mapping) for f in findings)
        and isinstance(about, Mapping)
        and all(isinstance(about.get(name, []), list) for name in ("notes", "idle"))
        and isinstance(about.get("waived", 0), int)
    )


def _summary(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result: of a sweep's row the one inside of it, which a service that was not judged has not."""
    summary = found.get("result") if found.get("schema") == SWEPT else found
    return summary if isinstance(summary, Mapping) else {}


def _run(found: Mapping[str, Any], path: Path, folder: Path) -> Run:
    page, summary = path.with_name("report.html"), _summary(found)
    ends = times.moments(str(found.get("window", "")))[1:]
    return Run(
        question=str(found.get("question", "")),
        subject=str(found.get("subject", "")),
        word=str(found["verdict"]),
        headline=str(found.get("error") or found.get("headline", "")),
        at=ends[0] if ends else None,
        page=quote(page.relative_to(folder).as_posix()) if page.is_file() else "",
        owner=str(found.get("owner", "")),
        without=in_words(summary),
        waivers=tuple(text for text in (count_line(summary), *notes(summary, brief=True)) if text),
    )


def _by_subject(found: Iterator[Run]) -> list[dict[str, Any]]:
    """Subjects, the worst of today first; each with its runs, the newest first."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in found:
        groups.setdefault((run.question, run.subject), []).append(run)
    rows = []
    for (question, subject), group in groups.items():
        newest = sorted(group, key=lambda run: run.at or _NEVER, reverse=True)
        rows.append(
            {
                "question": question,
                "subject": subject,
                "last": newest[0],
                "runs": newest[:_SHOWN],
                "older": max(0, len(newest) - _SHOWN),
                "changed": len(newest) > 1 and newest[0].word != newest[1].word,
            }
        )
    return sorted(rows, key=lambda row: (WORST.index(row["last"].word), row["question"], row["subject"]))
