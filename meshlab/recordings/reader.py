"""From a recording's folder to its samples: all of it is checked, and what is large stays on disk."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.arrow import reader_of
from meshlab.core.sanitize import plain
from meshlab.core.series import Query, SeriesSet
from meshlab.errors import RecordingError
from meshlab.promql.sample_store import OnDisk, Resident, SampleStore
from meshlab.recordings.columns import Columns
from meshlab.recordings.manifest import AGAIN, SAMPLES, SERIES, read_manifest
from meshlab.recordings.writer import LABEL, sample_columns

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

__all__ = ["RESIDENT", "open_folder"]

RESIDENT: Final = 1 << 22
"""A recording of up to so many samples is held in memory."""
_LARGEST_IN_MEMORY: Final = 8 << 20
"""A file of up to so many bytes is read at once."""
_LARGEST_GROUP: Final = 1 << 23
"""Rows that are decoded at once: a small file may claim any number of equal ones."""
_MOST_LABELS: Final = 256 << 20
"""Bytes of all labels' values, written out: a small file may claim any number of equal long ones."""
_PIECE: Final = 1 << 20
_INDEX: Final = "__index_level_"
"""So pandas calls an index that it writes."""


def open_folder(folder: Path, *, verify: bool = True, resident: int = RESIDENT) -> tuple[SampleStore, dict[str, Any]]:
    """Open a recording: all of it is checked, and what is large stays on disk.

    Parameters
    ----------
    folder : Path
    verify : bool
        Whether to compare checksums; sizes, columns, order and counts always are.
    resident : int
        Up to so many samples are read into memory.

    Returns
    -------
    SampleStore, dict
        The samples, and the manifest.

    Raises
    ------
    RecordingError
        A file is missing, has not the size or checksum of the manifest, or holds something else than a recording.
    """
    manifest = read_manifest(folder)
    series = _parquet(folder, SERIES, manifest, verify=verify)
    samples = _parquet(folder, SAMPLES, manifest, verify=verify)
    labels = _labels(series, folder / SERIES, manifest)
    path = folder / SAMPLES
    columns = _compare(samples, path, sample_columns(), manifest["samples"])
    if samples.metadata.num_rows > resident:
        return OnDisk(labels, _edges(columns, path, len(labels)), columns, plain(path)), manifest
    query = Query(promql="", engine=f"recording {plain(folder.name)}", result_type="samples")
    return Resident(SeriesSet(labels, *_samples(columns, path, len(labels)), query)), manifest


def _parquet(folder: Path, name: str, manifest: dict[str, Any], *, verify: bool) -> parquet.ParquetFile:
    """Open one file, after the cheap checks."""
    import pyarrow as pa
    from pyarrow import parquet

    path = folder / name
    files = manifest["files"]
    assert isinstance(files, dict)  # read_manifest has checked it
    listed: dict[str, Any] = files[name]
    if not path.is_file():
        raise RecordingError(f"{plain(folder)} is incomplete: {name} is missing", AGAIN)
    if path.resolve().parent != folder.resolve():
        raise RecordingError(f"{plain(path)} leads out of the recording's folder", "copy the file itself")
    try:
        size = path.stat().st_size
        if size != listed["bytes"]:
            raise RecordingError(f"{plain(path)} is damaged: it has {size:,} of {listed['bytes']:,} bytes", AGAIN)
        # One open file for the checksum and for all later questions: another recording may take the folder's place.
        file = reader_of(path.read_bytes()) if size <= _LARGEST_IN_MEMORY else pa.OSFile(str(path))
        digest = hashlib.sha256()
        while verify and (piece := file.read_buffer(_PIECE)).size:
            digest.update(piece)
        file.seek(0)
    except OSError as error:
        raise RecordingError(f"{plain(path)} cannot be read: {error.strerror}", "check its permissions") from None
    if verify and digest.hexdigest() != listed["sha256"]:
        raise RecordingError(f"{plain(path)} is damaged: its checksum differs", AGAIN)
    try:
        found = parquet.ParquetFile(file)
        texts = [field.name for field in found.schema_arrow if pa.types.is_string(field.type)]
        # Labels come as each value once and where it occurs, so that they can be measured before they are written out.
        return parquet.ParquetFile(file, read_dictionary=texts) if name == SERIES and texts else found
    except (pa.ArrowException, OSError):
        raise RecordingError(f"{plain(path)} is damaged: it is not a Parquet file", AGAIN) from None


def _compare(file: parquet.ParquetFile, path: Path, wanted: pa.Schema, rows: object) -> Columns:
    """The columns of a file, when they are what they ought to be."""
    columns = Columns(file, path, wanted)
    largest = max((file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)), default=0)
    if largest > _LARGEST_GROUP:
        raise RecordingError(f"{plain(path)} has {largest:,} rows in one row group, too many", "record again")
    if file.metadata.num_rows != rows:
        raise RecordingError(
            f"{plain(path)} has {file.metadata.num_rows:,} rows and the manifest counts {rows:,}", AGAIN
        )
    return columns


