"""A report in a dozen lines, for a chat or a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from meshlab.core import sanitize
from meshlab.core.results import SHAPES
from meshlab.display import times
from meshlab.display.finding import ranked
from meshlab.display.numbers import plural
from meshlab.reports.waivers.waiving import count_line, in_words, notes

__all__ = ["about", "changes", "facts", "message", "to_do"]

_FINDINGS: Final = 3
_NOTES: Final = 3
_LONGEST: Final = 300


def message(result: Mapping[str, Any], *, before: Mapping[str, Any] | None) -> str:
    """The report in Markdown: at most 12 lines.

    Parameters
    ----------
    result : mapping
        The summary.
    before : mapping or None
        The summary of the report that stood here before; None for the first one.

    Returns
    -------
    str
        The word (with that without waivers), the headline, what to do, the three findings that matter most, what
        changed, what is waived, window and source.
    """
    word = result["verdict"]
    aside = " ".join(filter(None, (in_words(result), about(result))))
    lines = [f"{SHAPES[word]} **{word}** {_line(aside)}", "", _joined([result["headline"], *to_do(result)], " "), ""]
    for f in ranked(result)[:_FINDINGS]:
        whose = "".join((f"{'waived: ' if f.waived else ''}", f"{f.owner}: " if f.owner else ""))
        lines.append(f"- {f.shape} {_line(f'{whose}{f.code}')} {_line(f.statement)}")
    lines += ["", _joined(changes(result, before))]
    waivers = [text for text in (count_line(result), *notes(result, brief=True)) if text]
    if rest := len(waivers[_NOTES:]):
        waivers[_NOTES:] = [f"the report has {plural(rest, 'more note')} on waivers"]
    lines += [_joined(waivers)] if waivers else []
    lines.append(_joined(facts(result), " · "))
    return "\n".join(lines) + "\n"


def about(result: Mapping[str, Any]) -> str:
    """Question and subject."""
    return f"{result['question']}: {result['subject']}"


def to_do(result: Mapping[str, Any]) -> list[str]:
    """What to do first, and the doubts about the evidence."""
    action = result.get("action") or {}
    return [text for text in (*result.get("doubts", ()), action.get("text"), action.get("command")) if text]


def facts(result: Mapping[str, Any]) -> list[str]:
    """Window, source and owner, as far as they are known."""
    owner = f"owner {result['owner']}" if result.get("owner") else ""
    return [text for text in (times.window(str(result["window"])), str(result["source"]), owner) if text]


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
        return ["first report here"]
    if result["subject"] != before.get("subject"):
        return [f"previous report was about {before.get('subject')}"]
    verdict, was = result["verdict"], before.get("verdict")
    changed = [] if verdict == was else [f"was {was} in the previous report"]
    earlier = {_key(f): f for f in before.get("findings", ())}
    for finding in result["findings"]:
        code, then = finding["code"], earlier.get(_key(finding), {})
        if then and then["verdict"] != finding["verdict"]:
            changed.append(f"{code} was {then['verdict']}, is {finding['verdict']}")
        if bool(finding.get("waived")) != bool(then.get("waived")):
            changed.append(f"{code} is {'' if finding.get('waived') else 'no longer '}waived")
    return changed or [f"still {verdict}, as in the previous report"]


def _key(finding: Mapping[str, Any]) -> tuple[str, str]:
    return str(finding["code"]), str(finding.get("subject", ""))


def _joined(texts: list[str], by: str = "; ") -> str:
    return by.join(map(_line, texts))


def _line(text: object) -> str:
    return sanitize.markdown(sanitize.shortened(text, _LONGEST))
