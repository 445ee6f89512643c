"""What one replica can carry: the fitted law, the knee, and the throughput it sustained when saturated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import t as student

from meshlab.questions.scaling import knee as knees
from meshlab.questions.scaling.knee import Knee
from meshlab.questions.scaling.settings import ScalingSettings
from meshlab.questions.scaling.slo_knee import slo_knee
from meshlab.questions.scaling.usl import Answer, Estimate, Fit, Reason, fit_samples, refuse

__all__ = ["Capacity", "block_p99", "fit_capacity", "sustainable_rate"]

_SATURATED: Final = 1.5
_LEAST: Final = 3
_TAIL: Final = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Capacity:
    """What one replica of a version can carry."""

    version: str
    fit: Fit
    knee: Knee
    """In concurrent requests per replica."""
    sustained: Answer
    """Requests a second of a saturated replica."""
    slo: Answer | None
    """Concurrent requests per replica up to which the objective is met; None where there is no objective."""
    beyond: float
    """Share of the blocks beyond the knee; NaN where there is none."""


def fit_capacity(points: pd.DataFrame, tails: pd.DataFrame | None, version: str, settings: ScalingSettings) -> Capacity:
    """Fit one version.

    Parameters
    ----------
    points : DataFrame
        Of `Samples`, of this version alone.
    tails : DataFrame or None
        ``concurrency`` (per replica) and ``p99_ms`` of each block.
    version : str
    settings : ScalingSettings
    """
    points = points.sort_values(["block", "instance"])
    n, x = points["concurrency"].to_numpy(np.float64), points["throughput"].to_numpy(np.float64)
    rate = points["errors"].to_numpy(np.float64) / np.maximum(points["requests"].to_numpy(np.float64), 1.0)
    fit = fit_samples(n, x, error_rate=rate, level=settings.level)
    knee = knees.find(fit)
    at = knee.answer.estimate
    slo = None
    if tails is not None and settings.slo_ms:
        slo = slo_knee(tails["concurrency"], tails["p99_ms"], settings.slo_ms, level=settings.level)
    return Capacity(
        version=version,
        fit=fit,
        knee=knee,
        sustained=_sustained(points, at.value if at else None, fit, settings.level),
        slo=slo,
        beyond=float(np.mean(n > at.value)) if at is not None and len(n) else np.nan,
    )


def sustainable_rate(capacity: Capacity, *, slo: bool) -> Answer:
    """Requests a second that a replica carries up to its knee, or up to the objective: the unit of demand."""
    answer = capacity.slo if slo and capacity.slo is not None else capacity.knee.answer
    if answer.estimate is None:
        return answer
    ends = (answer.estimate.low, answer.estimate.value, answer.estimate.high)
    n = np.minimum(ends, capacity.fit.points.concurrency[-1])
    if capacity.fit.capacity_limit is None:
        rates = capacity.fit.predict(n).throughput
    else:
        limit, seconds = capacity.fit.capacity_limit
        top = capacity.sustained.estimate.value if capacity.sustained.estimate else limit / seconds
        rates = np.minimum(n / seconds, top)
    low, value, high = map(float, rates)
    return Answer(Estimate.around(value, low, high))


def _sustained(points: pd.DataFrame, at: float | None, fit: Fit, level: float) -> Answer:
    """The mean throughput of the saturated blocks, without those in which saturation began or ended."""
    xs = points["throughput"].to_numpy(np.float64)
    if at is None:
        most = float(xs.max()) if len(xs) else 0.0
        return refuse(Reason.OUT_OF_REACH, f"no replica was saturated: it sustains at least {most:.3g} rps")
    full = points.assign(full=points["concurrency"] >= _SATURATED * at).sort_values(["instance", "block"])
    inner = full["full"]
    for by in (1, -1):
        inner = (
            inner
            & full["full"].shift(by, fill_value=False)
            & (full["instance"].shift(by) == full["instance"])
            & ((full["block"] - full["block"].shift(by)) == by)
        )
    chosen = full.loc[inner if int(inner.sum()) >= _LEAST else full["full"], "throughput"].to_numpy(np.float64)
    if len(chosen) < _LEAST:
        if fit.peak_throughput.estimate is not None:
            return fit.peak_throughput
        sentence = f"a replica sustains at least {np.quantile(xs, 0.95):.3g} rps: only {len(chosen)} of {_LEAST}"
        return refuse(Reason.OUT_OF_REACH, f"{sentence} saturated intervals needed")
    mean = float(chosen.mean())
    half = float(student.ppf(0.5 + level / 2, len(chosen) - 1) * chosen.std(ddof=1) / np.sqrt(len(chosen)))
    return Answer(Estimate(mean, max(mean - half, 0.0), mean + half))


def block_p99(buckets: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """The p99 of each block from its own histogram, with the mean concurrency of a replica.

    Inside a bucket the quantile is interpolated linearly, as Prometheus does; in the open last one it is infinite. A
    block with fewer than a hundred requests has no p99.

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
    quantiles = pd.DataFrame({"block": table.index, "p99_ms": np.where(total >= 100, tail, np.nan)})
    mean = points.groupby("block")["concurrency"].mean().rename("concurrency").reset_index()
    return mean.merge(quantiles, on="block", how="inner").dropna()[["block", "concurrency", "p99_ms"]]
