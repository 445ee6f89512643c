"""Does the canary fail more often?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import difference, number, percent
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.count_evidence import CountEvidence
from meshlab.questions.canary.metrics import at_level, metric_finding, wait_for
from meshlab.questions.canary.outcomes import Outcomes
from meshlab.questions.canary.settings import CanarySettings
from meshlab.stats.ratios import ratio_interval
from meshlab.stats.shares import difference_interval

__all__ = ["ErrorRate", "burst_finding", "error_finding", "error_rate"]


@dataclass(frozen=True, slots=True, eq=False)
class ErrorRate:
    """The comparison of the arms' error rates.

    Parameters
    ----------
    outcomes : Outcomes
        What was compared.
    margin : float
        What is tolerated, share; NaN without requests of the baseline.
    ratio : tuple of float
        Lower and upper end of the interval of the ratio (canary's rate over baseline's), valid at every look.
    phi : float
        Dispersion by which the evidence was divided; 1 when errors do not come in bursts.
    looks : DataFrame
        The table ``error_looks``: one row a block.
    """

    outcomes: Outcomes
    margin: float
    ratio: tuple[float, float]
    phi: float
    looks: pd.DataFrame

    @property
    def shares(self) -> tuple[float, float]:
        """Error rates of baseline and canary, 0..1; NaN without requests."""
        return self.outcomes.blocks.shares()

    @property
    def difference(self) -> float:
        """Canary minus baseline, share."""
        return self.shares[1] - self.shares[0]

    @property
    def log_worse(self) -> float:
        """Natural log of the evidence for "worse than what counts as the same": the largest over all looks."""
        return float(self.looks["log_worse"].max()) if len(self.looks) else 0.0


def error_rate(outcomes: Outcomes, settings: CanarySettings) -> ErrorRate:
    """Compare error rates by anytime-valid evidence; see `meshlab.stats.ratios` and `meshlab.stats.shares`."""
    blocks, evidence = outcomes.blocks, CountEvidence.of(outcomes.blocks)
    share_b, _ = blocks.shares()
    running_b, running_c = evidence.running()
    lower, upper = difference_interval(blocks, settings.alpha, evidence.phi)
    looks = pd.DataFrame(
        {
            "time": outcomes.time,
            "difference": 100 * (running_c - running_b),
            "lower": 100 * lower,
            "upper": 100 * upper,
            "log_worse": evidence.above(1.0 + settings.error_same_relative),
            "log_below": evidence.below(settings.error_margin),
            "log_fail": settings.enough - math.log(settings.stakes.errors),
            "log_pass": settings.enough,
        }
    )
    margin = settings.error_margin.of(share_b) if math.isfinite(share_b) else math.nan
    return ErrorRate(outcomes, margin, ratio_interval(blocks, settings.alpha, evidence.phi), evidence.phi, looks)


def error_finding(case: Case, rate: ErrorRate, side: str, *, failing: bool) -> Finding:
    """ML-CAN-001: whether the canary's error rate, as one side counts it, stays within the margin."""
    arms, settings = arms_of(case), case.settings
    (n_b, n_c), (k_b, k_c) = rate.outcomes.requests, rate.outcomes.errors
    more: dict[str, Any] = {"unit": "points", "query": side}
    if not math.isfinite(rate.difference):
        statement = f"Error rates cannot be compared: {arms.baseline} served {n_b:,} requests, {arms.canary} {n_c:,}."
        more |= {"required": True, "action": "Send traffic to both versions."}
        return case.finding("001", "errors.no_traffic", Verdict.INCONCLUSIVE, statement, **more)
    points, margin, last = 100 * rate.difference, 100 * rate.margin, rate.looks.iloc[-1]
    interval = (float(last["lower"]), float(last["upper"]))
    measured = (
        f"{k_c:,} of {n_c:,} requests to {arms.canary} failed ({percent(rate.shares[1], 2)}), {k_b:,} of {n_b:,} to "
        f"{arms.baseline} ({percent(rate.shares[0], 2)}): {difference(points)} points ({at_level(case, interval)})"
        f"{_times(rate)}."
    )
    more |= {"value": points, "interval": interval, "level": settings.level, "threshold": margin}
    more |= {"limit": f"{difference(margin)} points", "wait": more_requests(rate, settings)}
    tolerated = last["log_below"] >= settings.enough
    return metric_finding(case, "001", "errors", measured, failing=failing, tolerated=tolerated, **more)


def _times(rate: ErrorRate) -> str:
    (share_b, share_c), (low, high) = rate.shares, rate.ratio
    if not share_b or not math.isfinite(low) or not math.isfinite(high):
        return ""
    return f", {number(share_c / share_b)} times the error rate ({number(low)} to {number(high)})"


def burst_finding(case: Case, rate: ErrorRate) -> Finding:
    """ML-CAN-006: whether errors come in bursts, which makes counts less telling than they look."""
    if rate.phi <= 1.0:
        statement = "Errors vary over time as independent requests would."
        return case.finding("006", "bursts.none", Verdict.PASS, statement)
    statement = (
        f"Errors come in bursts: they vary {number(rate.phi)} times as much as independent requests would, so the "
        "evidence was divided by that."
    )
    action = "Look for a cause outside the two versions, such as a shared dependency or a node."
    return case.finding("006", "bursts.warn", Verdict.WARN, statement, value=rate.phi, threshold=1.0, action=action)


def more_requests(rate: ErrorRate, settings: CanarySettings) -> str:
    """How many more canary requests would settle it, in words.

    The evidence for a share that lies a distance d from the margin grows by about d² / (2 v) a canary request, where v
    is the variance of the difference times the canary's requests; what was gathered so far is spent again on learning
    the shares, which the factor 1.5 stands for.
    """
    counted = rate.outcomes
    requests_b, requests_c = counted.requests
    share_b, share_c = ((e + 0.5) / (n + 1) for e, n in zip(counted.errors, counted.requests, strict=True))
    variance = share_c * (1 - share_c) + share_b * (1 - share_b) * requests_c / requests_b
    # A difference on the margin is never settled: half the margin's standard error is as near as it is taken to be.
    near = 0.5 * math.sqrt(variance / requests_c)
    distance = max(abs(share_c - share_b - settings.error_margin.of(share_b)), near)
    needed = 1.5 * rate.phi * 2.0 * variance * math.log(1.0 / settings.alpha) / distance**2
    more = max(math.ceil(needed - requests_c), math.ceil(0.1 * requests_c))
    more = round(more, -int(math.log10(more)) + 1) if more > 100 else more
    return wait_for(f"about {more:,.0f} more canary requests", more / requests_c * len(counted.time) * settings.block_s)
