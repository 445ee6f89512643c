"""Can the data carry a verdict at all?"""

from __future__ import annotations

import math

from scipy.stats import binomtest

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.questions.canary.arms import Outcomes
from meshlab.questions.canary.scope import Scope
from meshlab.questions.canary.settings import Policy

__all__ = ["coverage_finding", "reporters_finding", "split_finding"]

_SPLIT_ALPHA = 0.0005
"""Level of the split test: a wrong split invalidates the comparison, a false alarm costs a rollout."""
_SIDES_DIFFER = 0.05
"""Part of the requests by which the two sides of an edge may differ."""


def coverage_finding(evidence: Evidence, outcomes: Outcomes, subject: str, policy: Policy) -> Finding:
    """ML-CAN-003: whether both versions were measured in enough of the window, and every query was answered whole."""
    share = len(outcomes.index) / outcomes.possible if outcomes.possible else 0.0
    failed = [f"{name}: {'; '.join(q.failed)}" for name, q in evidence.queries.items() if not q.complete]
    requests_b, requests_c = outcomes.requests
    statement = (
        f"both versions were measured in {len(outcomes.index)} of {outcomes.possible} blocks of {policy.block_s} s"
    )
    action = ""
    if failed:
        statement += f"; the store's answer is incomplete ({' | '.join(failed)})"
        action = "ask again when the store is whole, or ask for a shorter window"
    elif not requests_b or not requests_c:
        arm = "the canary" if requests_b else "the baseline" if requests_c else "either version"
        statement += f", and {arm} served no request in the window" if outcomes.possible else ""
        action = "send traffic to both versions, or move the window to where they had it"
    elif share < policy.min_coverage:
        action = (
            f"at least {100 * policy.min_coverage:g} % are needed: start the window when both versions run, "
            "or look for gaps in the scraping"
        )
    return Finding(
        code="ML-CAN-003",
        verdict=Verdict.INCONCLUSIVE if action else Verdict.PASS,
        subject=subject,
        statement=statement,
        value=share,
        threshold=policy.min_coverage,
        unit="share",
        action=action,
    )


def split_finding(outcomes: Outcomes, subject: str, policy: Policy) -> Finding:
    """ML-CAN-004: whether the observed split is the intended one."""
    requests_b, requests_c = outcomes.requests
    total = requests_b + requests_c
    observed = requests_c / total if total else math.nan
    code = "ML-CAN-004"
    if not policy.canary_weight or not total:
        return Finding(
            code=code,
            verdict=None,
            required=False,
            subject=subject,
            statement="the intended split is not known"
            + (f"; {100 * observed:.1f} % of the requests went to the canary" if total else ""),
            value=observed if total else None,
            unit="share",
            action="give canary_weight, such as 0.25, to check it",
        )
    p_value = float(binomtest(requests_c, total, policy.canary_weight).pvalue)
    wrong = p_value < _SPLIT_ALPHA
    return Finding(
        code=code,
        verdict=Verdict.INCONCLUSIVE if wrong else Verdict.PASS,
        subject=subject,
        statement=(
            f"{100 * observed:.2f} % of the requests went to the canary, {100 * policy.canary_weight:g} % were "
            f"intended (p = {p_value:.2g})"
        ),
        value=observed,
        threshold=policy.canary_weight,
        unit="share",
        action="find out why requests are lost or routed past the weights: the arms are not comparable"
        if wrong
        else "",
    )


def reporters_finding(
    evidence: Evidence, source: Outcomes, destination: Outcomes, scope: Scope, subject: str, policy: Policy
) -> Finding:
    """ML-CAN-005: whether the callers' and the service's own proxies tell the same story.

    They differ by retries, refused connections, and callers outside the mesh; by a few requests at the window's edges
    in any case.
    """
    if not sum(source.requests) or not sum(destination.requests):
        side, whose = ("source", "callers'") if not sum(source.requests) else ("destination", "service's own")
        frame = evidence.frames[side]
        blind = "arm" in frame and len(frame) > 0 and not frame["arm"].isin([scope.baseline, scope.canary]).any()
        return Finding(
            code="ML-CAN-005",
            verdict=None,
            required=False,
            subject=subject,
            statement=(
                f"the {whose} proxies do not tell the two by {scope.arm_by or 'version'}, so errors are counted at the "
                "other side and the two sides cannot be compared"
                if blind
                else f"the {whose} proxies reported nothing, so the two sides cannot be compared"
            ),
            action="give the two versions a label that both sides know, such as version"
            if blind
            else "put both sides of the edge into the mesh",
        )
    parts, differ = [], False
    for at, arm in enumerate((scope.baseline, scope.canary)):
        (bad_s, all_s), (bad_d, all_d) = ((o.errors[at], o.requests[at]) for o in (source, destination))
        told = (
            f"{bad_s:,} of {all_s:,} requests failed as the callers saw it, {bad_d:,} of {all_d:,} as the service did"
        )
        parts.append(f"{arm}: {told}")
        # The sides are scraped at different moments: at the window's ends a few requests are on one side only.
        differ |= _apart(all_s, all_d, _SIDES_DIFFER * max(all_s, all_d))
        differ |= _apart(bad_s, bad_d, policy.error_margin.absolute * max(all_s, all_d))
    return Finding(
        code="ML-CAN-005",
        verdict=Verdict.WARN if differ else Verdict.PASS,
        required=False,
        subject=subject,
        statement="; ".join(parts),
        action="find out what stands between: retries, refused connections, callers outside the mesh" if differ else "",
    )


def _apart(first: int, second: int, allowed: float) -> bool:
    return abs(first - second) > allowed + 3.0 * math.sqrt(max(first, second))
