"""The smallest regression that data of this size would have shown: what a PASS is worth."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import norm

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import number, percent
from meshlab.questions.base import Case
from meshlab.questions.canary.error_rate import ErrorRate
from meshlab.questions.canary.settings import CanarySettings
from meshlab.questions.canary.tables import TABLES
from meshlab.stats.paired import half_width

__all__ = ["power", "power_finding"]

_CHANCE: Final = 0.8
_MIXED: Final = 1.0
"""Natural logarithm of what a mixture of bets loses against the one that knows the effect."""
_LARGEST: Final = 1000.0


def power(rate: ErrorRate, looks: pd.DataFrame, settings: CanarySettings) -> pd.DataFrame:
    """The smallest regressions that would have been shown with a chance of 80 %: the table ``power``.

    As if the canary had them all along; NaN where nothing of any size would have been shown.
    """
    times, share = _errors(rate, settings)
    slower = ("probability of being slower", _slower(looks, settings), "probability")
    errors = ("error rate over the baseline's", times, "times"), ("error rate", 100 * share, "%")
    return TABLES["power"].of((*errors, slower))


def power_finding(case: Case, table: pd.DataFrame) -> Finding:
    """ML-CAN-012: what these data could have shown."""
    times, share, slower = (float(value) for value in table["smallest"])
    shown = []
    if math.isfinite(times):
        shown.append(f"{number(times, 2)} times the baseline's error rate ({percent(share / 100)})")
    if math.isfinite(slower):
        shown.append(f"being slower with probability {number(slower, 2)}")
    if not shown:
        statement = "These data could not have shown a regression of any size."
        action = f"Send more traffic, or look at a longer window: all metrics share alpha = {case.settings.alpha:g}."
        return case.finding("012", "power.none", None, statement, action=action)
    power = f"with {percent(_CHANCE)} power"
    statement = f"The smallest regression that these data would have shown {power} is {', or '.join(shown)}."
    numbers: dict[str, Any] = {"value": times, "unit": "times"} if math.isfinite(times) else {}
    return case.finding("012", "power.shown", Verdict.PASS, statement, **numbers)


def _errors(rate: ErrorRate, settings: CanarySettings) -> tuple[float, float]:
    (n_b, n_c), (k_b, _) = rate.outcomes.requests, rate.outcomes.errors
    if not n_b or not n_c:
        return math.nan, math.nan
    share = (k_b + 0.5) / (n_b + 1)
    need = math.sqrt(2 * (math.log(1 / (settings.alpha * settings.stakes.errors)) + _MIXED)) + norm.ppf(_CHANCE)
    allowed = math.log(1 + settings.error_same_relative)

    def shown(times: float) -> bool:
        # The spread of the logarithm of a ratio of two counts.
        spread = math.sqrt(rate.phi * (1 / (share * n_b) + 1 / (times * share * n_c)))
        return bool(math.log(times) - allowed >= need * spread)

    low, high = 1.0, min(_LARGEST, 1 / share)
    if high <= 1.0 or not shown(high):
        return math.nan, math.nan
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high, high * share


def _slower(looks: pd.DataFrame, settings: CanarySettings) -> float:
    pairs, chance = len(looks), float(norm.ppf(_CHANCE))
    spread = float(np.std(looks["in_block"])) if pairs > 1 else math.nan
    half = half_width(pairs, settings.alpha * settings.stakes.latency) * spread
    smallest = 0.5 + settings.latency_margin + half + chance * spread / math.sqrt(max(pairs, 1))
    return smallest if math.isfinite(smallest) and 0 < smallest < 1 and spread > 0 else math.nan
