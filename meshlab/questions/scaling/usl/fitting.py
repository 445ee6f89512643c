"""Fit the Universal Scalability Law: to points, to samples over time, to a thousand services at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from meshlab.questions.scaling.usl.result import Answer, Bootstrap, Fit, Reason, Refusal

__all__ = ["fit", "fit_many", "fit_samples"]

Floats = NDArray[np.float64]
Coefficients = tuple[float, float, float]
_Draws = Callable[[Coefficients], tuple[Floats, Floats, Floats]]

# Fewer points than this, or less than two concurrencies, cannot carry three coefficients at all.
_LEAST: Final = 4


class _Samples(NamedTuple):
    """The measurements in the order of their rows."""

    concurrency: Floats
    throughput: Floats
    conditions: Conditions


class _Row(NamedTuple):
    """Points to fit, sorted by concurrency: N, X, weights, samples behind each."""

    n: Floats
    x: Floats
    w: Floats
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, points: Points) -> _Row:
        order = np.argsort(points.concurrency, kind="stable")
        return cls(points.concurrency[order], points.throughput[order], points.weights[order], points.counts[order])


def fit(
    concurrency: ArrayLike,
    throughput: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    conditions: Conditions | None = None,
    level: float = 0.95,
    noise: Noise = "auto",
    bootstrap: int = 0,
    block: int | None = None,
    seed: int = 0,
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
    bootstrap : int
        Refits of residuals redrawn in blocks of neighbouring rows; 0 for none. Rows are then taken to be in the order
        of time. 1000 serve well.
    block : int, optional
        Rows of a block; the cube root of the rows by default.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Fit
        Thin or unfit data give refusals, never an error.

    Raises
    ------
    ParameterError
        Shapes differ, values are negative or infinite, the level or the counts make no sense.
    """
    _check(level, bootstrap, block)
    n = checked("concurrency", concurrency)
    x = checked("throughput", throughput, n.shape)
    w = np.ones_like(n) if weights is None else checked("weights", weights, n.shape)
    if weights is not None and len(w) and not np.any(w > 0):
        raise ParameterError("all weights are 0", "leave weights out to trust every row alike")
    conditions = conditions or Conditions()
    known = np.flatnonzero(np.isfinite(n) & np.isfinite(x) & np.isfinite(w) & (n > 0) & (w > 0))
    order = known[np.lexsort((w[known], x[known], n[known]))]
    # Summed in the sorted order: the last bit of a mean must not depend on the order of rows.
    w = w / w[order].mean() if len(known) else w
    points = _Row(n[order], x[order], w[order], np.ones(len(order), np.int64))
    samples = _Samples(n, x, conditions)
    draws: _Draws | None = None
    if bootstrap:

        def draws(coefficients: Coefficients) -> tuple[Floats, Floats, Floats]:
            fitted, root = curve.throughput(n[known], *coefficients), np.sqrt(w[known])
            residuals = (x[known] - fitted) * root
            drawn = intervals.resampled(residuals, bootstrap, block, np.random.default_rng(seed))
            return n[known], fitted + drawn / root, w[known]

    return _solve([points], [samples], level, noise, draws)[0]


def fit_samples(
    concurrency: ArrayLike,
    throughput: ArrayLike,
    *,
    bins: int = 16,
    conditions: Conditions | None = None,
    level: float = 0.95,
    bootstrap: int = 0,
    block: int | None = None,
    seed: int = 0,
) -> Fit:
    """Fit the law to samples over time: medians of bins of equal count over concurrency.

    Parameters are those of `fit`; ``bins`` is that of `binned`. The bootstrap redraws the samples in blocks of time
    and bins them again: successive samples are correlated, which no formula for the error accounts for.

    Returns
    -------
    Fit
    """
    _check(level, bootstrap, block)
    n = checked("concurrency", concurrency)
    x = checked("throughput", throughput, n.shape)
    points = binned(n, x, bins)
    row = _Row.of(points)
    draws: _Draws | None = None
    if bootstrap:

        def draws(coefficients: Coefficients) -> tuple[Floats, Floats, Floats]:
            rng = np.random.default_rng(seed)
            return row.n, _redrawn(n, x, points, coefficients, bootstrap, block, rng), row.w

    return _solve([row], [_Samples(n, x, conditions or Conditions())], level, "auto", draws)[0]


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
    _check(level, 0, None)
    n = checked("concurrency", concurrency, axes=2)
    x = checked("throughput", throughput, n.shape, axes=2)
    conditions = conditions if conditions is not None else [None] * len(n)
    if len(conditions) != len(n):
        raise ParameterError(f"{len(conditions)} conditions for {len(n)} services", "give one for each, or None")
    rows = [_Row.of(binned(service_n, service_x, bins)) for service_n, service_x in zip(n, x, strict=True)]
    samples = [_Samples(n[i], x[i], other or Conditions()) for i, other in enumerate(conditions)]
    return _solve(rows, samples, level, "auto")


