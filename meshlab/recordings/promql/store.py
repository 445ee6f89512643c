"""Series on the shelf: found by matchers, handed out as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.recordings.promql.patterns import matching
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
    begin : ndarray of int64, shape (series + 1,)
        Where each series begins in the columns, plus the end.
    time : ndarray of int64, shape (samples,)
        Unix milliseconds.
    value : ndarray of float64, shape (samples,)
    stale : ndarray of bool, shape (samples,)
        Which samples are markers of an end.
    """

    labels: list[Labels]
    begin: Ints
    time: Ints
    value: Floats
    stale: NDArray[np.bool_]

    def fresh(self) -> Selected:
        """Without the markers: ranges never hold them."""
        if not self.stale.any():
            return self
        keep = ~self.stale
        begin = np.r_[0, np.cumsum(keep)][self.begin]
        return Selected(self.labels, begin, self.time[keep], self.value[keep], self.stale[keep])


class Store:
    """Raw samples, with an index of their labels.

    Parameters
    ----------
    series : SeriesSet
        Sorted by series and time.
    dot_is_all : bool
        Whether ``.`` in a matcher also stands for a line's end (Prometheus 3).
    """

    def __init__(self, series: SeriesSet, *, dot_is_all: bool = False) -> None:
        self._series = series
        self._dot_is_all = dot_is_all
        self._codes: dict[str, tuple[NDArray[np.int64], list[str]]] = {}

    @cached_property
    def _edges(self) -> Ints:
        return self._series.starts

    def find(self, conditions: Sequence[Condition]) -> Ints:
        """Rows of the series that meet all conditions.

        Raises
        ------
        BadQuery
            A pattern is no RE2.
        """
        found = np.ones(len(self._series), np.bool_)
        for condition in conditions:
            found &= self._meets(condition)
        return np.flatnonzero(found)

    def select(self, conditions: Sequence[Condition]) -> Selected:
        """Samples of the series that meet all conditions.

        Raises
        ------
        BadQuery
            A pattern is no RE2.
        """
        rows = self.find(conditions)
        start, end = self._edges[rows], self._edges[rows + 1]
        begin = np.r_[0, np.cumsum(end - start)]
        if len(rows) and end[-1] - start[0] == begin[-1]:
            at: slice | Ints = slice(int(start[0]), int(end[-1]))
        else:
            at = np.repeat(start - begin[:-1], end - start) + np.arange(begin[-1])
        value = np.ascontiguousarray(self._series.value[at])
        stale = value.view(np.uint64) == STALE_BITS
        return Selected(self._labels(rows), begin, self._series.time[at].astype(np.int64), value, stale)

    def _labels(self, rows: Ints) -> list[Labels]:
        names = [str(name) for name in self._series.labels.columns]
        columns = []
        for name in names:
            codes, values = self._column(name)
            columns.append([values[code] for code in codes[rows].tolist()])
        table = zip(*columns, strict=True) if columns else repeat((), len(rows))
        return [{name: value for name, value in zip(names, row, strict=True) if value} for row in table]

    def _meets(self, condition: Condition) -> NDArray[np.bool_]:
        codes, values = self._column(condition.name)
        if condition.op in ("=", "!="):
            fits = np.array([v == condition.value for v in values], np.bool_)
        else:
            fits = matching(values, condition.value, dot_is_all=self._dot_is_all)
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
