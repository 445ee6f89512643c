"""A report as a mail: what clients show without a style sheet, a picture or a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from meshlab.core import sanitize
from meshlab.core.results import INKS, SHAPES
from meshlab.reports.render.message import changes, weight
from meshlab.reports.waivers.waiving import count_line, in_words, notes

__all__ = ["LIMIT_BYTES", "mail"]

LIMIT_BYTES: Final = 90_000
"""Mail services cut what is longer, and the verdict's reasons with it."""

_LONGEST: Final = 1_000
_NOTES: Final = 20
_FONT: Final = "font-family:Arial,Helvetica,sans-serif;color:#1b1f23;font-size:15px;line-height:1.5"
_CELL: Final = "padding:8px 12px 8px 0;border-bottom:1px solid #dde1e5;text-align:left;vertical-align:top"


def mail(result: Mapping[str, Any], *, before: Mapping[str, Any] | None, link: str = "") -> str:
    """The report as one HTML text with inline styles, under `LIMIT_BYTES`.

    Parameters
    ----------
    result : mapping
        The summary.
    before : mapping or None
        The summary of the report that stood here before; None for the first one.
    link : str
        Where the page is; empty for none. Other addresses than ``https://`` and ``http://`` are left out.

    Returns
    -------
    str
        The word (with that without waivers), the headline, what changed, what is waived, the findings (the worst
        first), window and source. Findings that do not fit are counted.
    """
    word = str(result["verdict"])
    about = f"{result['question']}: {result['subject']}"
    without = _text(in_words(result))
    aside = f' <span style="font-size:17px">{without}</span>' if without else ""
    head = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{word}: {_text(about)}</title></head>\n'
        f'<body style="margin:0;padding:16px;background:#ffffff;{_FONT}">\n'
        f'<p style="margin:0;color:#57606a">{_text(about)}</p>\n'
        f'<p style="margin:4px 0;color:{INKS[word]};font-size:28px"><strong>{SHAPES[word]} {word}</strong>{aside}</p>\n'
        f'<p style="margin:0 0 12px;font-size:17px">{_text(result["headline"])}</p>\n'
        f'<p style="margin:0 0 12px">{_text("; ".join(changes(result, before)))}</p>\n'
    )
    for told in filter(None, (count_line(result), *notes(result)[:_NOTES])):
        head += f'<p style="margin:0 0 12px">{_text(told)}</p>\n'
    if link.startswith(("https://", "http://")):
        head += f'<p style="margin:0 0 12px"><a href="{sanitize.html(link)}">The whole report</a></p>\n'
    foot = f'<p style="margin:16px 0 0;color:#57606a;font-size:13px">{_facts(result)}</p>\n</body></html>\n'
    whose = result.get("owner", "")
    rows = [_row(f, whose) for f in sorted(result["findings"], key=weight)]
    left = LIMIT_BYTES - 1_000 - len((head + foot).encode())
    shown: list[str] = []
    for row in rows:
        left -= len(row.encode())
        if left < 0:
            break
        shown.append(row)
    more = len(rows) - len(shown)
    table = (
        f'<table role="table" style="border-collapse:collapse;{_FONT}">\n{"".join(shown)}</table>\n' if shown else ""
    )
    note = f'<p style="margin:12px 0 0">{more} more findings stand in the report.</p>\n' if more else ""
    return head + table + note + foot


def _row(finding: Mapping[str, Any], whose: str) -> str:
    word = str(finding["verdict"])
    action = f"<br><strong>{_text(finding['action']['text'])}</strong>" if finding.get("action") else ""
    judged = f"{SHAPES[word]} {word.replace('_', ' ')}{', waived' if finding.get('waived') else ''}"
    other = f" ({finding['owner']})" if finding.get("owner", whose) != whose else ""
    return (
        f'<tr><th scope="row" style="{_CELL};color:{INKS[word]};white-space:nowrap">{judged}</th>'
        f'<td style="{_CELL}">{_text(finding["code"])}{_text(other)}: {_text(finding["statement"])}{action}</td></tr>\n'
    )


def _facts(result: Mapping[str, Any]) -> str:
    told = [result.get("window"), result.get("source"), result.get("owner") and f"owner {result['owner']}"]
    return " · ".join(_text(text) for text in told if text)


def _text(text: object) -> str:
    whole = sanitize.plain(text)
    return sanitize.html(whole if len(whole) <= _LONGEST else whole[: _LONGEST - 1].rstrip() + "…")
