"""Can the data carry a verdict at all?"""

from __future__ import annotations

import math
from typing import Final

from scipy.stats import binomtest

from meshlab.core.results import Finding, Verdict
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.outcomes import Outcomes
from meshlab.questions.canary.text import percent

__all__ = ["coverage_finding", "reporters_finding", "split_finding"]

_SPLIT_ALPHA: Final = 0.0005
"""Level of the split test: a wrong split invalidates the comparison, a false alarm costs a rollout."""
_SIDES_DIFFER: Final = 0.05
"""Part of the requests by which the two sides of an edge may differ."""


def coverage_finding(case: Case, outcomes: Outcomes) -> Finding:
    """ML-CAN-003: whether both versions were measured in enough of the window, and every query was answered whole."""
    settings, compared, possible = case.settings, len(outcomes.index), outcomes.possible
    share = compared / possible if possible else 0.0
    failed = [f"{name}: {'; '.join(q.failed)}" for name, q in case.evidence.queries.items() if not q.complete]
    requests_b, requests_c = outcomes.requests
    statement = f"Both versions were measured in {compared} of {possible} blocks of {settings.block_s} s."
    key, action = "coverage.pass", ""
    if failed:
        key = "coverage.partial_answer"
        statement = f"The query returned a partial result ({' | '.join(failed)}). {statement}"
        action = "Ask again when the store is whole, or set a shorter window."
    elif not requests_b or not requests_c:
        key = "coverage.no_traffic"
        arm = arms_of(case).canary if requests_b else arms_of(case).baseline if requests_c else "Neither version"
        statement = f"{arm} served no request that can be compared. {statement}"
        action = "Send traffic to both versions, or move the window to where they had it."
    elif share < settings.min_coverage:
        key = "coverage.gaps"
        action = (
            f"Start the window when both versions run, or look for gaps in the scraping: at least "
            f"{100 * settings.min_coverage:g} % of the blocks are needed."
        )
    return case.finding(
        "003",
        key,
        Verdict.INCONCLUSIVE if action else Verdict.PASS,
        statement,
        required=True,
        value=share,
        threshold=settings.min_coverage,
        unit="share",
        action=action,
    )


def split_finding(case: Case, outcomes: Outcomes) -> Finding:
    """ML-CAN-004: whether the observed split is the intended one."""
    requests_b, requests_c = outcomes.requests
    total, intended = requests_b + requests_c, case.settings.canary_weight
    observed = requests_c / total if total else math.nan
    routed = f"{percent(observed)} of the requests went to {arms_of(case).canary}" if total else "No request was routed"
    if not intended or not total:
        return case.finding(
            "004",
            "split.not_set",
            None,
            f"{routed}; the intended share is not set.",
            value=observed if total else None,
            unit="share",
            action="Set `canary_weight`, such as 0.25, to have the split checked.",
        )
    p_value = float(binomtest(requests_c, total, intended).pvalue)
    wrong = p_value < _SPLIT_ALPHA
    return case.finding(
        "004",
        "split.wrong" if wrong else "split.pass",
        Verdict.INCONCLUSIVE if wrong else Verdict.PASS,
        f"{routed}, {100 * intended:g} % were intended. The p-value of the split is {p_value:.2g}.",
        required=True,
        value=observed,
        threshold=intended,
        unit="share",
        action="Find out where requests are lost or routed past the weights: the arms are not comparable."
        if wrong
        else "",
    )


def reporters_finding(case: Case, source: Outcomes, destination: Outcomes) -> Finding:
    """ML-CAN-005: whether the source and the destination reporter agree.

    They differ by retries, refused connections, and callers outside the mesh; by a few requests at the window's edges
    in any case.
    """
    for side, counted in (("source", source), ("destination", destination)):
        if not sum(counted.requests):
            return _not_compared(case, side)
    parts, differ = [], False
    for at, arm in enumerate(arms_of(case).names):
        (bad_s, all_s), (bad_d, all_d) = ((side.errors[at], side.requests[at]) for side in (source, destination))
        at_source, at_destination = f"{bad_s:,} errors in {all_s:,} requests", f"{bad_d:,} in {all_d:,}"
        parts.append(f"{arm} has {at_source} at the source and {at_destination} at the destination")
        # The sides are scraped at different moments: at the window's ends a few requests are on one side only.
        differ |= _apart(all_s, all_d, _SIDES_DIFFER * max(all_s, all_d))
        differ |= _apart(bad_s, bad_d, case.settings.error_margin.absolute * max(all_s, all_d))
    return case.finding(
        "005",
        "reporters.differ" if differ else "reporters.agree",
        Verdict.WARN if differ else Verdict.PASS,
        f"Source and destination reporters {'differ' if differ else 'agree'}: {', '.join(parts)}.",
        action="Look for retries, refused connections or callers outside the mesh between the two sides."
        if differ
        else "",
    )


def _not_compared(case: Case, side: str) -> Finding:
    frame = case.frame(side)
    key, why, action = "reporters.not_measured", "saw no request", "Put both sides of the edge into the mesh."
    if len(frame) and not frame["arm"].isin(arms_of(case).names).any():
        key, why = "reporters.blind", f"cannot tell the two by {arms_of(case).arm_by}"
        action = "Give the two versions a label that both sides know, such as `version`."
    statement = f"The {side} reporter {why}, so errors are counted at the other side and cannot be compared."
    return case.finding("005", key, None, statement, action=action)


def _apart(first: int, second: int, allowed: float) -> bool:
    return abs(first - second) > allowed + 3.0 * math.sqrt(max(first, second))
