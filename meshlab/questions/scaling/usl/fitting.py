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
from meshlab.questions.scaling.usl.result import Answer, Bootstrap, Fit, Reason, Refusal

__all__ = ["fit", "fit_many", "fit_samples"]

Floats = NDArray[np.float64]

# Fewer points than this, or less than two concurrencies, cannot carry three coefficients at all.
_LEAST: Final = 4


class _Samples(NamedTuple):
    """What was measured, in the order of its rows, beside the points that were made of it."""

    concurrency: Floats
    throughput: Floats
    conditions: Conditions


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
        What else was measured in each row: it may forbid the fit.
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
    _sane(level, bootstrap, block)
    n = checked("concurrency", concurrency)
    x = checked("throughput", throughput, n.shape)
    w = np.ones_like(n) if weights is None else checked("weights", weights, n.shape)
    if weights is not None and len(w) and not np.any(w > 0):
        raise ParameterError("all weights are 0", "leave weights out to trust every row alike")
    conditions = conditions or Conditions()
    known = np.flatnonzero(np.isfinite(n) & np.isfinite(x) & np.isfinite(w) & (n > 0) & (w > 0))
    order = known[np.lexsort((w[known], x[known], n[known]))]
    # Summed in the sorted order: the last bit of a mean must not hang on the order of rows.
    w = w / w[order].mean() if len(known) else w
    points = _Row(n[order], x[order], w[order], np.ones(len(order), np.int64))
    samples = _Samples(n, x, conditions)
    done = _solve([points], [samples], level, noise)[0]
    if bootstrap == 0 or done.coefficients is None:
        return done
    rest = (x[known] - curve.throughput(n[known], *done.coefficients)) * np.sqrt(w[known])
    drawn = intervals.resampled(rest, bootstrap, block, np.random.default_rng(seed))
    redrawn = curve.throughput(n[known], *done.coefficients) + drawn / np.sqrt(w[known])
    found = intervals.summarised(n[known], redrawn, w[known], done.coefficients, level)
    return _assemble(points, samples, done.coefficients, done.choice, level, noise, found)


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

    Parameters are those of `fit`; ``bins`` is that of `binned`. The bootstrap redraws the samples, in blocks of
    time, and bins them anew: samples that follow one another are alike, which no formula for the error knows.

    Returns
    -------
    Fit
    """
    _sane(level, bootstrap, block)
    n = checked("concurrency", concurrency)
    x = checked("throughput", throughput, n.shape)
    points = binned(n, x, bins)
    row, samples = _row(points), _Samples(n, x, conditions or Conditions())
    done = _solve([row], [samples], level, "auto")[0]
    if bootstrap == 0 or done.coefficients is None:
        return done
    redrawn = _redrawn(n, x, points, done.coefficients, bootstrap, block, np.random.default_rng(seed))
    found = intervals.summarised(row.n, redrawn, row.w, done.coefficients, level)
    return _assemble(row, samples, done.coefficients, done.choice, level, "auto", found)


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
    _sane(level, 0, None)
    n = checked("concurrency", concurrency, axes=2)
    x = checked("throughput", throughput, n.shape, axes=2)
    if conditions is not None and len(conditions) != len(n):
        raise ParameterError(f"{len(conditions)} conditions for {len(n)} services", "give one for each, or None")
    beside = [c or Conditions() for c in conditions] if conditions is not None else [Conditions()] * len(n)
    rows = [_row(binned(one, other, bins)) for one, other in zip(n, x, strict=True)]
    return _solve(rows, [_Samples(n[i], x[i], beside[i]) for i in range(len(n))], level, "auto")


class _Row(NamedTuple):
    n: Floats
    x: Floats
    w: Floats
    counts: NDArray[np.int64]


def _row(points: Points) -> _Row:
    order = np.argsort(points.concurrency, kind="stable")
    return _Row(points.concurrency[order], points.throughput[order], points.weights[order], points.counts[order])


def _sane(level: float, bootstrap: int, block: int | None) -> None:
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level {level} is no share between 0 and 1", "use 0.95")
    if bootstrap < 0 or (block is not None and block < 1):
        raise ParameterError(
            "bootstrap and block count refits and rows", "use 0 refits for none, and blocks of 1 or more"
        )


def _solve(rows: list[_Row], samples: list[_Samples], level: float, noise: Noise) -> tuple[Fit, ...]:
    """Solve all rows that carry a curve in one go, then dress each."""
    able = [i for i, row in enumerate(rows) if len(row.n) >= _LEAST and row.n[-1] > row.n[0] and np.any(row.x > 0)]
    found: dict[int, tuple[tuple[float, float, float], Choice]] = {}
    if able:
        width = max(len(rows[i].n) for i in able)
        n, x, w = np.ones((len(able), width)), np.zeros((len(able), width)), np.zeros((len(able), width))
        scale = np.array([rows[i].x.max() for i in able])
        for k, i in enumerate(able):
            size = len(rows[i].n)
            n[k, :size], x[k, :size], w[k, :size] = rows[i].n, rows[i].x / scale[k], rows[i].w
        curves = solve.usl(n, x, w)
        choices = choose(n, x, w, curves)
        for k, i in enumerate(able):
            three = float(curves.contention[k]), float(curves.coherency[k]), float(curves.single[k] * scale[k])
            found[i] = three, choices[k].scaled(float(scale[k]))
    return tuple(
        _assemble(row, samples[i], *found[i], level, noise) if i in found else _empty(row, samples[i], level)
        for i, row in enumerate(rows)
    )


def _assemble(
    row: _Row,
    samples: _Samples,
    coefficients: tuple[float, float, float],
    choice: Choice | None,
    level: float,
    noise: Noise,
    bootstrap: Bootstrap | None = None,
) -> Fit:
    freedom = len(row.n) - 3
    spread = intervals.covariance(row.n, row.x, row.w, coefficients, noise)
    tops = (1.0, 1.0, np.inf)
    three = [
        intervals.bounded(value, float(spread[k, k]), freedom, level, tops[k]) for k, value in enumerate(coefficients)
    ]
    fitted = curve.throughput(row.n, *coefficients)
    refusals = _of_data(row, samples)
    if choice is not None:
        refusals += checks.of_fit(row.n, row.x, row.w, fitted, coefficients[2], choice)
    time = samples.conditions.column("time", samples.concurrency.shape)
    if time is not None:
        n, x = samples.concurrency, samples.throughput
        known = np.isfinite(n) & np.isfinite(x) & np.isfinite(time) & (n > 0)
        refusals += checks.of_hysteresis(n[known], x[known], curve.throughput(n[known], *coefficients), time[known])
    marks = landmarks(coefficients, spread, freedom, level, float(row.n[-1]), bootstrap)
    return Fit(
        contention=three[0],
        coherency=three[1],
        single=three[2],
        refusals=tuple(refusals),
        peak=marks[0],
        peak_throughput=marks[1],
        knee=marks[2],
        limit=marks[3],
        choice=choice,
        covariance=spread,
        freedom=freedom,
        level=level,
        concurrency=row.n,
        throughput=row.x,
        weights=row.w,
        counts=row.counts,
        bootstrap=bootstrap,
    )


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
    coefficients: tuple[float, float, float],
    refits: int,
    block: int | None,
    rng: np.random.Generator,
) -> Floats:
    """Medians of each bin when the samples' residuals are drawn anew in blocks of time."""
    known = np.flatnonzero(points.bin >= 0)
    place = points.bin[known]
    base = curve.throughput(n[known], *coefficients)
    usual = float(np.median(points.spread)) or 1.0
    size = np.where(points.spread > 0, points.spread, usual)[place]
    rest = (x[known] - base) / size
    inside = [np.flatnonzero(place == k) for k in range(len(points.concurrency))]
    medians = np.empty((refits, len(inside)))
    for i in range(refits):
        drawn = base + size * intervals.resampled(rest, 1, block, rng)[0]
        medians[i] = [np.median(drawn[rows]) for rows in inside]
    return medians
