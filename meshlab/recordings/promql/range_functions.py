"""Functions of range vectors, by name (promql/functions.go of Prometheus 2.42, and 3.0 where they differ)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from meshlab.recordings.promql import over_time, rates, regression
from meshlab.recordings.promql.values import METRIC, Bools, Floats, Ints, Ranges, Vector, distinct, nameless

__all__ = ["RANGE_FUNCTIONS", "predict_linear", "quantile_over_time", "range_function"]


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
    least, function = RANGE_FUNCTIONS[name]
    with np.errstate(all="ignore"):
        return _named(over, function(over, left_open), over.present(least), keep_name=name == "last_over_time")


def predict_linear(over: Ranges, ahead_s: Floats, at: Ints) -> Vector:
    """``predict_linear``: where a line through the window stands `ahead_s` seconds after the evaluation.

    Prometheus 2.42 loses samples of a window that ``@`` holds in place, step by step; here it stays whole.

    Parameters
    ----------
    over : Ranges
    ahead_s : ndarray of float64, shape (steps,)
    at : ndarray of int64, shape (steps,)
        Evaluation times, milliseconds, without offset.
    """
    present = over.present(2)
    with np.errstate(all="ignore"):
        slope, height = regression.line(over, np.broadcast_to(at, present.shape))
        return _named(over, slope * ahead_s[None, :] + height, present)


def quantile_over_time(phi: Floats, over: Ranges) -> Vector:
    """``quantile_over_time``: linear interpolation between the two nearest ranks.

    Parameters
    ----------
    phi : ndarray of float64, shape (steps,)
    over : Ranges
    """
    with np.errstate(all="ignore"):
        return _named(over, over_time.quantile(over, phi), over.present())


def _named(over: Ranges, value: Floats, present: Bools, *, keep_name: bool = False) -> Vector:
    if keep_name:
        return Vector(over.labels, value, present)
    labels = nameless(over.labels)
    # Series of one metric differ without its name as well.
    if len({x.get(METRIC) for x in over.labels}) > 1:
        return distinct(Vector(labels, value, present))
    return Vector(labels, value, present)


def _slope(over: Ranges, _: bool) -> Floats:
    return regression.line(over, over.spread(over.times(over.first)))[0]


def _variance(over: Ranges, left_open: bool) -> Floats:
    value = over_time.variance(over)
    # Prometheus 2's compensated sum takes infinity from itself where the squares overflow; Prometheus 3's does not.
    return value if left_open else np.where(np.isinf(value), np.nan, value)


RANGE_FUNCTIONS: Final[dict[str, tuple[int, Callable[[Ranges, bool], Floats]]]] = {
    "rate": (2, lambda over, left_open: rates.extrapolated(over, left_open=left_open, counter=True, rate=True)),
    "increase": (2, lambda over, left_open: rates.extrapolated(over, left_open=left_open, counter=True, rate=False)),
    "delta": (2, lambda over, left_open: rates.extrapolated(over, left_open=left_open, counter=False, rate=False)),
    "irate": (2, lambda over, _: rates.last_two(over, rate=True)),
    "idelta": (2, lambda over, _: rates.last_two(over, rate=False)),
    "deriv": (2, _slope),
    "changes": (1, lambda over, _: rates.changes(over)),
    "resets": (1, lambda over, _: rates.resets(over)),
    "avg_over_time": (1, lambda over, _: over_time.mean(over)),
    "sum_over_time": (1, lambda over, _: over_time.reduced(over, np.add)),
    # NaN loses against any number (fmin, fmax), and stands where a window has nothing else.
    "min_over_time": (1, lambda over, _: over_time.reduced(over, np.fmin)),
    "max_over_time": (1, lambda over, _: over_time.reduced(over, np.fmax)),
    "stddev_over_time": (1, lambda over, left_open: np.sqrt(_variance(over, left_open))),
    "stdvar_over_time": (1, lambda over, left_open: _variance(over, left_open)),
    "count_over_time": (1, lambda over, _: over.spread(over.count).astype(np.float64)),
    "last_over_time": (1, lambda over, _: over.values(over.last - 1)),
    "present_over_time": (1, lambda over, _: np.ones((len(over.labels), len(over.end)))),
}
"""By name: how many samples a window must have, and the values of all windows under Prometheus 2's or 3's rules."""
