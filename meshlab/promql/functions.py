"""Functions of instant vectors and scalars (promql/functions.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from meshlab.promql.values import Floats, Scalar, Vector

__all__ = ["CALENDAR", "ELEMENTWISE", "clamp", "greatest", "least", "round_to", "scalar_of"]

Times = NDArray[Any]
_LATEST_S: Final = 2.0**62


def _sign(x: Floats) -> Floats:
    return np.where(x < 0, -1.0, np.where(x > 0, 1.0, x))


ELEMENTWISE: Final[dict[str, Callable[[Floats], Floats]]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sgn": _sign,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "deg": np.degrees,
    "rad": np.radians,
}
"""Functions of one number, by name."""


def least(a: Floats, b: Floats) -> Floats:
    """Go's ``math.Min``: NaN wins, but against -Inf; -0 is less than 0."""
    zeros = (a == 0) & (b == 0)
    with np.errstate(invalid="ignore"):
        found = np.where(zeros, -(-a - b), np.minimum(a, b))
    return np.where(np.isneginf(a) | np.isneginf(b), -np.inf, found)


def greatest(a: Floats, b: Floats) -> Floats:
    """Go's ``math.Max``: NaN wins, but against +Inf; 0 is more than -0."""
    zeros = (a == 0) & (b == 0)
    with np.errstate(invalid="ignore"):
        found = np.where(zeros, a + b, np.maximum(a, b))
    return np.where(np.isposinf(a) | np.isposinf(b), np.inf, found)


def clamp(vector: Vector, low: Floats, high: Floats) -> Vector:
    """``clamp``: nothing at all where the limits are crossed.

    Parameters
    ----------
    vector : Vector
    low, high : ndarray of float64, shape (steps,)
    """
    kept = vector.map(lambda x: greatest(low, least(high, x)))
    return Vector(kept.labels, kept.value, kept.present & ~(high < low))


def round_to(vector: Vector, nearest: Floats) -> Vector:
    """``round``: halves go up; Prometheus multiplies by the inverse, and so do we."""
    return vector.map(lambda x: np.floor(x * (1.0 / nearest) + 0.5) / (1.0 / nearest))


def scalar_of(vector: Vector) -> Scalar:
    """``scalar``: the one element's value, NaN where there is not exactly one."""
    one = vector.present.sum(axis=0) == 1
    with np.errstate(all="ignore"):
        only = np.where(vector.present, vector.value, 0.0).sum(axis=0) if len(vector.labels) else np.zeros(len(one))
    return Scalar(np.where(one, only, np.nan))


def _calendar(function: Callable[[Times], Times]) -> Callable[[Floats], Floats]:
    """A function of whole seconds; what is not a time at all stays NaN (Go makes up a year there)."""

    def of(x: Floats) -> Floats:
        known = np.abs(x) < _LATEST_S
        # Go cuts towards zero.
        seconds = np.trunc(np.where(known, x, 0.0)).astype("datetime64[s]")
        return np.where(known, function(seconds).astype(np.float64), np.nan)

    return of


def _since(x: Times, unit: str) -> Times:
    """Whole days since the first day of the unit."""
    days: Times = x.astype("datetime64[D]") - x.astype(f"datetime64[{unit}]").astype("datetime64[D]")
    return days


def _days_in_month(x: Times) -> Times:
    month = x.astype("datetime64[M]")
    days: Times = (month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")
    return days


CALENDAR: Final[dict[str, Callable[[Floats], Floats]]] = {
    "minute": _calendar(lambda x: x.astype(np.int64) % 3_600 // 60),
    "hour": _calendar(lambda x: x.astype(np.int64) % 86_400 // 3_600),
    "day_of_week": _calendar(lambda x: (x.astype(np.int64) // 86_400 + 4) % 7),
    "day_of_month": _calendar(lambda x: _since(x, "M").astype(np.int64) + 1),
    "day_of_year": _calendar(lambda x: _since(x, "Y").astype(np.int64) + 1),
    "days_in_month": _calendar(_days_in_month),
    "month": _calendar(lambda x: x.astype("datetime64[M]").astype(np.int64) % 12 + 1),
    "year": _calendar(lambda x: x.astype("datetime64[Y]").astype(np.int64) + 1970),
}
"""Functions of a time in unix seconds (UTC), by name."""
