"""From samples to what a selector sees at each step (promql/engine.go: vectorSelectorSingle, matrixIterSlice)."""

from __future__ import annotations

import numpy as np

from meshlab.engines.base import LOOKBACK_MS
from meshlab.promql.store import Selected
from meshlab.promql.values import Bools, Floats, Ints, Labels, Ranges, Vector, gathered, spread

__all__ = ["instant", "ranges", "sample_times"]


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


def ranges(
    labels: list[Labels], begin: Ints, time: Ints, value: Floats, at: Ints, range_ms: int, *, left_open: bool
) -> Ranges:
    """Windows of `range_ms` that end at each moment, both ends included (Prometheus 3: the first one is not).

    Parameters
    ----------
    labels : list of dict
    begin : ndarray of int64, shape (series + 1,)
        Where each series begins in `time` and `value`, plus the end.
    time : ndarray of int64, shape (samples,)
        Unix milliseconds, ascending within a series.
    value : ndarray of float64, shape (samples,)
    at : ndarray of int64, shape (steps,)
        Unix milliseconds, offset and ``@`` applied.
    range_ms : int
    left_open : bool
    """
    line, members = _timelines(time, begin)
    first = _search(time, begin, members, at - range_ms, after=left_open)
    last = _search(time, begin, members, at, after=True)
    return Ranges(labels, begin, time, value, line, begin[members], first, np.maximum(first, last), at - range_ms, at)


def _newest(selected: Selected, at: Ints, left_open: bool) -> tuple[Floats, Ints, Bools]:
    line, members = _timelines(selected.time, selected.begin)
    if not len(selected.time):
        shape = (len(selected.labels), len(at))
        return np.full(shape, np.nan), np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    found = _search(selected.time, selected.begin, members, at, after=True) - 1
    time = selected.time.take(found + selected.begin[members][:, None], mode="clip")
    age = at[None, :] - time
    young = (found >= 0) & (age < LOOKBACK_MS if left_open else age <= LOOKBACK_MS)
    present: Bools = spread(young, line)
    if selected.stale.any():
        ended = gathered(selected.stale.astype(np.float64), selected.begin, line, found) != 0
        present = present & ~ended
    return gathered(selected.value, selected.begin, line, found), spread(time, line), present


def _timelines(time: Ints, begin: Ints) -> tuple[Ints, Ints]:
    """Which series share all their times: the number of each series' timeline, and one series of each."""
    count = len(begin) - 1
    size = len(time) // count if count else 0
    if count and len(time) == size * count and (np.diff(begin) == size).all():
        table = time.reshape(count, size)
        if (table == table[0]).all():
            return np.zeros(count, np.int64), np.zeros(1, np.int64)
    numbers: dict[bytes, int] = {}
    line = np.empty(count, np.int64)
    members: list[int] = []
    edges = begin.tolist()
    for row in range(count):
        number = line[row] = numbers.setdefault(time[edges[row] : edges[row + 1]].tobytes(), len(numbers))
        if number == len(members):
            members.append(row)
    return line, np.array(members, np.int64)


def _search(time: Ints, begin: Ints, members: Ints, at: Ints, *, after: bool) -> Ints:
    """Place of the first sample at or after (or only after) each moment; shape (timelines, steps)."""
    side = "right" if after else "left"
    found = np.empty((len(members), len(at)), np.int64)
    for number, row in enumerate(members):
        found[number] = np.searchsorted(time[begin[row] : begin[row + 1]], at, side=side)  # type: ignore[call-overload]
    return found
