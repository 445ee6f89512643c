"""What an expression evaluates to: vectors over all steps at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshlab.errors import BadQuery

__all__ = [
    "METRIC",
    "Bools",
    "Floats",
    "Ints",
    "Key",
    "Labels",
    "Ranges",
    "SameLabels",
    "Scalar",
    "Text",
    "Value",
    "Vector",
    "concatenated",
    "distinct",
    "gathered",
    "key",
    "merged",
    "nameless",
    "spread",
    "unmeasured",
    "without",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Labels = dict[str, str]
Key = Hashable

METRIC = "__name__"
_OF_THE_METRIC = (METRIC, "__type__", "__unit__")
"""What goes when a function changes what is measured (Prometheus 3: ``IsMetadataLabel``; 2 never stores the others)."""


class SameLabels(BadQuery):
    """Two series have the same labels."""


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
            return Vector(nameless(self.labels), function(self.value), self.present)


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


@dataclass(frozen=True, eq=False)
class Ranges:
    """A range vector at every step: windows of samples.

    Series that were scraped together share their times, and so their windows: these are found once a timeline.

    Parameters
    ----------
    labels : list of dict
        One label set a series.
    begin : ndarray of int64, shape (series + 1,)
        Where each series begins in the samples, plus the end.
    time : ndarray of int64, shape (samples,)
        Unix milliseconds; series after series, ascending within one.
    value : ndarray of float64, shape (samples,)
    line : ndarray of int64, shape (series,)
        The number of each series' timeline.
    head : ndarray of int64, shape (timelines,)
        Where a series of each timeline begins in the samples.
    first, last : ndarray of int64, shape (timelines, steps)
        The window of each step is ``[first, last)``, counted from the beginning of the series.
    start, end : ndarray of int64, shape (steps,)
        Where each window begins and ends, milliseconds.
    """

    labels: list[Labels]
    begin: Ints
    time: Ints
    value: Floats
    line: Ints
    head: Ints
    first: Ints
    last: Ints
    start: Ints
    end: Ints

    @cached_property
    def low(self) -> Ints:
        """Where each window begins in the samples; shape (series, steps)."""
        return self.first[self.line] + self.begin[:-1, None]

    @cached_property
    def high(self) -> Ints:
        """Where each window ends in the samples; shape (series, steps)."""
        return self.last[self.line] + self.begin[:-1, None]

    @cached_property
    def count(self) -> Ints:
        """Samples in each window; shape (timelines, steps)."""
        return self.last - self.first

    def present(self, least: int = 1) -> Bools:
        """Which windows have that many samples; shape (series, steps), not to be written to."""
        return self.spread(self.count >= least)

    def spread(self, x: NDArray[Any]) -> NDArray[Any]:
        """From one row a timeline to one row a series."""
        return spread(x, self.line)

    def times(self, at: Ints) -> Ints:
        """Times of samples, by their place in the series; shape (timelines, steps), undefined outside of it."""
        return self.time.take(at + self.head[:, None], mode="clip") if len(self.time) else np.zeros_like(at)

    def values(self, at: Ints) -> Floats:
        """Values of samples; `at` has the shape (timelines, steps), the answer (series, steps).

        Undefined where a series has no such sample.
        """
        return gathered(self.value, self.begin, self.line, at)


def concatenated(vectors: Sequence[Vector]) -> Vector:
    """The series of at least one vector, one after the other."""
    return Vector(
        [labels for vector in vectors for labels in vector.labels],
        np.concatenate([vector.value for vector in vectors]),
        np.concatenate([vector.present for vector in vectors]),
    )


def spread(x: NDArray[Any], line: Ints) -> NDArray[Any]:
    """From one row a timeline to one row a series; a view, not to be written to, where there is one timeline."""
    return np.broadcast_to(x, (len(line), x.shape[1])) if len(x) == 1 else x[line]


def gathered(value: Floats, begin: Ints, line: Ints, at: Ints) -> Floats:
    """Values by their place in the series; `at` has one row a timeline, the answer one row a series."""
    if not len(value):
        return np.full((len(line), at.shape[1]), np.nan)
    if len(at) == 1:
        found: Floats = value.reshape(len(line), -1).take(at[0], axis=1, mode="clip")
        return found
    found = value.take(at[line] + begin[:-1, None], mode="clip")
    return found


Value = Vector | Scalar | Text | Ranges


def without(labels: Labels, names: Iterable[str]) -> Labels:
    """A label set without some labels."""
    drop = set(names)
    return {name: value for name, value in labels.items() if name not in drop}


def unmeasured(labels: Labels, names: Iterable[str] = ()) -> Labels:
    """A label set without the metric's name, type and unit, and without some labels."""
    return without(labels, (*names, *_OF_THE_METRIC))


def nameless(labels: Iterable[Labels]) -> list[Labels]:
    """Label sets without the metric's name, type and unit."""
    found = [dict(x) for x in labels]
    for x in found:
        for name in _OF_THE_METRIC:
            x.pop(name, None)
    return found


def key(labels: Labels) -> Key:
    """What makes a label set itself. An empty label is an absent one: no label set here has any."""
    return frozenset(labels.items())


def distinct(vector: Vector) -> Vector:
    """The same vector, whose series differ over the whole of the query (Prometheus: ``Matrix.ContainsSameLabelset``).

    Range functions and the unary minus ask for more than `merged` does: not even at different steps may two be alike.

    Raises
    ------
    SameLabels
        Two series are alike.
    """
    shown = np.flatnonzero(vector.present.any(axis=1))
    if len({key(vector.labels[i]) for i in shown}) < len(shown):
        raise SameLabels(
            "vector cannot contain metrics with the same labelset",
            "select one metric, or keep a label that tells the series apart",
        )
    return vector


def merged(vector: Vector) -> Vector:
    """Join series that became alike.

    They may never be present at the same step (Prometheus: ``ContainsSameLabelset``).

    Raises
    ------
    SameLabels
        Two are.
    """
    rows: dict[Key, list[int]] = {}
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
                raise SameLabels(
                    "vector cannot contain metrics with the same labelset", "keep a label that tells the series apart"
                )
            value[target] = np.where(present[other], value[other], value[target])
            present[target] |= present[other]
    return Vector([vector.labels[i] for i in first], value[first], present[first])
