"""Does the canary fail more often?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.canary.arms import Outcomes
from meshlab.questions.canary.multiple_testing import judged
from meshlab.questions.canary.settings import Policy
from meshlab.stats.ratios import log_ratio_above, ratio_interval
from meshlab.stats.scatter import at_every_look, deflation
from meshlab.stats.shares import difference_interval, log_evidence_below

__all__ = ["ErrorRate", "burst_finding", "error_finding", "error_rate"]


@dataclass(frozen=True, slots=True, eq=False)
class ErrorRate:
    """The comparison of the arms' error shares.

    Parameters
    ----------
    share_baseline, share_canary : float
        0..1; NaN without requests.
    margin : float
        The margin that is tolerated, share.
    lower, upper : float
        Of the difference (canary minus baseline), share, at the policy's level, valid at every look.
    ratio : tuple of float
        Lower and upper end of the interval of the ratio (canary's share over baseline's), valid at every look.
    log_worse : float
        Natural log of the evidence for "worse than what counts as the same": the largest over all looks.
    log_below : float
        Natural log of the evidence for "within what is tolerated": at the last look.
    phi : float
        Dispersion by which both were deflated; 1 when errors do not come in bursts.
    looks : DataFrame
        One row a block: ``time, difference, lower, upper`` (percentage points), ``log_worse, log_below``.
    """

    share_baseline: float
    share_canary: float
    margin: float
    lower: float
    upper: float
    ratio: tuple[float, float]
    log_worse: float
    log_below: float
    phi: float
    looks: pd.DataFrame

    @property
    def difference(self) -> float:
        """Canary minus baseline, share."""
        return self.share_canary - self.share_baseline


def error_rate(outcomes: Outcomes, policy: Policy) -> ErrorRate:
    """Compare error shares by anytime-valid evidence; see `meshlab.stats.ratios` and `meshlab.stats.shares`."""
    blocks = outcomes.blocks
    deflations = deflation(blocks)
    phi = float(deflations[-1]) if len(deflations) else 1.0
    share_b, share_c = blocks.shares()
    worse = at_every_look(lambda by: log_ratio_above(blocks, 1.0 + policy.error_same_relative, by), deflations)
    below = at_every_look(lambda by: log_evidence_below(blocks, policy.error_margin, by), deflations)
    lower, upper = difference_interval(blocks, policy.alpha, phi)
    with np.errstate(invalid="ignore", divide="ignore"):
        running = np.cumsum(blocks.events_c) / np.cumsum(blocks.total_c) - np.cumsum(blocks.events_b) / np.cumsum(
            blocks.total_b
        )
    looks = pd.DataFrame(
        {
            "time": outcomes.time,
            "difference": 100 * running,
            "lower": 100 * lower,
            "upper": 100 * upper,
            "log_worse": worse,
            "log_below": below,
        }
    )
    empty = not len(worse)
    return ErrorRate(
        share_baseline=share_b,
        share_canary=share_c,
        margin=policy.error_margin.of(share_b) if math.isfinite(share_b) else math.nan,
        lower=-1.0 if empty else float(lower[-1]),
        upper=1.0 if empty else float(upper[-1]),
        ratio=ratio_interval(blocks, policy.alpha, phi),
        log_worse=0.0 if empty else float(worse.max()),
        log_below=0.0 if empty else float(below[-1]),
        phi=phi,
        looks=looks,
    )


def error_finding(
    rate: ErrorRate, outcomes: Outcomes, subject: str, policy: Policy, query: str, *, failing: bool
) -> Finding:
    """ML-CAN-001: whether the canary's error share stays within the margin; `failing` as `guards.failing` has it."""
    requests_b, requests_c = outcomes.requests
    errors_b, errors_c = outcomes.errors
    level = f"{100 * policy.level:g} %"
    counts = f"{errors_c:,} of {requests_c:,} canary requests failed, {errors_b:,} of {requests_b:,} of the baseline"
    verdict = judged(failing=failing, tolerated=rate.log_below >= math.log(1.0 / policy.alpha))
    measured = math.isfinite(rate.difference)
    statement, action = f"{counts}: no comparison is possible", "send traffic to both versions"
    if measured:
        statement = (
            f"{counts}: {100 * rate.difference:+.2f} points ({level} interval {100 * rate.lower:+.2f} to "
            f"{100 * rate.upper:+.2f}, at every look){_times(rate)}; tolerated are {100 * rate.margin:+.2f}"
        )
        action = {
            Verdict.FAIL: "roll the canary back",
            Verdict.WARN: "it is worse beyond doubt, and tolerable: decide whether that is worth the change",
            Verdict.PASS: "",
            Verdict.INCONCLUSIVE: more_requests(rate, outcomes, policy),
        }[verdict]
    return Finding(
        code="ML-CAN-001",
        verdict=verdict,
        subject=subject,
        statement=statement,
        value=100 * rate.difference if measured else None,
        interval=(100 * rate.lower, 100 * rate.upper) if measured else None,
        level=policy.level if measured else None,
        threshold=100 * rate.margin if measured else None,
        unit="points",
        action=action,
        query=query,
    )


def _times(rate: ErrorRate) -> str:
    low, high = rate.ratio
    if not rate.share_baseline or not math.isfinite(low) or not math.isfinite(high):
        return ""
    return f", {rate.share_canary / rate.share_baseline:.2f} times the share ({low:.2f} to {high:.2f})"


def burst_finding(rate: ErrorRate, subject: str) -> Finding:
    """ML-CAN-006: whether errors come in bursts, which makes counts less telling than they look."""
    bursty = rate.phi > 1.0
    return Finding(
        code="ML-CAN-006",
        verdict=Verdict.WARN if bursty else Verdict.PASS,
        required=False,
        subject=subject,
        statement=(
            f"errors come in bursts: they scatter {rate.phi:.1f} times as much as independent requests would, so the "
            "evidence was divided by that"
            if bursty
            else "errors scatter over time as independent requests would"
        ),
        value=rate.phi if bursty else None,
        threshold=1.0 if bursty else None,
        action="look for a cause outside the two versions: a shared dependency, a node" if bursty else "",
    )


def more_requests(rate: ErrorRate, outcomes: Outcomes, policy: Policy) -> str:
    """How many more canary requests would settle it, in words.

    The evidence for a share that lies a distance d from the margin grows by about d² / (2 v) a canary request, where v
    is the variance of the difference times the canary's requests; what was gathered so far is spent again on learning
    the shares, which the factor 1.5 stands for.
    """
    requests_b, requests_c = outcomes.requests
    if not requests_b or not requests_c:
        return "send traffic to both versions"
    share_b, share_c = ((e + 0.5) / (n + 1) for e, n in zip(outcomes.errors, outcomes.requests, strict=True))
    variance = share_c * (1 - share_c) + share_b * (1 - share_b) * requests_c / requests_b
    # A difference on the margin is never settled: half the margin's standard error is as near as it is taken to be.
    near = 0.5 * math.sqrt(variance / requests_c)
    distance = max(abs(share_c - share_b - policy.error_margin.of(share_b)), near)
    needed = 1.5 * rate.phi * 2.0 * variance * math.log(1.0 / policy.alpha) / distance**2
    more = max(math.ceil(needed - requests_c), math.ceil(0.1 * requests_c))
    more = round(more, -int(math.log10(more)) + 1) if more > 100 else more
    minutes = more / requests_c * len(outcomes.index) * policy.block_s / 60
    pace = f"about {minutes:,.0f} minutes" if minutes >= 1 else "under a minute"
    return f"needs about {more:,.0f} more canary requests: {pace} at this rate"
