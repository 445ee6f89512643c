"""Can the data carry a verdict at all, and what does the way of trying the version mean for it?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from scipy.stats import binomtest

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import duration, number, percent
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.outcomes import Outcomes
from meshlab.questions.canary.settings import Mode

__all__ = ["coverage_finding", "mode_finding", "reporters_finding", "split_finding"]

_SPLIT_ALPHA: Final = 0.0005
"""Level of the split test: a wrong split invalidates the comparison, a false alarm costs a rollout."""
_SIDES_DIFFER: Final = 0.05
"""Part of the requests by which the two sides of an edge may differ."""
_LIVE: Final = 0.01
"""Part of the mirrored requests up to which a mirror's live ones are none."""


def coverage_finding(case: Case, outcomes: Outcomes) -> Finding:
    """ML-CAN-003: whether both versions were measured in enough of the window, and every query was answered whole."""
    settings, compared, possible = case.settings, len(outcomes.time), outcomes.possible
    share = compared / possible if possible else 0.0
    failed = [f"{name}: {'; '.join(q.failed)}" for name, q in case.evidence.queries.items() if not q.complete]
    requests_b, requests_c = outcomes.requests
    statement = f"Both versions were measured in {compared} of {possible} blocks of {settings.block_s} s."
    key, action = "coverage.pass", ""
    if failed:
        key, action = "coverage.partial_answer", "Ask again when the store is whole, or set a shorter window."
        statement = f"The query returned a partial result ({' | '.join(failed)}). {statement}"
    elif not requests_b or not requests_c:
        key, action = "coverage.no_traffic", "Send traffic to both versions, or move the window to where they had it."
        arm = arms_of(case).canary if requests_b else arms_of(case).baseline if requests_c else "Neither version"
        statement = f"{arm} served no request that can be compared. {statement}"
    elif share < settings.min_coverage:
        least = f"{percent(settings.min_coverage)} of the blocks are needed"
        key = "coverage.gaps"
        action = f"Start the window when both versions run, or look for gaps in the scraping: {least}."
    verdict = Verdict.INCONCLUSIVE if action else Verdict.PASS
    more: Mapping[str, Any] = {"value": share, "threshold": settings.min_coverage, "unit": "share", "action": action}
    return case.finding("003", key, verdict, statement, required=True, **more)


def split_finding(case: Case, outcomes: Outcomes) -> Finding:
    """ML-CAN-004: whether the observed split is the intended one."""
    total, intended = sum(outcomes.requests), case.settings.canary_weight
    observed = outcomes.requests[1] / total if total else math.nan
    routed = f"{percent(observed, 2)} of the requests went to {arms_of(case).canary}" if total else "No request came"
    if not intended or not total:
        value, action = observed if total else None, "Set `canary_weight`, such as 0.25, to have the split checked."
        statement = f"{routed}; the intended share is not set."
        return case.finding("004", "split.not_set", None, statement, value=value, unit="share", action=action)
    p_value = float(binomtest(outcomes.requests[1], total, intended).pvalue)
    statement = f"{routed}, {percent(intended)} were intended. The p-value of the split is {number(p_value, 2)}."
    more: dict[str, Any] = {"required": True, "value": observed, "threshold": intended, "unit": "share"}
    if p_value >= _SPLIT_ALPHA:
        return case.finding("004", "split.pass", Verdict.PASS, statement, **more)
    action = "Find out where requests are lost or routed past the weights: the arms are not comparable."
    return case.finding("004", "split.wrong", Verdict.INCONCLUSIVE, statement, action=action, **more)


def reporters_finding(case: Case, sides: Mapping[str, Outcomes]) -> Finding:
    """ML-CAN-005: whether the source and the destination reporter agree.

    They differ by retries, refused connections, and callers outside the mesh; by a few requests at the window's edges
    in any case.
    """
    for side, counted in sides.items():
        if not any(counted.requests):
            return _not_compared(case, side)
    parts, differ = [], False
    for at, arm in enumerate(arms_of(case).names):
        (bad_s, all_s), (bad_d, all_d) = ((side.errors[at], side.requests[at]) for side in sides.values())
        at_source, at_destination = f"{bad_s:,} errors in {all_s:,} requests", f"{bad_d:,} in {all_d:,}"
        parts.append(f"{arm} has {at_source} at the source and {at_destination} at the destination")
        # The sides are scraped at different moments: at the window's ends a few requests are on one side only.
        differ |= _apart(all_s, all_d, _SIDES_DIFFER * max(all_s, all_d))
        differ |= _apart(bad_s, bad_d, case.settings.error_margin.absolute * max(all_s, all_d))
    if not differ:
        statement = f"Source and destination reporters agree: {', '.join(parts)}."
        return case.finding("005", "reporters.agree", Verdict.PASS, statement)
    statement = f"Source and destination reporters differ: {', '.join(parts)}."
    action = "Look for retries, refused connections or callers outside the mesh between the two sides."
    return case.finding("005", "reporters.differ", Verdict.WARN, statement, action=action)


def _not_compared(case: Case, side: str) -> Finding:
    frame, arms = case.frame(side), arms_of(case)
    key, why, action = "reporters.not_measured", "saw no request", "Put both sides of the edge into the mesh."
    if len(frame) and not frame["arm"].isin(arms.names).any():
        key, why = "reporters.blind", f"cannot tell the two by {arms.arm_by}"
        action = "Give the two versions a label that both sides know, such as `version`."
    statement = f"The {side} reporter {why}, so errors are counted at the other side and cannot be compared."
    return case.finding("005", key, None, statement, action=action)


def _apart(first: int, second: int, allowed: float) -> bool:
    return abs(first - second) > allowed + 3.0 * math.sqrt(max(first, second))


def mode_finding(case: Case, after_s: float | None, source: Outcomes, destination: Outcomes) -> Iterator[Finding]:
    """ML-CAN-007: what the way of trying means for the verdict; none for a plain canary."""
    baseline, canary = arms_of(case).names
    if case.settings.mode is Mode.MIRROR:
        yield _mirror_finding(case, source, destination)
    elif after_s is not None:
        statement = (
            f"{canary} served after {baseline}: each moment is compared with one {duration(after_s)} earlier, "
            "so whatever else changed in between counts as well."
        )
        action = "Let both versions serve together for a while to compare them at the same moments."
        yield case.finding("007", "mode.after", None, statement, action=action)
    elif case.settings.mode is Mode.BLUE_GREEN:
        statement = f"{baseline} and {canary} served at the same time and are compared moment by moment."
        yield case.finding("007", "mode.together", Verdict.PASS, statement)


def _mirror_finding(case: Case, source: Outcomes, destination: Outcomes) -> Finding:
    baseline, canary = arms_of(case).names
    live, (own, mirrored) = source.requests[1], destination.requests
    share = mirrored / own if own else 0.0
    statement = f"{percent(share)} of the requests to {baseline} were mirrored to {canary}."
    if live <= _LIVE * max(mirrored, 1):
        statement += " No live request reached it."
        return case.finding("007", "mode.mirror", Verdict.PASS, statement, value=share, unit="share")
    statement += f" It also served {live:,} live requests of users."
    action = f"Take {canary} out of the traffic split, or judge it with mode canary."
    return case.finding("007", "mode.live_traffic", Verdict.WARN, statement, value=share, unit="share", action=action)
