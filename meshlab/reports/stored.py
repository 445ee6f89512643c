"""Files of runs: how they are written, and how earlier ones are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meshlab.core import sanitize
from meshlab.core.documents import read_json
from meshlab.core.results import read_summary
from meshlab.reports.render.mail import mail
from meshlab.reports.render.message import message

__all__ = ["read", "read_result", "report_files", "to_json"]


def to_json(document: object) -> str:
    """The same bytes for the same document, with every control character escaped."""
    return sanitize.json(json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False)) + "\n"


def read(path: Path) -> dict[str, Any]:
    """What a file says, results in today's form; nothing where it is no JSON object, or absent.

    Parameters
    ----------
    path : Path
        ``result.json``, or a sweep's ``record.json``, which has a result inside of it.
    """
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    if isinstance(found.get("result"), Mapping):
        found["result"] = read_summary(found["result"])
    return read_summary(found)


def read_result(path: Path) -> dict[str, Any] | None:
    """The summary in a file, if one is there that has a verdict."""
    found = read(path)
    found = found.get("result", found)
    return found if isinstance(found, dict) and "verdict" in found else None


def report_files(summary: Mapping[str, Any], page: str, *, before: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Page, result, message and mail of a report, whether a notebook or a sweep made it, by their names.

    Parameters
    ----------
    page : str
        HTML.
    before : mapping or None
        The summary of the run before; None for the first one.
    """
    texts = {
        "report.html": page,
        "result.json": to_json(summary),
        "message.md": message(summary, before=before),
        "mail.html": mail(summary, before=before),
    }
    return {name: text.encode() for name, text in texts.items()}
