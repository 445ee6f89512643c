"""From pieces to a recording, in bounded memory: a range of series at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.sanitize import plain
from meshlab.errors import RecordingError
from meshlab.promql.sample_store import Floats, Ints, OnDisk
from meshlab.recordings.pieces import Piece, WorkFolder
from meshlab.recordings.writer import writing

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["merge"]

_AT_ONCE: Final = 1 << 20
"""So many samples are sorted together, or those of one series."""


def merge(
    work: WorkFolder,
    pieces: Sequence[Piece],
    out: Path,
    manifest: dict[str, object],
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Write a recording from the pieces of a work folder.

    Series are sorted by their labels, a sample that two selectors match is taken once (the first selector's), and how
    the pieces were cut leaves no trace in the files.

    Parameters
    ----------
    work : WorkFolder
    pieces : sequence of Piece
        In the order of selectors and time.
    out : Path
        The recording's folder.
    manifest : dict
        What `meshlab.recordings.writer.writing` does not know.
    progress : callable
        Told the share that is done, 0 to 1.

    Raises
    ------
    ParameterError, RecordingError
        As `meshlab.recordings.writer.write_folder`.
    """
    pieces = [piece for piece in pieces if piece.samples]
    labels, numbers = _numbered({piece.labels: work.labels(piece.labels) for piece in pieces})
    parts = [_Part(work.samples_path(piece), numbers[piece.labels]) for piece in pieces]
    total = np.zeros(len(labels), np.int64)
    for part in parts:
        np.add.at(total, part.number, part.lengths)
    with writing(out, labels, manifest) as samples:
        for first, last in _ranges(total, _AT_ONCE):
            samples.append(*_sorted([part.between(first, last) for part in parts]))
            progress(last / len(labels))


def _numbered(tables: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, NDArray[np.int32]]]:
    """One label table of all, and the row of each table's rows in it, ascending."""
    names = sorted({str(name) for table in tables.values() for name in table.columns} - {""})
    rows = {sha256: _rows(table, names) for sha256, table in tables.items()}
    whole = sorted({row for some in rows.values() for row in some})
    place = {row: at for at, row in enumerate(whole)}
    labels = pd.DataFrame(
        {name: [row[at] for row in whole] for at, name in enumerate(names)},
        index=pd.RangeIndex(len(whole)),
        dtype="str",
    )
    return labels, {sha256: np.array([place[row] for row in some], np.int32) for sha256, some in rows.items()}


def _rows(table: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, ...]]:
    absent = [""] * len(table)
    columns = [table[name].tolist() if name in table.columns else absent for name in names]
    return list(zip(*columns, strict=True)) if names else [()] * len(table)


def _ranges(lengths: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of series that have that many samples at most, or one series."""
    total = np.cumsum(lengths)
    begin = 0
    while begin < len(lengths):
        done = int(total[begin - 1]) if begin else 0
        end = max(int(np.searchsorted(total, done + most, side="right")), begin + 1)
        yield begin, end
        begin = end


def _sorted(parts: list[tuple[NDArray[np.int32], Ints, Floats]]) -> tuple[NDArray[np.int32], Ints, Floats]:
    """Samples by series and time, each once; of two at the same moment the one of the earlier part."""
    sid, time, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(sid, kind="stable")
    sid, time, value = sid[order], time[order], value[order]
    same, step = sid[1:] == sid[:-1], np.diff(time)
    if (same & (step <= 0)).any():
        order = np.lexsort((time, sid))
        sid, time, value = sid[order], time[order], value[order]
        once = np.r_[True, (sid[1:] != sid[:-1]) | (time[1:] != time[:-1])]
        sid, time, value = sid[once], time[once], value[once]
    return sid, time, value


class _Part:
    """One piece, whose rows are read by the numbers of its series."""

    def __init__(self, path: Path, number: NDArray[np.int32]) -> None:
        self.number = number
        file = _File(path)
        self.lengths: Ints = np.zeros(len(number), np.int64)
        for group in range(file.num_row_groups):
            sid = file.read_row_group(group, columns=["sid"])["sid"].to_numpy()
            self.lengths += np.bincount(sid, minlength=len(number))
        self._samples = OnDisk(pd.DataFrame(), np.r_[0, np.cumsum(self.lengths)], file, plain(path))

    def between(self, first: int, last: int) -> tuple[NDArray[np.int32], Ints, Floats]:
        """Samples of the series from one number up to another."""
        low, high = np.searchsorted(self.number, [first, last])
        rows = np.arange(low, high)
        return np.repeat(self.number[rows], self.lengths[rows]), *self._samples.take(rows)


class _File:
    """A Parquet file that is open only while it is read: there may be thousands of pieces."""

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self._path = path
        self.metadata: Any = parquet.read_metadata(path)
        self.num_row_groups: int = self.metadata.num_row_groups

    def read_row_group(self, group: int, columns: Sequence[str]) -> pa.Table:
        """As `pyarrow.parquet.ParquetFile.read_row_group`."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(self._path, metadata=self.metadata) as file:
                return file.read_row_group(group, columns=list(columns))
        except (pa.ArrowException, OSError):
            raise RecordingError(f"{plain(self._path)} cannot be read", "run the same command again") from None
