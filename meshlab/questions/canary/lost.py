"""Requests to the service that reached no version: whose they would have been is not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import percent, plural
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.comparable import Comparable
from meshlab.telemetry.dialects.unreached import Category
from meshlab.telemetry.outcomes import Fault, describe, is_error, outcome, where

__all__ = ["lost_finding", "without_waiting"]

_OWN: Final = frozenset({Fault.SERVER, Fault.MESH, Fault.INJECTED})


def lost_finding(case: Case, data: Comparable) -> Iterator[Finding]:
    """ML-CAN-013: how many requests reached no version, and whether the verdict would be another if they were its own.

    Nothing is said where there were none.
    """
    rows = _lost(case, data)
    lost = int(rows["count"].sum()) if len(rows) else 0
    if not lost:
        return
    (requests_b, requests_c), (errors_b, errors_c) = data.counted.requests, data.counted.errors
    share_b = errors_b / requests_b if requests_b else 0.0
    worst = (errors_c + lost) / (requests_c + lost)
    canary = arms_of(case).canary
    statement = (
        f"{plural(lost, 'request')} to the service reached no version ({describe(rows)}): if all were {canary}'s, it "
        f"would fail {percent(worst, 2)} of requests."
    )
    numbers: dict[str, Any] = {"value": float(lost), "unit": "requests", "query": "source"}
    if worst - share_b <= case.settings.error_margin.of(share_b):
        yield case.finding("013", "lost.small", None, statement, **numbers)
        return
    action = f"Find out where they were sent, and why no pod took them: more requests to {canary} do not tell."
    yield case.finding(
        "013", "lost.undecided", Verdict.INCONCLUSIVE, statement, required=True, action=action, **numbers
    )


def without_waiting(finding: Finding, lost: Sequence[Finding]) -> Finding:
    """An undecided finding, where what was lost has to be found first: more requests of the same do not settle it."""
    undecided = next((each for each in lost if each.verdict is Verdict.INCONCLUSIVE), None)
    if undecided is None or finding.verdict is not Verdict.INCONCLUSIVE:
        return finding
    return replace(finding, action=undecided.action)


def _lost(case: Case, data: Comparable) -> pd.DataFrame:
    """What was lost on the way, since both versions were compared."""
    frame = case.frame("source")
    if frame.empty or "category" not in frame:
        return frame.iloc[:0]
    assert case.subject is not None
    compared = data.arms.frames[data.side]["block"]
    kept = case.subject.mask(frame) & (frame["category"] == Category.UNREACHED.value) & (frame["count"] > 0)
    kept &= frame["block"] >= (compared.min() if len(compared) else 0)
    rows = frame[kept]
    own = where(rows, lambda *each: outcome(*each).fault in _OWN)
    return rows[is_error(rows, case.settings.error_codes) | own]