def _decoded(read: Callable[[], pa.Table], path: Path) -> pa.Table:
    import pyarrow as pa

    try:
        table = read()
    except (pa.ArrowException, OSError):
        raise RecordingError(f"{plain(path)} is damaged: it cannot be decoded", AGAIN) from None
    if any(column.null_count for column in table.columns):
        raise RecordingError(f"{plain(path)} has gaps in its columns", "record again")
    return table


def _labels(file: parquet.ParquetFile, path: Path, manifest: dict[str, Any]) -> pd.DataFrame:
    import pyarrow as pa

    there = [n for n in file.schema_arrow.names if n != "sid" and not n.startswith(_INDEX)]
    if other := next((n for n in there if not n.startswith(LABEL)), None):
        raise RecordingError(
            f"{plain(path)} does not have the columns of a recording: {plain(other)!r} is neither sid nor a label",
            f"call a label's column {LABEL}{plain(other)}",
        )
    names = sorted({n.removeprefix(LABEL) for n in there})
    wanted = pa.schema([("sid", pa.int32()), *((f"{LABEL}{n}", pa.string()) for n in names)])
    columns = _compare(file, path, wanted, manifest["series"])
    _check_size(file, path, names)
    table = _decoded(columns.read, path)
    if not np.array_equal(table["sid"].to_numpy(), np.arange(table.num_rows)):
        raise RecordingError(f"{plain(path)} does not number its series from 0", "record again")
    if not names:
        return pd.DataFrame(index=pd.RangeIndex(table.num_rows))
    labels: pd.DataFrame = table.drop_columns(["sid"]).rename_columns(names).to_pandas()
    labels = labels.astype("str")
    if labels.duplicated().any():
        raise RecordingError(f"{plain(path)} has the same series twice", "give their samples one sid")
    return labels


def _check_size(file: parquet.ParquetFile, path: Path, names: Sequence[str]) -> None:
    """Refuse labels that unpack to more than any recording has, before they are unpacked."""
    import pyarrow as pa

    groups = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
    claimed = sum(group.column(at).total_uncompressed_size for group in groups for at in range(group.num_columns))
    held, rows = 0, file.metadata.num_rows
    if claimed <= _MOST_LABELS and rows * len(names) <= _MOST_LABELS:
        try:
            for name in names:
                for batch in file.iter_batches(columns=[f"{LABEL}{name}"]):
                    held += _unpacked(batch.column(0))
                    if held > _MOST_LABELS:
                        break
        except (pa.ArrowException, OSError):
            raise RecordingError(f"{plain(path)} is damaged: it cannot be decoded", AGAIN) from None
    if max(claimed, rows * len(names), held) > _MOST_LABELS:
        raise RecordingError(
            f"{plain(path)} has labels that unpack to more than {_MOST_LABELS:,} bytes", "record fewer series at once"
        )


def _unpacked(column: pa.Array) -> int:
    """How many bytes the texts of a column take when each is written out."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_dictionary(column.type):
        lengths = compute.binary_length(column.dictionary).take(column.indices)
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        lengths = compute.binary_length(column)
    else:
        return 0
    return int(compute.sum(lengths.cast(pa.int64())).as_py() or 0)


def _samples(
    file: Columns, path: Path, series: int
) -> tuple[NDArray[np.int32], NDArray[np.datetime64], NDArray[np.float64]]:
    table = _decoded(file.read, path)
    sid, time, value = (table[name].to_numpy() for name in ("sid", "time", "value"))
    _check_order(sid, time, path, series)
    return sid, time.astype("datetime64[ms]", copy=False), value


def _edges(file: Columns, path: Path, series: int) -> NDArray[np.int64]:
    """Where each series begins in a large file, which is checked on the way, a row group at a time."""
    counts = np.zeros(series, np.int64)
    sid, time = np.empty(0, np.int32), np.empty(0, "datetime64[ms]")
    for group in range(file.num_row_groups):
        table = _decoded(functools.partial(file.read_row_group, group, columns=["sid", "time"]), path)
        # With the last sample of the group before.
        sid = np.r_[sid[-1:], table["sid"].to_numpy()]
        time = np.r_[time[-1:], table["time"].to_numpy()]
        _check_order(sid, time, path, series)
        counts += np.bincount(sid[len(sid) - table.num_rows :], minlength=series)
    edges: NDArray[np.int64] = np.r_[0, np.cumsum(counts)]
    return edges


def _check_order(sid: NDArray[np.int32], time: NDArray[np.datetime64], path: Path, series: int) -> None:
    if len(sid) and (sid.min() < 0 or sid.max() >= series):
        raise RecordingError(f"{plain(path)} has samples of series that {SERIES} lacks", "record again")
    step, later = sid[1:] - sid[:-1], time[1:] > time[:-1]
    if not ((step > 0) | ((step == 0) & later)).all():
        raise RecordingError(f"{plain(path)} is not sorted by series and time", "record again")
