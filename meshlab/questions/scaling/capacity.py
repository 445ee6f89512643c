"""What one copy of a service can carry: the law, the knee, and what it sustained where it was saturated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import t as student

from meshlab.questions.scaling import knee as knees
from meshlab.questions.scaling.knee import Knee
from meshlab.questions.scaling.settings import Policy
from meshlab.questions.scaling.slo_knee import slo_knee
from meshlab.questions.scaling.usl import Answer, Conditions, Estimate, Fit, Reason, Refusal, fit_samples

__all__ = ["Capacity", "capacity", "carried", "tails_of"]

_SATURATED: Final = 1.5
_LEAST: Final = 3
_TAIL: Final = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Capacity:
    """What one copy of one version can carry.

    Attributes
    ----------
    version : str
    fit : Fit
    knee : Knee
        In requests in flight a copy.
    sustained : Answer
        Requests a second of one copy where it was saturated.
    slo : Answer or None
        Requests in flight a copy up to which the objective holds; None where there is no objective.
    beyond : float
        Share of the blocks beyond the knee; NaN where there is none.
    """

    version: str
    fit: Fit
    knee: Knee
    sustained: Answer
    slo: Answer | None
    beyond: float


def capacity(points: pd.DataFrame, tails: pd.DataFrame | None, version: str, policy: Policy) -> Capacity:
    """Fit one version.

    Parameters
    ----------
    points : DataFrame
        Of `Samples`, of this version alone, in the order of time within each copy.
    tails : DataFrame or None
        ``concurrency`` (a copy) and ``p99_ms`` of each block.
    version : str
    policy : Policy
    """
    points = points.sort_values(["block", "instance"])
    n, x = points["concurrency"].to_numpy(np.float64), points["throughput"].to_numpy(np.float64)
    asked = np.maximum(points["requests"].to_numpy(np.float64), 1.0)
    rate = points["errors"].to_numpy(np.float64) / asked
    found = fit_samples(n, x, conditions=Conditions(error_rate=rate), level=policy.level)
    bend = knees.find(found)
    at = bend.answer.estimate
    slo = None
    if tails is not None and policy.slo_ms:
        slo = slo_knee(tails["concurrency"], tails["p99_ms"], policy.slo_ms, level=policy.level)
    return Capacity(
        version=version,
        fit=found,
        knee=bend,
        sustained=_sustained(points, at.value if at else None, found, policy.level),
        slo=slo,
        beyond=float(np.mean(n > at.value)) if at is not None and len(n) else np.nan,
    )


def carried(one: Capacity, slo: bool) -> Answer:
    """Requests a second that one copy carries up to its knee, or up to the objective: what demand is measured in."""
    at = one.slo.estimate if slo and one.slo is not None else one.knee.answer.estimate
    if at is None:
        refusal = one.slo.refusal if slo and one.slo is not None else one.knee.answer.refusal
        return Answer(refusal=refusal)
    if one.fit.choice is not None and one.fit.choice.chosen == "capacity":
        known = dict(one.fit.choice.candidate("capacity").parameters)
        top = one.sustained.estimate.value if one.sustained.estimate else known["places"] / known["seconds"]

        def curve(n: float) -> float:
            return min(n / known["seconds"], top)
    else:

        def curve(n: float) -> float:
            return float(one.fit.predict(n).throughput[0])

    low, value, high = (curve(min(n, float(one.fit.concurrency[-1]))) for n in (at.low, at.value, at.high))
    return Answer(Estimate(value, min(low, value), max(high, value)))


def _sustained(points: pd.DataFrame, at: float | None, found: Fit, level: float) -> Answer:
    """The mean of the saturated blocks, without those in which a copy was only about to be, or to be no more."""
    xs = points["throughput"].to_numpy(np.float64)
    if at is None:
        most = float(xs.max()) if len(xs) else 0.0
        return Answer(
            refusal=Refusal(Reason.OUT_OF_REACH, f"no copy was saturated: it is at least {most:.3g} a second")
        )
    full = points.assign(full=points["concurrency"] >= _SATURATED * at).sort_values(["instance", "block"])
    beside = [
        full["full"].shift(by, fill_value=False)
        & (full["instance"].shift(by) == full["instance"])
        & ((full["block"] - full["block"].shift(by)) == by)
        for by in (1, -1)
    ]
    inner = full["full"] & beside[0] & beside[1]
    chosen = full.loc[inner if int(inner.sum()) >= _LEAST else full["full"], "throughput"].to_numpy(np.float64)
    if len(chosen) < _LEAST:
        if found.peak_throughput.estimate is not None:
            return found.peak_throughput
        said = (
            f"{len(chosen)} block{'s' * (len(chosen) != 1)} of a saturated copy, {_LEAST} are needed: "
            f"it is at least {np.quantile(xs, 0.95):.3g} a second"
        )
        return Answer(refusal=Refusal(Reason.OUT_OF_REACH, said))
    mean = float(chosen.mean())
    half = float(student.ppf(0.5 + level / 2, len(chosen) - 1) * chosen.std(ddof=1) / np.sqrt(len(chosen)))
    return Answer(Estimate(mean, max(mean - half, 0.0), mean + half))


def tails_of(buckets: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """The p99 of each block from its own histogram, beside what a copy had in flight in the mean.

    Inside a bucket the quantile is taken as Prometheus takes it, in a straight line; in the open last one it is
    infinite. A block with fewer than a hundred requests has no p99.

    Parameters
    ----------
    buckets : DataFrame
        ``block, le`` (milliseconds), ``count`` (cumulative), of one version.
    points : DataFrame
        Of `Samples`, of the same version.

    Returns
    -------
    DataFrame
        ``block, concurrency, p99_ms``.
    """
    table = buckets.groupby(["block", "le"])["count"].sum().unstack("le").sort_index(axis=1)
    edges, counts = table.columns.to_numpy(np.float64), table.to_numpy(np.float64)
    total = counts[:, -1]
    rank = _TAIL * total
    at = np.argmax(counts >= rank[:, None], axis=1)
    rows = np.arange(len(table))
    upper = edges[at]
    lower = np.where(at > 0, edges[np.maximum(at - 1, 0)], 0.0)
    below = np.where(at > 0, counts[rows, np.maximum(at - 1, 0)], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (rank - below) / (counts[rows, at] - below)
    tail = np.where(np.isinf(upper), np.inf, lower + np.where(np.isfinite(share), share, 1.0) * (upper - lower))
    found = pd.DataFrame({"block": table.index, "p99_ms": np.where(total >= 100, tail, np.nan)})
    mean = points.groupby("block")["concurrency"].mean().rename("concurrency").reset_index()
    return mean.merge(found, on="block", how="inner").dropna()[["block", "concurrency", "p99_ms"]]
