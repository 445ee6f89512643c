"""Functions of range vectors (promql/functions.go of Prometheus 2.42, and 3.0 where they differ)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from meshlab.errors import BadQuery
from meshlab.recordings.promql.values import METRIC, Bools, Floats, Ints, Ranges, Vector, key, without
from meshlab.recordings.promql.windows import fold, over_members

__all__ = ["RANGE_FUNCTIONS", "predict_linear", "quantile_over_time", "range_function"]

Computed = tuple[Floats, Bools]


def range_function(name: str, over: Ranges, *, left_open: bool) -> Vector:
    """Apply a function of one range vector.

    Parameters
    ----------
    name : str
        A key of `RANGE_FUNCTIONS`.
    over : Ranges
    left_open : bool
        Whether Prometheus 3's rules hold.

    Raises
    ------
    BadQuery
        Two series are alike without their metric's name.
    """
    with np.errstate(all="ignore"):
        value, present = RANGE_FUNCTIONS[name](over, left_open)
    return _named(over, value, present, keep_name=name == "last_over_time")


def predict_linear(over: Ranges, ahead_s: Floats, at: Ints) -> Vector:
    """``predict_linear``: where a line through the window stands `ahead_s` seconds after the evaluation.

    Parameters
    ----------
    ahead_s : ndarray of float64, shape (steps,)
    at : ndarray of int64, shape (steps,)
        Evaluation times, milliseconds, without offset.
    """
    present = over.high - over.low >= 2
    with np.errstate(all="ignore"):
        slope, intercept = _line(over, present, np.broadcast_to(at, over.low.shape))
        return _named(over, slope * ahead_s[None, :] + intercept, present)


def quantile_over_time(phi: Floats, over: Ranges) -> Vector:
    """``quantile_over_time``: linear interpolation between the two nearest ranks.

    Parameters
    ----------
    phi : ndarray of float64, shape (steps,)
    """
    present = over.high > over.low
    wanted = np.broadcast_to(phi, over.low.shape)[present]

    def compute(member: Ints, window: Ints, first: Ints) -> Floats:
        nonlocal wanted
        x = over.value[member]
        # NaN sorts before everything, as in Prometheus's heap.
        order = np.lexsort((x, ~np.isnan(x), window))
        size = np.diff(np.r_[first, len(member)])
        q, wanted = wanted[: len(first)], wanted[len(first) :]
        return sorted_quantile(q, x[order], first, size)

    value = np.full(over.low.shape, np.nan)
    with np.errstate(all="ignore"):
        value[present] = over_members(compute, over.low[present], over.high[present])
    return _named(over, value, present)


def sorted_quantile(q: Floats, x: Floats, first: Ints, size: Ints) -> Floats:
    """Quantile of sorted segments (promql/quantile.go: quantile)."""
    rank = q * (size - 1)
    lower = np.clip(np.floor(np.nan_to_num(rank)), 0, size - 1).astype(np.int64)
    upper = np.minimum(size - 1, lower + 1)
    weight = rank - np.floor(rank)
    inside = x[first + lower] * (1 - weight) + x[first + upper] * weight
    return np.where(np.isnan(q), np.nan, np.where(q < 0, -np.inf, np.where(q > 1, np.inf, inside)))


def _named(over: Ranges, value: Floats, present: Bools, *, keep_name: bool = False) -> Vector:
    labels = over.labels if keep_name else [without(x, (METRIC,)) for x in over.labels]
    shown = np.flatnonzero(present.any(axis=1))
    if len({key(labels[i]) for i in shown}) < len(shown):
        raise BadQuery(
            "vector cannot contain metrics with the same labelset", "select one metric, or keep a label that differs"
        )
    return Vector(labels, value, present)


def _ends(over: Ranges) -> tuple[Ints, Ints, Bools]:
    """First and last sample of each window, and which windows have two."""
    two = over.high - over.low >= 2
    last = len(over.time) - 1
    return np.clip(over.low, 0, max(last, 0)), np.clip(over.high - 1, 0, max(last, 0)), two


def _same_series(over: Ranges) -> Bools:
    """Whether each sample follows one of the same series: time only falls back where a series ends."""
    follows = np.zeros(len(over.time), np.bool_)
    follows[1:] = over.time[1:] > over.time[:-1]
    return follows


def _previous(over: Ranges) -> Floats:
    return np.r_[np.nan, over.value[:-1]] if len(over.value) else over.value


def _extrapolated(over: Ranges, left_open: bool, *, counter: bool, rate: bool) -> Computed:
    """``extrapolatedRate``."""
    first, last, two = _ends(over)
    if not len(over.time):
        return np.empty(two.shape), two
    v_first, v_last = over.value[first], over.value[last]
    result = v_last - v_first
    if counter:
        previous = _previous(over)
        fell = over.value < previous
        if fell.any():
            lost = fold(np.add, np.where(fell, previous, 0.0), over.low + 1, over.high)
            result = result + np.where(two, lost, 0.0)
    to_start = (over.time[first] - over.start) / 1000.0
    to_end = (over.end - over.time[last]) / 1000.0
    sampled = (over.time[last] - over.time[first]) / 1000.0
    between = sampled / (over.high - over.low - 1)
    threshold = between * 1.1
    to_zero = np.where((result > 0) & (v_first >= 0), sampled * (v_first / result), np.inf) if counter else np.inf
    if left_open:
        to_start = np.where(to_start >= threshold, between / 2, to_start)
        reach = sampled + np.minimum(to_start, to_zero)
    else:
        to_start = np.minimum(to_start, to_zero)
        reach = sampled + np.where(to_start < threshold, to_start, between / 2)
    reach = reach + np.where(to_end < threshold, to_end, between / 2)
    factor = reach / sampled
    if rate:
        factor = factor / ((over.end - over.start) / 1000.0)
    return result * factor, two


def _instant(over: Ranges, *, rate: bool) -> Computed:
    """``instantValue``."""
    _, last, two = _ends(over)
    if not len(over.time):
        return np.empty(two.shape), two
    before = np.clip(last - 1, 0, None)
    now, then = over.value[last], over.value[before]
    change = now - then
    if rate:
        change = np.where(now < then, now, change) / ((over.time[last] - over.time[before]) / 1000.0)
    return change, two


def _counted(over: Ranges, happened: Bools) -> Computed:
    """How many pairs of neighbours in a window show something."""
    some = over.high > over.low
    pairs = over.high - over.low >= 2
    count = fold(np.add, happened.astype(np.float64), over.low + 1, over.high)
    return np.where(pairs, count, 0.0), some


def _changes(over: Ranges, _: bool) -> Computed:
    previous = _previous(over)
    return _counted(over, (over.value != previous) & ~(np.isnan(over.value) & np.isnan(previous)))


def _resets(over: Ranges, _: bool) -> Computed:
    return _counted(over, over.value < _previous(over))


def _folded(ufunc: np.ufunc) -> Callable[[Ranges, bool], Computed]:
    return lambda over, _: (fold(ufunc, over.value, over.low, over.high), over.high > over.low)


def _avg(over: Ranges, _: bool) -> Computed:
    return fold(np.add, over.value, over.low, over.high) / (over.high - over.low), over.high > over.low


def _variance(over: Ranges, _: bool) -> Computed:
    some = over.high > over.low

    def compute(member: Ints, window: Ints, first: Ints) -> Floats:
        x = over.value[member]
        size = np.diff(np.r_[first, len(member)])
        mean = np.add.reduceat(x, first) / size
        spread: Floats = np.add.reduceat((x - mean[window]) ** 2, first) / size
        return spread

    value = np.full(over.low.shape, np.nan)
    value[some] = over_members(compute, over.low[some], over.high[some])
    return value, some


def _deviation(over: Ranges, left_open: bool) -> Computed:
    value, some = _variance(over, left_open)
    return np.sqrt(value), some


def _last(over: Ranges, _: bool) -> Computed:
    last = _ends(over)[1]
    some: Bools = over.high > over.low
    return (over.value[last] if len(over.value) else np.empty(some.shape)), some


def _count(over: Ranges, _: bool) -> Computed:
    return (over.high - over.low).astype(np.float64), over.high > over.low


def _present(over: Ranges, _: bool) -> Computed:
    return np.ones(over.low.shape), over.high > over.low


def _deriv(over: Ranges, _: bool) -> Computed:
    first, _last_sample, two = _ends(over)
    origin = over.time[first] if len(over.time) else np.zeros(two.shape, np.int64)
    return _line(over, two, origin)[0], two


def _line(over: Ranges, present: Bools, origin: Ints) -> tuple[Floats, Floats]:
    """``linearRegression``: slope (per second) and value at `origin`, by centred sums."""
    starts = origin[present]
    slope, intercept = np.full(present.shape, np.nan), np.full(present.shape, np.nan)
    low, high = over.low[present], over.high[present]
    offset = 0

    def compute(member: Ints, window: Ints, first: Ints) -> Floats:
        nonlocal offset
        here = slice(offset, offset + len(first))
        offset += len(first)
        size = np.diff(np.r_[first, len(member)])
        x = (over.time[member] - starts[here][window]) / 1000.0
        y = over.value[member]
        x_mean, y_mean = np.add.reduceat(x, first) / size, np.add.reduceat(y, first) / size
        dx, dy = x - x_mean[window], y - y_mean[window]
        found = np.add.reduceat(dx * dy, first) / np.add.reduceat(dx * dx, first)
        constant = np.minimum.reduceat(y, first) == np.maximum.reduceat(y, first)
        flat = np.where(np.isinf(y[first]), np.nan, 0.0)
        found = np.where(constant, flat, found)
        at_origin.append(np.where(constant, np.where(np.isinf(y[first]), np.nan, y[first]), y_mean - found * x_mean))
        return found

    at_origin: list[Floats] = []
    slope[present] = over_members(compute, low, high)
    intercept[present] = np.concatenate(at_origin) if at_origin else np.empty(0)
    return slope, intercept


RANGE_FUNCTIONS: Final[dict[str, Callable[[Ranges, bool], Computed]]] = {
    "rate": lambda over, left_open: _extrapolated(over, left_open, counter=True, rate=True),
    "increase": lambda over, left_open: _extrapolated(over, left_open, counter=True, rate=False),
    "delta": lambda over, left_open: _extrapolated(over, left_open, counter=False, rate=False),
    "irate": lambda over, _: _instant(over, rate=True),
    "idelta": lambda over, _: _instant(over, rate=False),
    "changes": _changes,
    "resets": _resets,
    "deriv": _deriv,
    "avg_over_time": _avg,
    "sum_over_time": _folded(np.add),
    "min_over_time": _folded(np.fmin),
    "max_over_time": _folded(np.fmax),
    "count_over_time": _count,
    "stddev_over_time": _deviation,
    "stdvar_over_time": _variance,
    "last_over_time": _last,
    "present_over_time": _present,
}
"""By name: windows and Prometheus 3's rules to values and where they are present."""