def _check(level: float, bootstrap: int, block: int | None) -> None:
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level {level} is not between 0 and 1", "use 0.95")
    if bootstrap < 0 or (block is not None and block < 1):
        raise ParameterError("bootstrap is below 0, or block below 1", "use 0 refits for none, and blocks of 1 or more")


def _solve(
    rows: list[_Row], samples: list[_Samples], level: float, noise: Noise, draws: _Draws | None = None
) -> tuple[Fit, ...]:
    """Solve all rows that can carry a curve at once, then add intervals and refusals to each."""
    able = [i for i, row in enumerate(rows) if len(row.n) >= _LEAST and row.n[-1] > row.n[0] and np.any(row.x > 0)]
    fits = [_empty(row, samples[i], level) for i, row in enumerate(rows)]
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
        bootstrap = intervals.summarised(*draws(coefficients), coefficients, level) if draws else None
        fits[i] = _assemble(rows[i], samples[i], coefficients, choice.scaled(float(scale[k])), level, noise, bootstrap)
    return tuple(fits)


def _assemble(
    row: _Row,
    samples: _Samples,
    coefficients: Coefficients,
    choice: Choice,
    level: float,
    noise: Noise,
    bootstrap: Bootstrap | None,
) -> Fit:
    freedom = len(row.n) - 3
    spread = intervals.covariance(row.n, row.x, row.w, coefficients, noise)
    contention, coherency, single = (
        intervals.bounded(value, float(spread[k, k]), freedom, level, (1.0, 1.0, np.inf)[k])
        for k, value in enumerate(coefficients)
    )
    fitted = curve.throughput(row.n, *coefficients)
    refusals = _of_data(row, samples)
    refusals += checks.of_fit(row.n, row.x, row.w, fitted, coefficients[2], choice)
    time = samples.conditions.column("time", samples.concurrency.shape)
    if time is not None:
        n, x = samples.concurrency, samples.throughput
        known = np.isfinite(n) & np.isfinite(x) & np.isfinite(time) & (n > 0)
        refusals += checks.of_hysteresis(n[known], x[known], curve.throughput(n[known], *coefficients), time[known])
    marks = landmarks(coefficients, spread, freedom, level, float(row.n[-1]), bootstrap)
    return Fit(contention, coherency, single, tuple(refusals), *marks, choice, spread, freedom, level, *row, bootstrap)


def _of_data(row: _Row, samples: _Samples) -> list[Refusal]:
    return [*checks.of_points(row.n), *checks.of_conditions(samples.concurrency, samples.conditions)]


def _empty(row: _Row, samples: _Samples, level: float) -> Fit:
    refusals = _of_data(row, samples)
    if not refusals:
        refusals = [Refusal(Reason.NO_DATA, "no row has a throughput above 0")]
    none = Answer(refusal=refusals[0])
    unknown = np.full((3, 3), np.inf)
    return Fit(None, None, None, tuple(refusals), none, none, none, none, None, unknown, 0, level, *row)


def _redrawn(
    n: Floats,
    x: Floats,
    points: Points,
    coefficients: Coefficients,
    refits: int,
    block: int | None,
    rng: np.random.Generator,
) -> Floats:
    """Medians of each bin when the samples' residuals are drawn anew in blocks of time."""
    known = np.flatnonzero(points.bin >= 0)
    bins = points.bin[known]
    base = curve.throughput(n[known], *coefficients)
    usual = float(np.median(points.spread)) or 1.0
    size = np.where(points.spread > 0, points.spread, usual)[bins]
    residuals = (x[known] - base) / size
    inside = [np.flatnonzero(bins == k) for k in range(len(points.concurrency))]
    medians = np.empty((refits, len(inside)))
    for i in range(refits):
        drawn = base + size * intervals.resampled(residuals, 1, block, rng)[0]
        medians[i] = [np.median(drawn[rows]) for rows in inside]
    return medians
