"""Series on the shelf: found by matchers, handed out as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.errors import BadQuery
from meshlab.recordings.promql.values import Floats, Ints, Labels
from meshlab.series import SeriesSet

__all__ = ["STALE_BITS", "Condition", "Selected", "Store"]

STALE_BITS = 0x7FF0000000000002
"""Prometheus's marker: this series ended here (model/value/value.go)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One matcher of a selector.

    Parameters
    ----------
    name, value : str
    op : str
        ``=``, ``!=``, ``=~`` or ``!~``.
    """

    name: str
    op: str
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """The samples of some series, one after the other.

    Parameters
    ----------
    labels : list of dict
    start : ndarray of int64, shape (series + 1,)
        Where each series begins in the columns, plus the end.
    time : ndarray of int64, shape (samples,)
        Unix milliseconds.
    value : ndarray of float64, shape (samples,)
    stale : ndarray of bool, shape (samples,)
        Which samples are markers of an end.
    """

    labels: list[Labels]
    start: Ints
    time: Ints
    value: Floats
    stale: NDArray[np.bool_]

    def fresh(self) -> Selected:
        """Without the markers: ranges never hold them."""
        if not self.stale.any():
            return self
        keep = ~self.stale
        start = np.r_[0, np.cumsum(keep)][self.start]
        return Selected(self.labels, start, self.time[keep], self.value[keep], self.stale[keep])


class Store:
    """Raw samples, with an index of their labels.

    Parameters
    ----------
    series : SeriesSet
        Sorted by series and time.
    """

    def __init__(self, series: SeriesSet) -> None:
        self._series = series
        self._codes: dict[str, tuple[NDArray[np.int64], list[str]]] = {}

    @cached_property
    def _start(self) -> Ints:
        return self._series.starts

    @cached_property
    def _rows(self) -> list[tuple[str, ...]]:
        return list(self._series.labels.itertuples(index=False, name=None))

    def find(self, conditions: Sequence[Condition]) -> Ints:
        """Rows of the series that meet all conditions."""
        found = np.ones(len(self._series), np.bool_)
        for condition in conditions:
            found &= self._meets(condition)
        return np.flatnonzero(found)

    def select(self, conditions: Sequence[Condition]) -> Selected:
        """Samples of the series that meet all conditions."""
        rows = self.find(conditions)
        names = list(self._series.labels.columns)
        labels = [{n: v for n, v in zip(names, self._rows[row], strict=True) if v} for row in rows]
        begin, end = self._start[rows], self._start[rows + 1]
        start = np.r_[0, np.cumsum(end - begin)]
        if len(rows) and end[-1] - begin[0] == start[-1]:
            at: slice | Ints = slice(int(begin[0]), int(end[-1]))
        else:
            at = np.repeat(begin - start[:-1], end - begin) + np.arange(start[-1])
        value = np.ascontiguousarray(self._series.value[at])
        stale = value.view(np.uint64) == STALE_BITS
        return Selected(labels, start, self._series.time[at].astype(np.int64), value, stale)

    def _meets(self, condition: Condition) -> NDArray[np.bool_]:
        codes, values = self._column(condition.name)
        if condition.op in ("=", "!="):
            fits = np.array([v == condition.value for v in values], np.bool_)
        else:
            fits = _regex(values, condition.value)
        chosen: NDArray[np.bool_] = fits[codes] if len(values) else np.zeros(len(codes), np.bool_)
        return ~chosen if condition.op.startswith("!") else chosen

    def _column(self, name: str) -> tuple[NDArray[np.int64], list[str]]:
        if name not in self._codes:
            if name in self._series.labels:
                codes, values = pd.factorize(self._series.labels[name])
                self._codes[name] = codes.astype(np.int64), [str(v) for v in values]
            else:
                self._codes[name] = np.zeros(len(self._series), np.int64), [""]
        return self._codes[name]


def _regex(values: list[str], pattern: str) -> NDArray[np.bool_]:
    """Whole-text match by RE2 itself, the engine that Prometheus uses."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        found = pc.match_substring_regex(pa.array(values, pa.string()), f"^(?:{pattern})$")
    except pa.ArrowInvalid:
        raise BadQuery(
            f"{pattern!r} is no regular expression that Prometheus reads", "correct it (RE2 syntax)"
        ) from None
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)
