"""The folder of a sweep's run: half-written until it is whole, so that what was killed can go on."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from meshlab.core.files import atomic_folder, write_text
from meshlab.errors import ReportError
from meshlab.reports.stored import read, read_result, to_json
from meshlab.reports.sweep.judging import ERROR, SCHEMA, Done, Task, folder_of
from meshlab.reports.waivers.waiving import waived

__all__ = ["begin", "finished", "interrupted", "keep", "publish", "summary_before", "window_of", "write_table"]

_OPTIONS: Final = "sweep.json"
_COLUMNS: Final = (
    *("question", "subject", "cluster", "namespace", "service", "verdict"),
    *("headline", "error", "window", "source", "owner"),
)
_DERIVED: Final = ("failing", "waived", "without_waivers", "page")


def interrupted(out: Path, options: Mapping[str, Any]) -> Path | None:
    """The folder of a run with the same options that did not end."""
    paths = sorted(out.glob(f".*.partial/{_OPTIONS}"))
    return next((path.parent for path in paths if read(path).get("asked") == options), None)


def window_of(work: Path) -> dict[str, str]:
    """The window of an interrupted run: its start, end and step."""
    window: dict[str, str] = read(work / _OPTIONS)["window"]
    return window


def begin(work: Path, options: Mapping[str, Any], window: Mapping[str, str]) -> None:
    """Make a run's folder, or go on in it.

    Raises
    ------
    ReportError
        It cannot be written.
    """
    about = {"asked": options, "window": window}
    if (work / _OPTIONS).is_file() and read(work / _OPTIONS) != about:
        shutil.rmtree(work)  # of another sweep, that ended at the same second of the store's time
    try:
        (work / "subjects").mkdir(parents=True, exist_ok=True)
        write_text(work / _OPTIONS, to_json(about))
    except OSError as e:
        raise ReportError(
            f"the sweep could not be written to {work.parent}: {e.strerror or e}", "choose another folder"
        ) from None


def keep(work: Path, task: Task, done: Done) -> None:
    """Write a subject down: its folder is there as a whole, or not at all."""
    with atomic_folder(work / "subjects" / folder_of(task.case.subject)) as folder:
        for name, content in done.files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        write_text(folder / "record.json", to_json(done.record))


def finished(work: Path) -> dict[str, Mapping[str, Any]]:
    """The records that a run has finished, by subject. An error is no end: it is tried again."""
    records = [read(path) for path in sorted(work.glob("subjects/[!.]*/record.json"))]
    return {str(r["subject"]): r for r in records if r.get("schema") == SCHEMA and r.get("verdict") != ERROR}


def summary_before(target: Path, subject: object) -> Mapping[str, Any] | None:
    """A subject's summary in the last finished run of the same question."""
    question = target.name.rpartition("-")[0]
    earlier = [path for path in target.parent.glob(f"{question}-[0-9]*T*Z") if path.name < target.name]
    return read_result(max(earlier) / "subjects" / folder_of(subject) / "record.json") if earlier else None


def write_table(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a row a subject, as Parquet."""
    rows = []
    for record in records:
        result = record["result"] or {}
        failing = [f["code"] for f in result.get("findings", ()) if f["verdict"] == "FAIL" and not f.get("waived")]
        rows.append(
            {
                **{name: str(record[name]) for name in _COLUMNS},
                "failing": ", ".join(failing),
                "waived": ", ".join(str(f["code"]) for f in waived(result)),
                "without_waivers": str((result.get("waivers") or {}).get("without", record["verdict"])),
                "page": f"subjects/{folder_of(record['subject'])}/report.html" if record["page"] else "",
            }
        )
    frame = pd.DataFrame(rows, columns=[*_COLUMNS, *_DERIVED], dtype="str")
    frame.to_parquet(path, index=False, compression="zstd")


def publish(work: Path, target: Path) -> None:
    """Put the finished run in the place of one over the same window."""
    # What a kill left half-written is nobody's.
    for rest in work.glob("subjects/.*"):
        shutil.rmtree(rest, ignore_errors=True)
    old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    if target.exists():
        os.replace(target, old)
    os.replace(work, target)
    shutil.rmtree(old, ignore_errors=True)
