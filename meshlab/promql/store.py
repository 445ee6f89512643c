"""Raw samples by series: found by matchers, handed out as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.promql.patterns import matching
from meshlab.promql.sample_store import SampleStore
from meshlab.promql.values import Floats, Ints, Labels

__all__ = ["STALE_BITS", "Condition", "Selected", "Source", "Store"]

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


class Source(Protocol):
    """Whatever hands out the samples of a selector."""

    def select(self, conditions: Sequence[Condition]) -> Selected:
        """Samples of the series that meet all conditions."""
        ...


class Store:
    """Raw samples, with an index of their labels.

    Parameters
    ----------
    samples : SampleStore
        Where the samples stand.
    dot_is_all : bool
        Whether ``.`` in a matcher also stands for a line's end (Prometheus 3).
    """

    def __init__(self, samples: SampleStore, *, dot_is_all: bool = False) -> None:
        self._samples = samples
        self._dot_is_all = dot_is_all
        self._codes: dict[str, tuple[NDArray[np.int64], list[str]]] = {}

    def find(self, conditions: Sequence[Condition]) -> Ints:
        """Rows of the series that meet all conditions.

        Raises
        ------
        BadQuery
            A pattern is not RE2.
        """
        found = np.ones(len(self._samples.labels), np.bool_)
        for condition in conditions:
            found &= self._meets(condition)
        return np.flatnonzero(found)

    def select(self, conditions: Sequence[Condition]) -> Selected:
        """Samples of the series that meet all conditions.

        Raises
        ------
        BadQuery
            A pattern is not RE2.
        """
        return self.take(self.find(conditions))

    def take(self, rows: Ints) -> Selected:
        """Samples of some series, by their rows, ascending."""
        begin = np.r_[0, np.cumsum(self._lengths(rows))]
        time, value = self._samples.take(rows)
        return Selected(self._labels(rows), begin, time, value, value.view(np.uint64) == STALE_BITS)

    def fits(self, most_samples: int, most_series: int) -> bool:
        """Whether all series together are within the bounds of a batch."""
        edges = self._samples.edges
        return int(edges[-1]) <= most_samples and len(edges) - 1 <= most_series

    def batches(self, rows: Ints, most_samples: int, most_series: int) -> list[Ints]:
        """Some series in batches, each of at least one series.

        Parameters
        ----------
        rows : ndarray of int64
            Ascending.
        most_samples, most_series : int
            Bounds of a batch.
        """
        total = np.cumsum(self._lengths(rows))
        found: list[Ints] = []
        begin = 0
        while begin < len(rows):
            done = int(total[begin - 1]) if begin else 0
            end = int(np.searchsorted(total, done + most_samples, side="right"))
            end = max(min(end, begin + most_series), begin + 1)
            found.append(rows[begin:end])
            begin = end
        return found

    def _lengths(self, rows: Ints) -> Ints:
        return self._samples.edges[rows + 1] - self._samples.edges[rows]

    def _labels(self, rows: Ints) -> list[Labels]:
        names = [str(name) for name in self._samples.labels.columns]
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
            if name in self._samples.labels:
                codes, values = pd.factorize(self._samples.labels[name])
                self._codes[name] = codes.astype(np.int64), [str(v) for v in values]
            else:
                self._codes[name] = np.zeros(len(self._samples.labels), np.int64), [""]
        return self._codes[name]
