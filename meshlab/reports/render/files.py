"""The files of a report, whether a notebook or a sweep made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshlab.reports.render.mail import mail
from meshlab.reports.render.message import message
from meshlab.reports.stored import to_json

__all__ = ["report_files"]


def report_files(summary: Mapping[str, Any], page: str, *, before: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Page, result, message and mail, by their names.

    Parameters
    ----------
    summary : mapping
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
