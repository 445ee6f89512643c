"""Fit the Universal Scalability Law: to points, to samples over time, to a thousand services at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meshlab.errors import ParameterError
from meshlab.questions.scaling.usl import checks, curve, intervals, solve
from meshlab.questions.scaling.usl.checks import Conditions
from meshlab.questions.scaling.usl.intervals import Noise
from meshlab.questions.scaling.usl.landmarks import landmarks
from meshlab.questions.scaling.usl.models import Choice, choose
from meshlab.questions.scaling.usl.points import Points, binned, checked
from meshlab.questions.scaling.usl.result import Answer, Fit, Reason, Refusal

__all__ = ["fit", "fit_many", "fit_samples"]

Floats = NDArray[np.float64]
Coefficients = tuple[float, float, float]

# Fewer points than this, or less than two concurrencies, cannot carry three coefficients at all.
_LEAST: Final = 4


class _Row(NamedTuple):
    """Points to fit, sorted by concurrency (N, X, weights, samples behind each), and the samples they were made of."""

    n: Floats
    x: Floats
    w: Floats
    counts: NDArray[np.int64]
    all_n: Floats
    all_x: Floats
    conditions: Conditions

    @classmethod
    def of(cls, points: Points, n: Floats, x: Floats, conditions: Conditions | None) -> _Row:
        order = np.argsort(points.concurrency, kind="stable")
        fitted = points.concurrency[order], points.throughput[order], points.weights[order], points.counts[order]
        return cls(*fitted, n, x, conditions or Conditions())


def fit(
    concurrency: ArrayLike,
    throughput: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    conditions: Conditions | None = None,
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
    conditions : Conditions, optional
        Other measurements of each row: they may forbid the fit.
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
    ones = np.ones(len(order), np.int64)
    row = _Row(n[order], x[order], w[order], ones, n, x, conditions or Conditions())
    return _solve([row], level, noise)[0]


def fit_samples(
    concurrency: ArrayLike,
    throughput: ArrayLike,
    *,
    bins: int = 16,
    conditions: Conditions | None = None,
    level: float = 0.95,
) -> Fit:
    """Fit the law to samples over time: medians of bins of equal count over concurrency.

    Parameters are those of `fit`; ``bins`` is that of `binned`.
    """
    n = checked("concurrency", concurrency)
    x = checked("throughput", throughput, n.shape)
    return _solve([_Row.of(binned(n, x, bins), n, x, conditions)], level)[0]


def fit_many(
    concurrency: ArrayLike,
    throughput: ArrayLike,
    *,
    bins: int = 16,
    conditions: Sequence[Conditions | None] | None = None,
    level: float = 0.95,
) -> tuple[Fit, ...]:
    """Fit many services at once; each answer is that of `fit_samples`.

    Parameters
    ----------
    concurrency, throughput : array_like, shape (services, samples)
        NaN where missing.
    bins : int
    conditions : sequence of Conditions or None, optional
        One a service.
    level : float

    Returns
    -------
    tuple of Fit
        In the order of the services.
    """
    n = checked("concurrency", concurrency, axes=2)
    x = checked("throughput", throughput, n.shape, axes=2)
    conditions = conditions if conditions is not None else [None] * len(n)
    if len(conditions) != len(n):
        raise ParameterError(f"{len(conditions)} conditions for {len(n)} services", "give one for each, or None")
    return _solve([_Row.of(binned(*rows[:2], bins), *rows) for rows in zip(n, x, conditions, strict=True)], level)


def _solve(rows: Sequence[_Row], level: float, noise: Noise = "auto") -> tuple[Fit, ...]:
    """Solve all rows that can carry a curve at once, then add intervals and refusals to each."""
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level {level} is not between 0 and 1", "use 0.95")
    able = [i for i, row in enumerate(rows) if len(row.n) >= _LEAST and row.n[-1] > row.n[0] and np.any(row.x > 0)]
    fits = [_empty(row, level) for row in rows]
    if not able:
        return tuple(fits)
    width = max(len(rows[i].n) for i in able)
    n, x, w = np.ones((len(able), width)), np.zeros((len(able), width)), np.zeros((len(able), width))
    scale = np.array([rows[i].x.max() for i in able])
    for k, i in enumerate(able):
        size = len(rows[i].n)
        n[k, :size], x[k, :size], w[k, :size] = rows[i].n, rows[i].x / scale[k], rows[i].w
    curves = solve.usl(n, x, w)
    for k, (i, choice) in enumerate(zip(able, choose(n, x, w, curves), strict=True)):
        coefficients = float(curves.contention[k]), float(curves.coherency[k]), float(curves.single[k] * scale[k])
        fits[i] = _assemble(rows[i], coefficients, choice.scaled(float(scale[k])), level, noise)
    return tuple(fits)


def _assemble(row: _Row, coefficients: Coefficients, choice: Choice, level: float, noise: Noise) -> Fit:
    freedom = len(row.n) - 3
    spread = intervals.covariance(row.n, row.x, row.w, coefficients, noise)
    contention, coherency, single = (
        intervals.bounded(value, float(spread[k, k]), freedom, level, (1.0, 1.0, np.inf)[k])
        for k, value in enumerate(coefficients)
    )
    fitted = curve.throughput(row.n, *coefficients)
    refusals = _of_data(row)
    refusals += checks.of_fit(row.n, row.x, row.w, fitted, coefficients[2], choice)
    n, x, time = row.all_n, row.all_x, row.conditions.column("time", row.all_n.shape)
    if time is not None:
        known = np.isfinite(n) & np.isfinite(x) & np.isfinite(time) & (n > 0)
        refusals += checks.of_hysteresis(n[known], x[known], curve.throughput(n[known], *coefficients), time[known])
    marks = landmarks(coefficients, spread, freedom, level, float(row.n[-1]))
    return Fit(contention, coherency, single, tuple(refusals), *marks, choice, spread, freedom, level, *row[:4])


def _of_data(row: _Row) -> list[Refusal]:
    return [*checks.of_points(row.n), *checks.of_conditions(row.all_n, row.conditions)]


def _empty(row: _Row, level: float) -> Fit:
    refusals = _of_data(row) or [Refusal(Reason.NO_DATA, "no row has a throughput above 0")]
    none, unknown = Answer(refusal=refusals[0]), np.full((3, 3), np.inf)
    return Fit(None, None, None, tuple(refusals), none, none, none, none, None, unknown, 0, level, *row[:4])
