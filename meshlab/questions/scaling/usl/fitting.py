"""Fit the Universal Scalability Law: to points, to samples over time, to a thousand services at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meshlab.errors import ParameterError
from meshlab.questions.scaling.usl import checks, curve, intervals
from meshlab.questions.scaling.usl.intervals import Noise
from meshlab.questions.scaling.usl.landmarks import landmarks
from meshlab.questions.scaling.usl.models import Choice, choose
from meshlab.questions.scaling.usl.points import Points, binned, checked
from meshlab.questions.scaling.usl.result import Answer, Fit, Reason, Refusal

__all__ = ["fit", "fit_many", "fit_samples"]

Floats = NDArray[np.float64]

# Fewer points than this, or less than two concurrencies, cannot carry three coefficients at all.
_LEAST: Final = 4


def fit(
    concurrency: ArrayLike,
    throughput: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    level: float = 0.95,
    noise: Noise = "auto",
) -> Fit:
    """Fit the law to the points as they are.

    Parameters
    ----------
    concurrency : array_like, shape (points,)
        Requests in flight (or users, threads, replicas), above 0; per ready replica when replicas are compared.
    throughput : array_like, shape (points,)
        Successful requests a second. A row where either is NaN, or nothing is in flight, is left out.
    weights : array_like, optional
        Inverse variances up to a common factor; all equal by default.
    level : float
        Of every interval.
    noise : {"auto", "any", "equal"}
        "any": intervals hold also when noise grows with throughput (HC3). "equal": the textbook covariance. "auto":
        the first from 12 points on, the second below.

    Returns
    -------
    Fit
        Thin or unfit data give refusals, never an error.

    Raises
    ------
    ParameterError
        Shapes differ, values are negative or infinite, or the level makes no sense.
    """
    n = checked("concurrency", concurrency)
    x = checked("throughput", throughput, n.shape)
    w = np.ones_like(n) if weights is None else checked("weights", weights, n.shape)
    if weights is not None and len(w) and not np.any(w > 0):
        raise ParameterError("all weights are 0", "leave weights out to trust every row alike")
    known = np.flatnonzero(np.isfinite(n) & np.isfinite(x) & np.isfinite(w) & (n > 0) & (w > 0))
    order = known[np.lexsort((w[known], x[known], n[known]))]
    # Summed in the sorted order: the last bit of a mean must not depend on the order of rows.
    w = w / w[order].mean() if len(known) else w
    return _solve([Points(n[order], x[order], w[order], np.ones(len(order), np.int64))], level, noise)[0]


def fit_samples(
    concurrency: ArrayLike, throughput: ArrayLike, *, error_rate: ArrayLike | None = None, level: float = 0.95
) -> Fit:
    """Fit the law to samples over time: medians of bins of equal count over concurrency.

    Parameters are those of `fit`; ``error_rate`` is the share of requests that failed in each window, 0 to 1: too many
    windows with errors forbid the fit.
    """
    points = binned(concurrency, throughput)
    rate = np.empty(0) if error_rate is None else checked("error_rate", error_rate, np.shape(concurrency))
    return _solve([points], level, refusals=tuple(checks.of_errors(rate)))[0]


def fit_many(concurrency: Iterable[ArrayLike], throughput: Iterable[ArrayLike], *, level: float = 0.95) -> list[Fit]:
    """Fit many services at once; each answer is that of `fit_samples`.

    Parameters
    ----------
    concurrency, throughput : iterable of array_like, or one of shape (services, samples)
        NaN where missing.
    level : float

    Returns
    -------
    list of Fit
        In the order of the services.
    """
    return _solve([binned(n, x) for n, x in zip(concurrency, throughput, strict=True)], level)


def _solve(
    rows: Sequence[Points], level: float, noise: Noise = "auto", refusals: tuple[Refusal, ...] = ()
) -> list[Fit]:
    """Solve all rows that can carry a curve at once, then add intervals and refusals to each."""
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level {level} is not between 0 and 1", "use 0.95")
    able = [
        row
        for row in rows
        if len(row.counts) >= _LEAST and row.concurrency[-1] > row.concurrency[0] and np.any(row.throughput > 0)
    ]
    width = max((len(row.counts) for row in able), default=0)
    n, x, w = np.ones((len(able), width)), np.zeros((len(able), width)), np.zeros((len(able), width))
    for k, row in enumerate(able):
        size = len(row.counts)
        n[k, :size], x[k, :size], w[k, :size] = row.concurrency, row.throughput, row.weights
    choices = dict(zip(map(id, able), choose(n, x, w) if able else (), strict=True))
    return [_assemble(row, choices.get(id(row)), level, noise, refusals) for row in rows]


def _assemble(row: Points, choice: Choice | None, level: float, noise: Noise, given: tuple[Refusal, ...]) -> Fit:
    n, x, w = row.concurrency, row.throughput, row.weights
    refusals = (*checks.of_points(n), *given)
    if choice is None:
        refusals = refusals or (Refusal(Reason.NO_DATA, "no row has a throughput above 0"),)
        none, unknown = Answer(refusal=refusals[0]), np.full((3, 3), np.inf)
        return Fit(None, None, None, refusals, none, none, none, None, unknown, 0, level, row)
    law, freedom = choice.candidate("usl").parameters, len(n) - 3
    coefficients = law["contention"], law["coherency"], law["single"]
    spread = intervals.covariance(n, x, w, coefficients, noise)
    contention, coherency, single = (
        intervals.bounded(value, float(spread[k, k]), freedom, level, (1.0, 1.0, np.inf)[k])
        for k, value in enumerate(coefficients)
    )
    refusals += tuple(checks.of_fit(n, x, w, curve.throughput(n, *coefficients), coefficients[2], choice))
    marks = landmarks(coefficients, spread, freedom, level, float(n[-1]))
    return Fit(contention, coherency, single, refusals, *marks, choice, spread, freedom, level, row)
