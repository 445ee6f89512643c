"""The smallest harm that data of this size would have shown: what "nothing was found" is worth."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import norm

from meshlab.core.results import Finding, Verdict
from meshlab.questions.canary.arms import Durations, Outcomes
from meshlab.questions.canary.latency import latency
from meshlab.questions.canary.settings import Policy
from meshlab.stats.paired import half_width

__all__ = ["power", "power_finding"]

_CHANCE: Final = 0.8
_MIXED: Final = 1.0
"""Natural logarithm of what a mixture of bets loses against the one that knows the harm."""
_LARGEST: Final = 1000.0


def power(outcomes: Outcomes, durations: Durations, phi: float, policy: Policy) -> pd.DataFrame:
    """The smallest harms that would have been shown with a chance of 80 %, if the canary had them all along.

    Parameters
    ----------
    outcomes : Outcomes
    durations : Durations
    phi : float
        Dispersion of the errors.
    policy : Policy

    Returns
    -------
    DataFrame
        ``metric, smallest, unit``: the ratio of the error shares (``times``), the canary's error share with it
        (``%``), and the probability of being slower; NaN where nothing of any size would have been shown.
    """
    times, share = _errors(outcomes, phi, policy)
    return pd.DataFrame(
        [
            ("error share over the baseline's", times, "times"),
            ("error share", 100 * share, "%"),
            ("probability of being slower", _slower(durations, policy), "probability"),
        ],
        columns=["metric", "smallest", "unit"],
    )


def power_finding(table: pd.DataFrame, subject: str, policy: Policy) -> Finding:
    """ML-CAN-012: what these data could have shown."""
    times, share, slower = (float(value) for value in table["smallest"])
    told = []
    if math.isfinite(times):
        told.append(f"{times:.2g} times the baseline's error share ({share:.2g} %)")
    if math.isfinite(slower):
        told.append(f"being slower with probability {slower:.2f}")
    return Finding(
        code="ML-CAN-012",
        verdict=Verdict.PASS if told else None,
        required=False,
        subject=subject,
        statement=(
            f"the smallest harm that these data would have shown, four times in five: {', or '.join(told)}"
            if told
            else "these data could not have shown harm of any size"
        ),
        value=times if math.isfinite(times) else None,
        unit="times" if math.isfinite(times) else "",
        action="" if told else f"more traffic, or a longer window: each metric shares alpha = {policy.alpha:g}",
    )


def _errors(outcomes: Outcomes, phi: float, policy: Policy) -> tuple[float, float]:
    (n_b, n_c), (k_b, _) = outcomes.requests, outcomes.errors
    if not n_b or not n_c:
        return math.nan, math.nan
    share = (k_b + 0.5) / (n_b + 1)
    need = math.sqrt(2 * (math.log(1 / (policy.alpha * policy.stakes["errors"])) + _MIXED)) + norm.ppf(_CHANCE)
    allowed = math.log(1 + policy.error_same_relative)

    def shown(times: float) -> bool:
        # The spread of the logarithm of a ratio of two counts.
        spread = math.sqrt(phi * (1 / (share * n_b) + 1 / (times * share * n_c)))
        return bool(math.log(times) - allowed >= need * spread)

    low, high = 1.0, min(_LARGEST, 1 / share)
    if high <= 1.0 or not shown(high):
        return math.nan, math.nan
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high, high * share


def _slower(durations: Durations, policy: Policy) -> float:
    found = latency(durations, policy)
    spread = float(np.std(found.looks["in_block"])) if found.pairs > 1 else math.nan
    half = half_width(found.pairs, policy.alpha * policy.stakes["latency"]) * spread
    smallest = 0.5 + policy.latency_margin + half + float(norm.ppf(_CHANCE)) * spread / math.sqrt(max(found.pairs, 1))
    return smallest if math.isfinite(smallest) and 0 < smallest < 1 and spread > 0 else math.nan
