"""The largest concurrency whose tail latency still meets the objective: the knee that users notice.

The tail of each window must come from that window's own histogram; a mean of quantiles is no quantile. Tails only ever
grow with load, so the curve is the closest rising one to the medians of the bins (isotonic regression; R. Barlow et
al., "Statistical Inference under Order Restrictions", 1972), and no law of queues need hold.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import spearmanr

from meshlab.errors import ParameterError
from meshlab.questions.scaling.usl import Answer, Estimate, Reason, binned, refuse
from meshlab.questions.scaling.usl.checks import LEVELS
from meshlab.questions.scaling.usl.points import checked

__all__ = ["slo_knee"]

Floats = NDArray[np.float64]

_RARE: Final = 0.05


def slo_knee(
    concurrency: ArrayLike, tail: ArrayLike, objective: float, *, level: float = 0.95, refits: int = 400
) -> Answer:
    """Find the largest concurrency at which the tail latency meets the objective.

    Parameters
    ----------
    concurrency : array_like, shape (windows,)
        In the order of time; NaN where missing.
    tail : array_like, shape (windows,)
        p99 (or another quantile) of each window, in the unit of the objective; infinite where it lies in the
        histogram's last bucket, which is known to be too slow.
    objective : float
        Above 0.
    level : float
    refits : int
        Of the bootstrap in blocks of neighbouring windows that gives the interval.

    Returns
    -------
    Answer
        The interval's upper end is infinite when in some refits the objective is met as far as the data reach.

    Raises
    ------
    ParameterError
        Shapes differ, values are negative, the objective or the level makes no sense.
    """
    if not (np.isfinite(objective) and objective > 0 and 0.0 < level < 1.0 and refits > 0):
        raise ParameterError("objective, level and refits must be positive", "use seconds, 0.95 and 400")
    n = checked("concurrency", concurrency)
    slow = np.asarray(tail, dtype=np.float64)
    # Far beyond the objective is as good as infinite, and can be binned.
    y = checked("tail", np.where(slow == np.inf, 1e6 * objective, slow), n.shape)
    known = np.isfinite(n) & np.isfinite(y) & (n > 0)
    n, y = n[known], np.minimum(y[known], 1e6 * objective)
    if (levels := len(np.unique(n))) < LEVELS:
        return refuse(Reason.FEW_LEVELS, f"{levels} distinct concurrencies, {LEVELS} are needed")
    crossing = _crossing(n, y, objective)
    if crossing >= n.max():
        return refuse(Reason.OUT_OF_REACH, f"the objective is met up to the largest load measured ({n.max():.3g})")
    if crossing <= 0:
        return refuse(Reason.NEVER_HELD, f"the objective is missed even at the lowest load measured ({n.min():.3g})")
    related = spearmanr(n, y)
    if not (related.statistic > 0 and related.pvalue < _RARE):
        reason = f"the tail does not grow with concurrency (rank correlation {related.statistic:.2f})"
        return refuse(Reason.UNRELATED, reason)
    rng = np.random.default_rng(0)
    length = max(1, round(len(n) ** (1 / 3)))
    draws = np.empty(refits)
    for i in range(refits):
        starts = rng.integers(0, len(n), -(-len(n) // length))
        at = (starts[:, None] + np.arange(length)).ravel()[: len(n)] % len(n)
        crossed = _crossing(n[at], y[at], objective)
        draws[i] = np.inf if crossed >= n[at].max() else crossed
    low, high = (float(q) for q in np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2], method="nearest"))
    return Answer(Estimate.around(crossing, low, high))


def _crossing(n: Floats, y: Floats, objective: float) -> float:
    """Where the rising curve crosses the objective; 0 before the first bin, the largest concurrency after the last."""
    points = binned(n, y)
    rising = isotonic_regression(points.throughput, weights=points.counts).x
    over = np.flatnonzero(rising > objective)
    if not len(over) or not over[0]:
        return 0.0 if len(over) else float(n.max())
    k = int(over[0])
    # Latencies grow by factors: between two bins their logarithm is closer to straight.
    below, above = np.log(max(rising[k - 1], 1e-12)), np.log(rising[k])
    share = (np.log(objective) - below) / (above - below) if above > below else 0.0
    left, right = points.concurrency[k - 1], points.concurrency[k]
    return float(left + min(max(share, 0.0), 1.0) * (right - left))
