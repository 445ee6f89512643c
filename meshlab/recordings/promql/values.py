"""What an expression evaluates to: vectors over all steps at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meshlab.errors import BadQuery

__all__ = [
    "METRIC",
    "Bools",
    "Floats",
    "Ints",
    "Labels",
    "Ranges",
    "Scalar",
    "Text",
    "Value",
    "Vector",
    "merged",
    "without",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Labels = dict[str, str]

METRIC = "__name__"


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """An instant vector at every step.

    Parameters
    ----------
    labels : list of dict
        One label set a series; absent labels are absent.
    value : ndarray of float64, shape (series, steps)
        Undefined where not present.
    present : ndarray of bool, shape (series, steps)
        NaN is a value, so absence needs its own array.
    """

    labels: list[Labels]
    value: Floats
    present: Bools

    @classmethod
    def empty(cls, steps: int) -> Vector:
        """No series."""
        return cls([], np.empty((0, steps)), np.empty((0, steps), np.bool_))

    def map(self, function: Callable[[Floats], Floats]) -> Vector:
        """Apply a function to every value; the metric's name goes, as Prometheus drops it."""
        with np.errstate(all="ignore"):
            return Vector([without(x, (METRIC,)) for x in self.labels], function(self.value), self.present)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A number at every step.

    Parameters
    ----------
    value : ndarray of float64, shape (steps,)
    """

    value: Floats


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal.

    Parameters
    ----------
    value : str
    """

    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """A range vector at every step: windows of samples.

    Parameters
    ----------
    labels : list of dict
        One label set a series.
    time : ndarray of int64, shape (samples,)
        Unix milliseconds; series after series, ascending within one.
    value : ndarray of float64, shape (samples,)
    low, high : ndarray of int64, shape (series, steps)
        The window of each step is ``[low, high)`` of the samples.
    start, end : ndarray of int64, shape (steps,)
        Where each window begins and ends, milliseconds.
    """

    labels: list[Labels]
    time: Ints
    value: Floats
    low: Ints
    high: Ints
    start: Ints
    end: Ints


Value = Vector | Scalar | Text | Ranges


def without(labels: Labels, names: Iterable[str]) -> Labels:
    """A label set without some labels."""
    drop = set(names)
    return {name: value for name, value in labels.items() if name not in drop}


def key(labels: Labels, names: Sequence[str] | None = None) -> tuple[tuple[str, str], ...]:
    """What makes a label set itself; an empty label is an absent one."""
    items = labels.items() if names is None else ((n, labels.get(n, "")) for n in names)
    return tuple(sorted((name, value) for name, value in items if value))


def merged(vector: Vector) -> Vector:
    """Join series that became alike.

    They may never be present at the same step (Prometheus: ``ContainsSameLabelset``).

    Raises
    ------
    BadQuery
        Two are.
    """
    rows: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for at, labels in enumerate(vector.labels):
        rows.setdefault(key(labels), []).append(at)
    if len(rows) == len(vector.labels):
        return vector
    value, present = vector.value.copy(), vector.present.copy()
    first = []
    for same in rows.values():
        target, *others = same
        first.append(target)
        for other in others:
            if (present[target] & present[other]).any():
                raise BadQuery(
                    "vector cannot contain metrics with the same labelset", "keep a label that tells the series apart"
                )
            value[target] = np.where(present[other], value[other], value[target])
            present[target] |= present[other]
    return Vector([vector.labels[i] for i in first], value[first], present[first])
