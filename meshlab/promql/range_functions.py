"""Functions of range vectors, by name (promql/functions.go of Prometheus 2.42, and 3.0 where they differ)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from meshlab.errors import BadQuery
from meshlab.promql import over_time, rates, regression
from meshlab.promql.values import METRIC, Bools, Floats, Ints, Ranges, Vector, distinct, nameless

__all__ = [
    "RANGE_FUNCTIONS",
    "double_exponential_smoothing",
    "predict_linear",
    "quantile_over_time",
    "range_function",
]

_KEEP_THE_NAME: Final = ("first_over_time", "last_over_time")


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
        return _named(over, function(over, left_open), over.present(least), keep_name=name in _KEEP_THE_NAME)


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


def double_exponential_smoothing(over: Ranges, factor: Floats, trend: Floats) -> Vector:
    """``double_exponential_smoothing``, which was ``holt_winters`` in Prometheus 2.

    Parameters
    ----------
    over : Ranges
    factor, trend : ndarray of float64, shape (steps,)

    Raises
    ------
    BadQuery
        A factor that is not between 0 and 1.
    """
    present = over.present(2)
    asked = over.present().any(axis=0)
    for name, x in (("smoothing", factor), ("trend", trend)):
        for odd in x[asked & ((x <= 0) | (x >= 1))][:1]:
            raise BadQuery(f"invalid {name} factor: 0 < {odd} < 1 does not hold", "write a number between 0 and 1")
    with np.errstate(all="ignore"):
        return _named(over, over_time.smoothed(over, factor, trend), present)


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
    "sum_over_time": (1, lambda over, _: over_time.total(over)),
    # NaN loses against any number (fmin, fmax), and stands where a window has nothing else.
    "min_over_time": (1, lambda over, _: over_time.reduced(over, np.fmin)),
    "max_over_time": (1, lambda over, _: over_time.reduced(over, np.fmax)),
    "stddev_over_time": (1, lambda over, left_open: np.sqrt(_variance(over, left_open))),
    "stdvar_over_time": (1, lambda over, left_open: _variance(over, left_open)),
    "count_over_time": (1, lambda over, _: over.spread(over.count).astype(np.float64)),
    "mad_over_time": (1, lambda over, _: over_time.deviation(over)),
    "first_over_time": (1, lambda over, _: over.values(over.first)),
    "last_over_time": (1, lambda over, _: over.values(over.last - 1)),
    "ts_of_first_over_time": (1, lambda over, _: over.spread(over.times(over.first)) / 1000.0),
    "ts_of_last_over_time": (1, lambda over, _: over.spread(over.times(over.last - 1)) / 1000.0),
    "ts_of_min_over_time": (1, lambda over, _: over_time.extreme_time(over, np.fmin)),
    "ts_of_max_over_time": (1, lambda over, _: over_time.extreme_time(over, np.fmax)),
    "present_over_time": (1, lambda over, _: np.ones((len(over.labels), len(over.end)))),
}
"""By name: how many samples a window must have, and the values of all windows under Prometheus 2's or 3's rules."""
