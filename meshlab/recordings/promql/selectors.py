"""From samples to what a selector sees at each step (promql/engine.go: vectorSelectorSingle, matrixIterSlice)."""

from __future__ import annotations

from typing import Final

import numpy as np

from meshlab.engines.base import LOOKBACK_MS
from meshlab.recordings.promql.store import Selected
from meshlab.recordings.promql.values import Bools, Floats, Ints, Labels, Ranges, Vector

__all__ = ["instant", "ranges", "sample_times"]

_WIDTH: Final = 1 << 43
"""Room for a series' times in one number: more milliseconds than a recording has."""


class _Finder:
    """One sorted key for all series, so that one binary search answers for all series and steps."""

    def __init__(self, time: Ints, start: Ints) -> None:
        self._origin = int(time.min()) if len(time) else 0
        count = len(start) - 1
        rank = np.repeat(np.arange(count, dtype=np.int64), np.diff(start))
        self._base = np.arange(count, dtype=np.int64)[:, None] * _WIDTH
        self._key = rank * _WIDTH + (time - self._origin)

    def first(self, at: Ints, *, after: bool) -> Ints:
        """Index of the first sample at or after (or only after) each moment; shape (series, steps)."""
        wanted = self._base + np.clip(at - self._origin, -1, _WIDTH - 2)[None, :]
        found = np.searchsorted(self._key, wanted.ravel(), side="right" if after else "left")
        return found.reshape(wanted.shape)


def instant(selected: Selected, at: Ints, *, left_open: bool) -> Vector:
    """The newest sample of each series at each moment, unless it is too old or marks the series' end.

    Parameters
    ----------
    selected : Selected
    at : ndarray of int64, shape (steps,)
        Unix milliseconds, offset and ``@`` applied.
    left_open : bool
        Prometheus 3: a sample exactly as old as the look-back is too old.
    """
    value, _, present = _newest(selected, at, left_open)
    return Vector(selected.labels, value, present)


def sample_times(selected: Selected, at: Ints, *, left_open: bool) -> Vector:
    """As `instant`, with each sample's own time in seconds for its value (``timestamp()`` of a selector)."""
    _, time, present = _newest(selected, at, left_open)
    return Vector(selected.labels, time / 1000.0, present)


def _newest(selected: Selected, at: Ints, left_open: bool) -> tuple[Floats, Ints, Bools]:
    if not len(selected.time):
        shape = (len(selected.labels), len(at))
        return np.empty(shape), np.empty(shape, np.int64), np.zeros(shape, np.bool_)
    found = _Finder(selected.time, selected.start).first(at, after=True) - 1
    exists = found >= selected.start[:-1, None]
    found = np.clip(found, 0, None)
    time = selected.time[found]
    age = at[None, :] - time
    young = age < LOOKBACK_MS if left_open else age <= LOOKBACK_MS
    return selected.value[found], time, exists & young & ~selected.stale[found]


def ranges(
    labels: list[Labels], start: Ints, time: Ints, value: Floats, at: Ints, range_ms: int, *, left_open: bool
) -> Ranges:
    """Windows of `range_ms` that end at each moment, both ends included (Prometheus 3: the first one is not)."""
    finder = _Finder(time, start)
    low = finder.first(at - range_ms, after=left_open)
    high = finder.first(at, after=True)
    return Ranges(labels, time, value, low, np.maximum(low, high), at - range_ms, at)
