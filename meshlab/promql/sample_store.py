"""Where a recording's samples stand: in memory when they are few, on disk when they are many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.series import SeriesSet
from meshlab.errors import RecordingError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["OnDisk", "Resident", "RowGroups", "SampleStore"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_AGAIN: Final = "fetch the recording again"


class SampleStore(Protocol):
    """Samples of numbered series, sorted by series and time."""

    @property
    def labels(self) -> pd.DataFrame:
        """One row a series, as in `SeriesSet`."""
        ...

    @property
    def edges(self) -> Ints:
        """Where each series begins among all samples, plus the end; shape (series + 1,)."""
        ...

    def take(self, rows: Ints) -> tuple[Ints, Floats]:
        """Times (unix milliseconds) and values of some series, one after the other.

        Parameters
        ----------
        rows : ndarray of int64
            Ascending.
        """
        ...


class Resident:
    """Samples in memory.

    Parameters
    ----------
    series : SeriesSet
        Sorted by series and time.
    """

    def __init__(self, series: SeriesSet) -> None:
        self.series = series
        self.labels = series.labels
        self.edges: Ints = series.starts
        self._time = series.time.astype("datetime64[ms]", copy=False).view(np.int64)
        self._value = np.ascontiguousarray(series.value)

    def take(self, rows: Ints) -> tuple[Ints, Floats]:
        """See `SampleStore`; a view where the series stand side by side."""
        start, end = self.edges[rows], self.edges[rows + 1]
        begin = np.r_[0, np.cumsum(end - start)]
        if len(rows) and end[-1] - start[0] == begin[-1]:
            whole = slice(int(start[0]), int(end[-1]))
            return self._time[whole], self._value[whole]
        at = np.repeat(start - begin[:-1], end - start) + np.arange(begin[-1])
        return self._time[at], self._value[at]


class RowGroups(Protocol):
    """The part of `pyarrow.parquet.ParquetFile` that is used here."""

    metadata: Any
    num_row_groups: int

    def read_row_group(self, group: int, columns: list[str]) -> pa.Table:
        """Some columns of one row group."""
        ...


class OnDisk:
    """Samples in a Parquet file, of which the row groups are read that a question needs.

    Parameters
    ----------
    labels : DataFrame
    edges : ndarray of int64, shape (series + 1,)
    file : RowGroups
        A `pyarrow.parquet.ParquetFile`, or what reads as one; with the columns ``time`` and ``value``.
    name : str
        For messages.
    """

    def __init__(self, labels: pd.DataFrame, edges: Ints, file: RowGroups, name: str) -> None:
        self.labels = labels
        self.edges = edges
        self._file = file
        self._name = name
        lengths = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
        self._groups: Ints = np.r_[0, np.cumsum(np.array(lengths, np.int64))]
        # The row group that was read last: the next question often begins in it.
        self._last: tuple[int, Ints, Floats] = -1, np.empty(0, np.int64), np.empty(0)

    def take(self, rows: Ints) -> tuple[Ints, Floats]:
        """See `SampleStore`."""
        start, end = self.edges[rows], self.edges[rows + 1]
        total = int((end - start).sum())
        time, value = np.empty(total, np.int64), np.empty(total)
        done = 0
        for low, high in self._runs(start, end):
            at = low
            while at < high:
                group = int(np.searchsorted(self._groups, at, side="right")) - 1
                first, last = int(self._groups[group]), min(high, int(self._groups[group + 1]))
                for column, source in zip((time, value), self._read(group), strict=True):
                    column[done : done + last - at] = source[at - first : last - first]
                done, at = done + last - at, last
        return time, value

    @staticmethod
    def _runs(start: Ints, end: Ints) -> Iterator[tuple[int, int]]:
        """Spans of samples; series that stand side by side make one."""
        some = end > start
        start, end = start[some], end[some]
        if len(start):
            apart = start[1:] != end[:-1]
            yield from zip(start[np.r_[True, apart]].tolist(), end[np.r_[apart, True]].tolist(), strict=True)

    def _read(self, group: int) -> tuple[Ints, Floats]:
        import pyarrow as pa

        if self._last[0] == group:
            return self._last[1:]
        try:
            table = self._file.read_row_group(group, columns=["time", "value"])
        except (pa.ArrowException, OSError):
            raise RecordingError(f"{self._name} is damaged: it cannot be decoded", _AGAIN) from None
        if any(column.null_count for column in table.columns):
            raise RecordingError(f"{self._name} has gaps in its columns", "record again")
        time, value = table["time"].to_numpy().view(np.int64), table["value"].to_numpy()
        self._last = group, time, value
        return time, value
