"""Is one part of the traffic worse although all of it together is not? And do both arms get the same mix?

Simpson's paradox: a canary that gets the easier callers looks as good as the baseline while it fails more often for
each of them. So the arms are also compared caller by caller, and the overall difference once more as it would be if
both had the mix of all requests (direct standardisation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import difference, number, percent
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import ARMS
from meshlab.questions.canary.count_evidence import CountEvidence
from meshlab.questions.canary.error_rate import ErrorRate
from meshlab.questions.canary.outcomes import Outcomes, outcomes
from meshlab.questions.canary.settings import CanarySettings
from meshlab.questions.canary.tables import TABLES

__all__ = ["SEGMENTS", "Segments", "segment_finding", "segments"]

SEGMENTS: Final = {"source": "caller", "source_cluster": "caller's cluster", "destination_host": "host"}
"""Dimensions that cut traffic into parts, and what they are called."""

_MOST: Final = 12
"""Parts of a dimension that are looked at, the busiest first: the others come together."""
_OTHERS: Final = "(others)"
_MIX_ALPHA: Final = 0.0005
_MIX_DIFFERS: Final = 0.1
"""Cramér's V from which the arms' mixes count as different."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The arms' errors in parts of the traffic.

    Parameters
    ----------
    parts : DataFrame
        The table ``segments``: one row a part.
    mixes : DataFrame
        The table ``mixes``: one row a way of cutting; ``standardised`` is the difference of the error rates if both
        arms had the mix of all requests.
    """

    parts: pd.DataFrame
    mixes: pd.DataFrame

    @property
    def log_worse(self) -> float:
        """Natural log of the evidence for "worse in one part at least"; the parts share the stake."""
        return max(0.0, float(self.parts["log_worse"].max()) - math.log(len(self.parts))) if len(self.parts) else 0.0

    def with_all(self, rate: ErrorRate) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Parts and mixes, each below a first row for all traffic as it is."""
        shares = [100 * share for share in rate.shares]
        whole = ("all", "all", *rate.outcomes.requests, *shares, shares[1] - shares[0], math.nan)
        as_it_is = ("as it is", math.nan, math.nan, 100 * rate.difference)
        tables = (("segments", whole, self.parts), ("mixes", as_it_is, self.mixes))
        segments, mixes = (TABLES[n].of([row, *t.itertuples(index=False, name=None)]) for n, row, t in tables)
        return segments, mixes


def segments(frame: pd.DataFrame, possible: int, settings: CanarySettings) -> Segments:
    """Compare the arms in every part of the traffic that both get, of the frame on which errors are counted."""
    rows, mixes = [], []
    for dimension, name in SEGMENTS.items():
        counted = {part: outcomes(mine, possible, settings.error_codes) for part, mine in _cut(frame, dimension)}
        # What was not counted in both arms cannot be compared; one part alone is all of the traffic.
        counted = {part: both for part, both in counted.items() if all(both.requests)}
        if len(counted) < 2:
            continue
        rows += [_row(name, part, both, settings) for part, both in counted.items()]
        mixes.append(_mix(name, list(counted.values())))
    return Segments(TABLES["segments"].of(rows), TABLES["mixes"].of(mixes))


def segment_finding(case: Case, found: Segments, rate: ErrorRate, side: str, *, failing: bool) -> Finding:
    """ML-CAN-010: whether a part of the traffic, or the mix, tells another story than the rate of all of it."""
    if found.parts.empty:
        statement = "There is only one caller, cluster and host, so there are no parts of the traffic to compare."
        return case.finding("010", "segments.not_measured", None, statement, query=side)
    arms, margin = arms_of(case), 100 * rate.margin
    differing = found.mixes[(found.mixes["p_value"] < _MIX_ALPHA) & (found.mixes["cramers_v"] > _MIX_DIFFERS)]
    numbers: dict[str, Any] = {"threshold": margin if math.isfinite(margin) else None, "unit": "points", "query": side}
    if failing:
        worst = found.parts.sort_values("log_worse", ascending=False).iloc[0]
        where, value = f"{worst['by']} {worst['segment']}", float(worst["difference"])
        rates = [percent(worst[f"error_percent_{arm}"] / 100, 2) for arm in ARMS]
        statement = (
            f"For {where} {arms.canary} fails {rates[1]} of requests and {arms.baseline} {rates[0]}. This is a "
            "statistically significant regression."
        )
        numbers |= {"value": value, "action": f"Roll back {arms.canary}, or route {where} to {arms.baseline} only."}
        return case.finding("010", "segments.fail", Verdict.FAIL, statement, required=True, **numbers)
    if differing.empty:
        statement = f"None of {len(found.parts)} parts of the traffic regressed, and both arms get the same mix."
        return case.finding("010", "segments.pass", Verdict.PASS, statement, required=True, query=side)
    hidden = differing[differing["standardised"] > margin]
    hides = len(hidden) > 0 and rate.difference <= rate.margin
    row = (hidden if hides else differing).iloc[0]
    hiding = ", which hides a regression" if hides else ""
    statement = (
        f"The arms get different mixes by {row['by']}{hiding} (Cramér's V {number(row['cramers_v'], 2)}). With one "
        f"mix the error rates would differ by {difference(row['standardised'])} points, as it is by "
        f"{difference(100 * rate.difference)}."
    )
    numbers |= {"value": float(row["standardised"]), "action": f"Route every {row['by']} by the same weights."}
    key, verdict = ("segments.hidden", Verdict.INCONCLUSIVE) if hides else ("segments.mix", Verdict.WARN)
    return case.finding("010", key, verdict, statement, required=hides, **numbers)


def _cut(frame: pd.DataFrame, dimension: str) -> list[tuple[str, pd.DataFrame]]:
    if dimension not in frame or frame.empty:
        return []
    busy = frame.groupby(dimension)["count"].sum().sort_values(ascending=False, kind="stable")
    busy = busy[(busy > 0) & (busy.index != "")]
    if len(busy) < 2:
        return []
    label = frame[dimension].where(frame[dimension].isin(list(busy.index[:_MOST])), _OTHERS)
    label = label[frame[dimension] != ""]
    return [(str(part), frame.loc[mine.index]) for part, mine in label.groupby(label, sort=True)]


def _row(name: str, part: str, counted: Outcomes, settings: CanarySettings) -> tuple[object, ...]:
    (n_b, n_c), (k_b, k_c) = counted.requests, counted.errors
    evidence = CountEvidence.of(counted.blocks).above(1.0 + settings.error_same_relative)
    shares = 100 * k_b / n_b, 100 * k_c / n_c
    worse = k_c * n_b > k_b * n_c and len(evidence) > 0
    # Tolerated in points of its own: a part in which next to nothing fails is not worse for a single error more.
    worse = worse and shares[1] - shares[0] > 100 * settings.error_margin.of(k_b / n_b)
    return name, part, n_b, n_c, *shares, shares[1] - shares[0], float(evidence.max()) if worse else 0.0


def _mix(name: str, counted: list[Outcomes]) -> tuple[object, ...]:
    requests = np.array([both.requests for both in counted], dtype=np.float64)
    errors = np.array([both.errors for both in counted], dtype=np.float64)
    tested = chi2_contingency(requests)
    weight, share = requests.sum(axis=1) / requests.sum(), errors / requests
    standardised = float((weight * (share[:, 1] - share[:, 0])).sum())
    return name, math.sqrt(float(tested.statistic) / requests.sum()), float(tested.pvalue), 100 * standardised
