"""Does the canary fail more often?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.count_evidence import CountEvidence
from meshlab.questions.canary.metrics import metric_finding
from meshlab.questions.canary.outcomes import Outcomes
from meshlab.questions.canary.settings import CanarySettings
from meshlab.questions.canary.text import interval_text, percent, wait_text
from meshlab.stats.ratios import ratio_interval
from meshlab.stats.shares import difference_interval

__all__ = ["ErrorRate", "burst_finding", "error_finding", "error_rate"]


@dataclass(frozen=True, slots=True, eq=False)
class ErrorRate:
    """The comparison of the arms' error rates.

    Parameters
    ----------
    share_baseline, share_canary : float
        Error rates, 0..1; NaN without requests.
    margin : float
        What is tolerated, share.
    lower, upper : float
        Of the difference (canary minus baseline), share, at the settings' level, valid at every look.
    ratio : tuple of float
        Lower and upper end of the interval of the ratio (canary's rate over baseline's), valid at every look.
    log_worse : float
        Natural log of the evidence for "worse than what counts as the same": the largest over all looks.
    log_below : float
        Natural log of the evidence for "within what is tolerated": at the last look.
    phi : float
        Dispersion by which both were deflated; 1 when errors do not come in bursts.
    looks : DataFrame
        One row a block: ``time, difference, lower, upper`` (percentage points), ``log_worse, log_below``
        and what FAIL and PASS take of them, ``log_fail, log_pass``.
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


def error_rate(outcomes: Outcomes, settings: CanarySettings) -> ErrorRate:
    """Compare error rates by anytime-valid evidence; see `meshlab.stats.ratios` and `meshlab.stats.shares`."""
    blocks, evidence = outcomes.blocks, CountEvidence.of(outcomes.blocks)
    share_b, share_c = blocks.shares()
    running_b, running_c = evidence.running()
    lower, upper = difference_interval(blocks, settings.alpha, evidence.phi)
    worse, below = evidence.above(1.0 + settings.error_same_relative), evidence.below(settings.error_margin)
    looks = pd.DataFrame(
        {
            "time": outcomes.time,
            "difference": 100 * (running_c - running_b),
            "lower": 100 * lower,
            "upper": 100 * upper,
            "log_worse": worse,
            "log_below": below,
            "log_fail": settings.enough - math.log(settings.stakes.errors),
            "log_pass": settings.enough,
        }
    )
    empty = not len(worse)
    return ErrorRate(
        share_baseline=share_b,
        share_canary=share_c,
        margin=settings.error_margin.of(share_b) if math.isfinite(share_b) else math.nan,
        lower=-1.0 if empty else float(lower[-1]),
        upper=1.0 if empty else float(upper[-1]),
        ratio=ratio_interval(blocks, settings.alpha, evidence.phi),
        log_worse=0.0 if empty else float(worse.max()),
        log_below=0.0 if empty else float(below[-1]),
        phi=evidence.phi,
        looks=looks,
    )


def error_finding(case: Case, rate: ErrorRate, outcomes: Outcomes, side: str, *, failing: bool) -> Finding:
    """ML-CAN-001: whether the canary's error rate stays within the margin.

    Parameters
    ----------
    case : Case
    rate : ErrorRate
    outcomes : Outcomes
        What was compared.
    side : str
        The reporter it was counted at.
    failing : bool
        As `failing_metrics` has it.
    """
    arms, settings = arms_of(case), case.settings
    (n_b, n_c), (k_b, k_c) = outcomes.requests, outcomes.errors
    if not math.isfinite(rate.difference):
        statement = (
            f"Error rates cannot be compared: {arms.baseline} served {n_b:,} requests and {arms.canary} {n_c:,} in the "
            "same blocks of time."
        )
        action = "Send traffic to both versions."
        return case.finding(
            "001",
            "errors.no_traffic",
            Verdict.INCONCLUSIVE,
            statement,
            required=True,
            unit="points",
            action=action,
            query=side,
        )
    difference, margin = 100 * rate.difference, 100 * rate.margin
    interval = (100 * rate.lower, 100 * rate.upper)
    statement = (
        f"{k_c:,} of {n_c:,} requests to {arms.canary} failed ({percent(rate.share_canary)}), {k_b:,} of {n_b:,} to "
        f"{arms.baseline} ({percent(rate.share_baseline)}): {difference:+.2f} points "
        f"({interval_text(settings.level, *interval)}){_times(rate)}."
    )
    return metric_finding(
        case,
        "001",
        "errors",
        statement,
        failing=failing,
        tolerated=rate.log_below >= settings.enough,
        limit=f"{margin:+.2f} points",
        wait=more_requests(rate, outcomes, settings),
        value=difference,
        interval=interval,
        level=settings.level,
        threshold=margin,
        unit="points",
        query=side,
    )


def _times(rate: ErrorRate) -> str:
    low, high = rate.ratio
    if not rate.share_baseline or not math.isfinite(low) or not math.isfinite(high):
        return ""
    return f", {rate.share_canary / rate.share_baseline:.2f} times the error rate ({low:.2f} to {high:.2f})"


def burst_finding(case: Case, rate: ErrorRate) -> Finding:
    """ML-CAN-006: whether errors come in bursts, which makes counts less telling than they look."""
    if rate.phi <= 1.0:
        statement = "Errors vary over time as independent requests would."
        return case.finding("006", "bursts.none", Verdict.PASS, statement)
    return case.finding(
        "006",
        "bursts.warn",
        Verdict.WARN,
        f"Errors come in bursts: they vary {rate.phi:.1f} times as much as independent requests would, so the evidence "
        "was divided by that.",
        value=rate.phi,
        threshold=1.0,
        action="Look for a cause outside the two versions, such as a shared dependency or a node.",
    )


def more_requests(rate: ErrorRate, outcomes: Outcomes, settings: CanarySettings) -> str:
    """How many more canary requests would settle it, in words.

    The evidence for a share that lies a distance d from the margin grows by about d² / (2 v) a canary request, where v
    is the variance of the difference times the canary's requests; what was gathered so far is spent again on learning
    the shares, which the factor 1.5 stands for.
    """
    requests_b, requests_c = outcomes.requests
    share_b, share_c = ((e + 0.5) / (n + 1) for e, n in zip(outcomes.errors, outcomes.requests, strict=True))
    variance = share_c * (1 - share_c) + share_b * (1 - share_b) * requests_c / requests_b
    # A difference on the margin is never settled: half the margin's standard error is as near as it is taken to be.
    near = 0.5 * math.sqrt(variance / requests_c)
    distance = max(abs(share_c - share_b - settings.error_margin.of(share_b)), near)
    needed = 1.5 * rate.phi * 2.0 * variance * math.log(1.0 / settings.alpha) / distance**2
    more = max(math.ceil(needed - requests_c), math.ceil(0.1 * requests_c))
    more = round(more, -int(math.log10(more)) + 1) if more > 100 else more
    minutes = more / requests_c * len(outcomes.index) * settings.block_s / 60
    return wait_text(f"about {more:,.0f} more canary requests", minutes)
