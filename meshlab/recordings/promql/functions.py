"""Functions of instant vectors and scalars (promql/functions.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from meshlab.recordings.promql.values import Floats, Scalar, Vector

__all__ = ["CALENDAR", "ELEMENTWISE", "clamp", "round_to", "scalar_of"]


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


def clamp(vector: Vector, low: Floats, high: Floats) -> Vector:
    """``clamp``: nothing at all where the limits are crossed."""
    kept = vector.map(lambda x: np.where(np.isnan(low + high), np.nan, np.maximum(low, np.minimum(high, x))))
    return Vector(kept.labels, kept.value, kept.present & ~(high < low))


def round_to(vector: Vector, nearest: Floats) -> Vector:
    """``round``: halves go up; Prometheus multiplies by the inverse, and so do we."""
    return vector.map(lambda x: np.floor(x * (1.0 / nearest) + 0.5) / (1.0 / nearest))


def scalar_of(vector: Vector) -> Scalar:
    """``scalar``: the one element's value, NaN where there is not exactly one."""
    one = vector.present.sum(axis=0) == 1
    only = np.where(vector.present, vector.value, 0.0).sum(axis=0) if len(vector.labels) else np.zeros(len(one))
    return Scalar(np.where(one, only, np.nan))


def _days(x: Floats) -> Floats:
    return np.floor(x / 86_400.0)


def _in(x: Floats, unit: str) -> Floats:
    """Whole units since 1970."""
    return np.asarray(np.floor(x).astype("datetime64[s]").astype(f"datetime64[{unit}]").astype(np.float64))


def _first_day(x: Floats, unit: str) -> Floats:
    """Days since 1970 of the first day of the unit."""
    first = np.floor(x).astype("datetime64[s]").astype(f"datetime64[{unit}]").astype("datetime64[D]")
    return np.asarray(first.astype(np.float64))


def _days_in_month(x: Floats) -> Floats:
    month = np.floor(x).astype("datetime64[s]").astype("datetime64[M]")
    return np.asarray(((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.float64))


def _remainder(x: Floats, of: float, unit: float) -> Floats:
    return np.asarray(np.floor(np.floor(x) % of / unit), dtype=np.float64)


CALENDAR: Final[dict[str, Callable[[Floats], Floats]]] = {
    "minute": lambda x: _remainder(x, 3_600.0, 60.0),
    "hour": lambda x: _remainder(x, 86_400.0, 3_600.0),
    "day_of_week": lambda x: np.asarray((_days(x) + 4.0) % 7.0),
    "day_of_month": lambda x: _days(x) - _first_day(x, "M") + 1.0,
    "day_of_year": lambda x: _days(x) - _first_day(x, "Y") + 1.0,
    "days_in_month": _days_in_month,
    "month": lambda x: np.asarray(_in(x, "M") % 12.0 + 1.0),
    "year": lambda x: _in(x, "Y") + 1970.0,
}
"""Functions of a time in unix seconds (UTC), by name."""
