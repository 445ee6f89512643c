"""A finding as everybody shows it: its words, its numbers and its rank, before any medium gives them a form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from meshlab.core.results import INKS, SHAPES
from meshlab.display import numbers

__all__ = ["ORDER", "ShownFinding", "ranked", "shown"]

ORDER: Final = ("FAIL", "INCONCLUSIVE", "WARN", "NOT_MEASURED", "PASS", "INFO")
"""Words of findings, those that matter most first."""
_IN_ORDER: Final = ORDER[3:]
_WRITTEN: Final = ("share", "ms", "s")
"""Units that decide how a number is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFinding:
    """What is shown of a finding: raw text, which templates and `meshlab.core.sanitize` make safe."""

    word: str
    shape: str
    ink: str
    code: str
    statement: str
    query: str
    notes: tuple[str, ...]
    """What stands beside the code: ``informs``, ``waived``, ``of team-a``."""
    owner: str
    """Whose it is, where that is somebody else than the report's owner."""
    waived: str
    """Until when and why; empty where it is not."""
    action: str
    command: str
    """What to do; empty for nothing."""
    measured: str
    interval: str
    level: str
    threshold: str
    """Numbers with their units; empty where there are none."""


def shown(summary: Mapping[str, Any]) -> list[ShownFinding]:
    """The findings of a summary, in its order.

    Parameters
    ----------
    summary : mapping
        Of schema ``meshlab.result/2``, with waivers and owners where there are some.
    """
    return [_shown(finding, str(summary.get("owner", ""))) for finding in summary["findings"]]


def ranked(summary: Mapping[str, Any]) -> list[ShownFinding]:
    """The same with those first that matter most; what is waived stands just before what is in order."""

    def rank(pair: tuple[Mapping[str, Any], ShownFinding]) -> tuple[bool, int, bool]:
        finding, row = pair
        weight = len(ORDER) if row.waived else ORDER.index(row.word)
        return row.word in _IN_ORDER, weight, not finding.get("required", True)

    pairs = zip(summary["findings"], shown(summary), strict=True)
    return [row for _, row in sorted(pairs, key=rank)]


def _shown(finding: Mapping[str, Any], whose: str) -> ShownFinding:
    word, unit = str(finding["verdict"]), str(finding.get("unit", ""))
    owner = str(finding.get("owner", whose))
    waiver = finding.get("waived") or {}
    action = finding.get("action") or {}
    ends, level = finding.get("interval"), finding.get("level")
    value = finding.get("value")
    # Words that stand beside the value need not stand beside its interval.
    own = unit if value is None or unit in _WRITTEN else ""
    informs = not finding.get("required", True) and word not in ("INFO", "NOT_MEASURED")
    notes = ("informs" if informs else "", "waived" if waiver else "", f"of {owner}" if owner != whose else "")
    return ShownFinding(
        word=word,
        shape=SHAPES[word],
        ink=INKS[word],
        code=str(finding["code"]),
        statement=str(finding["statement"]),
        query=str(finding.get("query", "")),
        notes=tuple(note for note in notes if note),
        owner=owner if owner != whose else "",
        waived=f"Waived until {waiver.get('until', '')}: {waiver.get('reason', '')}" if waiver else "",
        action=str(action.get("text", "")),
        command=str(action.get("command", "")),
        measured=_measured(value, unit),
        interval=numbers.interval(_bound(ends[0]), _bound(ends[1]), own) if ends else "",
        level="" if level is None else numbers.percent(level),
        threshold=_measured(finding.get("threshold"), unit),
    )


def _measured(value: float | None, unit: str) -> str:
    return "" if value is None else numbers.measure(value, unit)


def _bound(value: float | None) -> float:
    return math.inf if value is None else value
