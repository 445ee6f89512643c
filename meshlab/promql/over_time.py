"""The ``*_over_time`` family (promql/functions.go), each a reduction of every window by itself."""

from __future__ import annotations

import numpy as np

from meshlab.promql.sums import sums
from meshlab.promql.values import Floats, Ints, Ranges
from meshlab.promql.windows import fold, per_window

__all__ = [
    "deviation",
    "extreme_time",
    "mean",
    "quantile",
    "reduced",
    "smoothed",
    "sorted_quantile",
    "total",
    "variance",
]

_SMALLER = 2.0**-64


def reduced(over: Ranges, ufunc: np.ufunc) -> Floats:
    """Least or greatest of each window; shape (series, steps), undefined where a window is empty."""
    return fold(ufunc, over.value, over.low, over.high)


def total(over: Ranges) -> Floats:
    """``sum_over_time``; shape (series, steps), undefined where a window is empty."""
    return sums(over.value, over.low, over.high)


def mean(over: Ranges) -> Floats:
    """``avg_over_time``; shape (series, steps), undefined where a window is empty."""
    count = over.spread(over.count)
    found: Floats = total(over) / count
    # Prometheus's running mean does not overflow where the sum does.
    huge = np.isinf(found) & (count > 0)
    if huge.any():
        found[huge] = sums(over.value * _SMALLER, over.low[huge], over.high[huge]) / count[huge] / _SMALLER
    return found


def variance(over: Ranges) -> Floats:
    """``stdvar_over_time``: mean squared distance from the mean; shape (series, steps), NaN where a window is empty."""

    def compute(member: Ints, window: Ints, first: Ints, _: slice) -> Floats:
        x = over.value[member]
        # Measured from each window's first value, as Prometheus's running mean is: a constant varies by exactly 0.
        x = x - x[first][window]
        size = np.diff(np.r_[first, len(member)])
        middle = np.add.reduceat(x, first) / size
        found: Floats = np.add.reduceat((x - middle[window]) ** 2, first) / size
        return found

    return per_window(over, compute)


def quantile(over: Ranges, phi: Floats) -> Floats:
    """``quantile_over_time``: linear interpolation between the two nearest ranks.

    Parameters
    ----------
    over : Ranges
    phi : ndarray of float64, shape (steps,)

    Returns
    -------
    ndarray of float64, shape (series, steps)
        NaN where a window is empty.
    """
    wanted = np.broadcast_to(phi, (len(over.labels), len(phi)))[over.present()]

    def compute(member: Ints, window: Ints, first: Ints, here: slice) -> Floats:
        x = over.value[member]
        # NaN sorts before everything, as in Prometheus's heap.
        order = np.lexsort((x, ~np.isnan(x), window))
        return sorted_quantile(wanted[here], x[order], first, np.diff(np.r_[first, len(member)]))

    return per_window(over, compute)


def deviation(over: Ranges) -> Floats:
    """``mad_over_time``: the median distance from the median; NaN where one is in the window; shape (series, steps)."""

    def compute(member: Ints, window: Ints, first: Ints, _: slice) -> Floats:
        size = np.diff(np.r_[first, len(member)])
        half = np.full(len(first), 0.5)

        def median(x: Floats) -> Floats:
            return sorted_quantile(half, x[np.lexsort((x, ~np.isnan(x), window))], first, size)

        x = over.value[member]
        found = median(np.abs(x - median(x)[window]))
        return np.where(np.logical_or.reduceat(np.isnan(x), first), np.nan, found)

    return per_window(over, compute)


def extreme_time(over: Ranges, ufunc: np.ufunc) -> Floats:
    """``ts_of_min_over_time`` and its like: when each window last had its least or greatest value.

    Parameters
    ----------
    over : Ranges
    ufunc : numpy.ufunc
        `numpy.fmin` or `numpy.fmax`.

    Returns
    -------
    ndarray of float64, shape (series, steps)
        Unix seconds; NaN where a window is empty.
    """

    def compute(member: Ints, window: Ints, first: Ints, _: slice) -> Floats:
        x = over.value[member]
        extreme = ufunc.reduceat(x, first)[window]
        # A window of NaN alone has its extreme at its end.
        there = np.where((x == extreme) | np.isnan(extreme), np.arange(len(member)), -1)
        seconds: Floats = over.time[member[np.maximum.reduceat(there, first)]] / 1000.0
        return seconds

    return per_window(over, compute)


def smoothed(over: Ranges, factor: Floats, trend: Floats) -> Floats:
    """``double_exponential_smoothing``: Holt's method, a level and a trend that forget.

    Parameters
    ----------
    over : Ranges
    factor, trend : ndarray of float64, shape (steps,)
        How much the newest value, and the newest slope, weighs.

    Returns
    -------
    ndarray of float64, shape (series, steps)
        NaN where a window has less than two samples.
    """
    some = over.present(2)
    level_weight, trend_weight = (np.broadcast_to(x, some.shape)[some] for x in (factor, trend))
    low, size = over.low[some], (over.high - over.low)[some]
    if not len(low):
        return np.full(some.shape, np.nan)
    before, level = np.zeros(len(low)), over.value[low]
    slope = over.value[low + 1] - level
    for place in range(1, int(size.max())):
        on = np.flatnonzero(size > place)
        weight = trend_weight[on]
        if place > 1:
            slope[on] = weight * (level[on] - before[on]) + (1 - weight) * slope[on]
        weight = level_weight[on]
        level_now = weight * over.value[low[on] + place] + (1 - weight) * (level[on] + slope[on])
        before[on] = level[on]
        level[on] = level_now
    value = np.full(some.shape, np.nan)
    value[some] = level
    return value


def sorted_quantile(q: Floats, x: Floats, first: Ints, size: Ints) -> Floats:
    """Quantile of sorted segments (promql/quantile.go: quantile).

    Parameters
    ----------
    q : ndarray of float64, shape (segments,)
    x : ndarray of float64, shape (members,)
        Ascending within a segment.
    first, size : ndarray of int64, shape (segments,)
        Where each segment begins, and how many members it has (at least one).

    Returns
    -------
    ndarray of float64, shape (segments,)
    """
    rank = q * (size - 1)
    lower = np.clip(np.floor(np.nan_to_num(rank)), 0, size - 1).astype(np.int64)
    upper = np.minimum(size - 1, lower + 1)
    weight = rank - np.floor(rank)
    inside = x[first + lower] * (1 - weight) + x[first + upper] * weight
    return np.where(np.isnan(q), np.nan, np.where(q < 0, -np.inf, np.where(q > 1, np.inf, inside)))
