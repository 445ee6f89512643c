"""A report in a dozen lines, for a chat or a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshlab.core import sanitize
from meshlab.core.results import SHAPES
from meshlab.reports.waivers.waiving import count_line, in_words, notes

__all__ = ["changes", "message", "weight"]

_FINDINGS: Final = 3
_NOTES: Final = 3
_LONGEST: Final = 300
_ORDER: Final = ("FAIL", "INCONCLUSIVE", "WARN", "NOT_MEASURED", "PASS", "INFO")


def message(result: Mapping[str, Any], *, before: Mapping[str, Any] | None, link: str = "") -> str:
    """The report in Markdown: at most 12 lines.

    Parameters
    ----------
    result : mapping
        The summary.
    before : mapping or None
        The summary of the report that stood here before; None for the first one.
    link : str
        Where the page is; empty for none.

    Returns
    -------
    str
        The word (with that without waivers), the headline, the three findings that matter most, what changed, what is
        waived, window and source, the link.
    """
    word = result["verdict"]
    whose = result.get("owner", "")
    about = f"{_line(result['question'])}: {_line(result['subject'])}"
    lines = [
        " ".join(filter(None, (f"{SHAPES[word]} **{word}**", _line(in_words(result)), about))),
        "",
        _line(result["headline"]),
        "",
    ]
    for finding in _worst(result["findings"]):
        aside = "waived: " if finding.get("waived") else ""
        aside += f"{_line(finding['owner'])}: " if finding.get("owner", whose) != whose else ""
        lines.append(f"- {SHAPES[finding['verdict']]} {aside}{_line(finding['code'])} {_line(finding['statement'])}")
    lines += ["", "; ".join(_line(text) for text in changes(result, before))]
    if told := [text for text in (count_line(result), *notes(result, brief=True)) if text]:
        lines.append("; ".join(_line(text) for text in _some(told)))
    facts = [result["window"], result["source"], f"owner {whose}" if whose else ""]
    lines.append(" · ".join(_line(text) for text in facts if text))
    if link:
        lines.append(f"<{sanitize.plain(link).replace('>', '%3E').replace('<', '%3C').replace(' ', '%20')}>")
    return "\n".join(lines) + "\n"


def changes(result: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[str]:
    """What is other than in the report before, each in a few words.

    Parameters
    ----------
    result, before : mapping
        Summaries; `before` is None for the first report.

    Returns
    -------
    list of str
        Never empty.
    """
    if before is None:
        return ["the first report here"]
    found = []
    if result["subject"] != before.get("subject"):
        return [f"the report before was about {before.get('subject')}"]
    if result["verdict"] != before.get("verdict"):
        found.append(f"was {before.get('verdict')} in the report before")
    old = {_key(f): f["verdict"] for f in before.get("findings", ())}
    waived = {_key(f) for f in before.get("findings", ()) if f.get("waived")}
    for finding in result["findings"]:
        then = old.get(_key(finding))
        if then is not None and then != finding["verdict"]:
            found.append(f"{finding['code']} was {then}, is {finding['verdict']}")
        if bool(finding.get("waived")) != (_key(finding) in waived):
            found.append(f"{finding['code']} is {'' if finding.get('waived') else 'no longer '}waived")
    return found or [f"{result['verdict']} as in the report before"]


def weight(finding: Mapping[str, Any]) -> tuple[bool, int, bool]:
    """What findings are sorted by, the ones that matter most first; a waived one stands before what is in order."""
    word = finding["verdict"]
    in_order = word in ("NOT_MEASURED", "PASS", "INFO")
    return in_order, len(_ORDER) if finding.get("waived") else _ORDER.index(word), not finding.get("required", True)


def _some(texts: list[str]) -> list[str]:
    """The first ones; the others are counted."""
    more = len(texts) - _NOTES
    return texts if more <= 0 else [*texts[:_NOTES], f"{more} more notes on waivers stand in the report"]


def _key(finding: Mapping[str, Any]) -> tuple[str, str]:
    return str(finding["code"]), str(finding.get("subject", ""))


def _worst(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The ones that matter most: those that carry the verdict before those that inform."""
    known = sorted(findings, key=weight)
    return known[:_FINDINGS]


def _line(text: object) -> str:
    whole = sanitize.plain(text)
    return sanitize.markdown(whole if len(whole) <= _LONGEST else whole[: _LONGEST - 1].rstrip() + "…")
