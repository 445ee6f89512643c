"""Rates and differences over windows (promql/functions.go: extrapolatedRate, instantValue)."""

from __future__ import annotations

import numpy as np

from meshlab.promql.values import Bools, Floats, Ints, Ranges
from meshlab.promql.windows import fold

__all__ = ["changes", "extrapolated", "last_two", "resets"]

_ROUNDING = 1 + 1e-9


def extrapolated(over: Ranges, *, left_open: bool, counter: bool, rate: bool) -> Floats:
    """``rate``, ``increase`` and ``delta``, extrapolated to the window's edges.

    Parameters
    ----------
    over : Ranges
    left_open : bool
        Whether Prometheus 3's rules hold; they differ from 2.42's where a counter starts near 0.
    counter : bool
        A fall is a reset, and the line back to the window's start does not go below 0.
    rate : bool
        Per second instead of per window.

    Returns
    -------
    ndarray of float64, shape (series, steps)
        Undefined where a window has less than two samples.
    """
    v_first = over.values(over.first)
    result = over.values(over.last - 1) - v_first
    if counter:
        _add_resets(over, result)
    # All that depends on times alone is computed once a timeline, not once a series.
    t_first, t_last = over.times(over.first), over.times(over.last - 1)
    to_start = (t_first - over.start) / 1000.0
    to_end = (over.end - t_last) / 1000.0
    sampled = (t_last - t_first) / 1000.0
    between = sampled / (over.count - 1)
    threshold = between * 1.1
    if left_open:
        to_start = np.where(to_start < threshold, to_start, between / 2)
    to_end = np.where(to_end < threshold, to_end, between / 2)
    window = (over.end - over.start) / 1000.0 if rate else np.ones(len(over.end))

    def factor(to_start: Floats, sampled: Floats, between: Floats, to_end: Floats, window: Floats) -> Floats:
        if not left_open:
            to_start = np.where(to_start < between * 1.1, to_start, between / 2)
        reach: Floats = (sampled + to_start + to_end) / sampled / window
        return reach

    value: Floats = result * over.spread(factor(to_start, sampled, between, to_end, window[None, :]))
    if not counter:
        return value
    # A counter that would have been below 0 at the window's start began inside of it. That is rare: found by a
    # test without a division, which may let through a few too many, and computed exactly where it may be so.
    start_s, sampled_s = over.spread(to_start), over.spread(sampled)
    rises = (result > 0) & (v_first >= 0)
    row, step = np.nonzero(rises & (v_first * sampled_s <= start_s * result * _ROUNDING))
    line = over.line[row]
    to_zero = sampled[line, step] * (v_first[row, step] / result[row, step])
    nearer = np.where(to_zero < to_start[line, step], to_zero, to_start[line, step])
    again = factor(nearer, sampled[line, step], between[line, step], to_end[line, step], window[step])
    value[row, step] = result[row, step] * again
    return value


def _add_resets(over: Ranges, result: Floats) -> None:
    """Add what was lost at each reset to the differences, in place."""
    fell = np.append(_follows(over), False)[1:]
    fell[:-1] &= over.value[1:] < over.value[:-1]
    rows = np.unique(np.searchsorted(over.begin, np.flatnonzero(fell), side="right") - 1)
    if not len(rows):
        return
    lost = np.r_[0.0, np.where(fell, over.value, 0.0)[:-1]]
    low, high = over.low[rows], over.high[rows]
    result[rows] += np.where(high - low >= 2, fold(np.add, lost, low + 1, high), 0.0)


def _follows(over: Ranges) -> Bools:
    """Whether each sample follows one of the same series."""
    follows = np.ones(len(over.time) + 1, np.bool_)
    follows[over.begin] = False
    return follows[:-1]


def _previous(over: Ranges) -> Floats:
    return np.r_[np.nan, over.value[:-1]] if len(over.value) else over.value


def last_two(over: Ranges, *, rate: bool) -> Floats:
    """``irate`` and ``idelta``: from the last two samples of each window; a counter's fall is a reset.

    Returns
    -------
    ndarray of float64, shape (series, steps)
        Undefined where a window has less than two samples.
    """
    now, then = over.values(over.last - 1), over.values(over.last - 2)
    if not rate:
        return now - then
    seconds = (over.times(over.last - 1) - over.times(over.last - 2)) / 1000.0
    per_s: Floats = np.where(now < then, now, now - then) / over.spread(seconds)
    return per_s


def changes(over: Ranges) -> Floats:
    """``changes``: neighbours that differ, NaN being like NaN; shape (series, steps)."""
    previous = _previous(over)
    return _neighbours(over, (over.value != previous) & ~(np.isnan(over.value) & np.isnan(previous)))


def resets(over: Ranges) -> Floats:
    """``resets``: neighbours of which the later one is less; shape (series, steps)."""
    return _neighbours(over, over.value < _previous(over))


def _neighbours(over: Ranges, happened: Bools) -> Floats:
    """How many pairs of neighbours in each window show something."""
    so_far: Ints = np.r_[0, np.cumsum(happened & _follows(over))]
    # Whole numbers: here running sums lose nothing.
    last = len(over.time)
    found = so_far[over.high.clip(0, last)] - so_far[(over.low + 1).clip(0, last)]
    return np.where(over.high - over.low >= 2, found, 0).astype(np.float64)
