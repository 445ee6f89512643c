"""A recording on disk: ``manifest.json``, ``series.parquet`` and ``samples.parquet`` in a folder.

The manifest carries sizes and checksums, so that a damaged or half-copied folder is refused, never half read. File
names are fixed here: nothing that a manifest says leads out of its folder.

======================  ===============================================================================================
manifest                what it says
======================  ===============================================================================================
``format``              ``meshlab.recording/1``
``name``, ``what``      the folder's name when it was written; one sentence
``recorded``            the engine's own time, RFC 3339
``window``              ``start`` and ``end``; samples of five minutes before it are there too
``engine``, ``command``  kind of store, without its address; what made the recording
``ranges``              ``closed`` (Prometheus 2) or ``left-open`` (Prometheus 3): the convention to evaluate it by
``selectors``           what was asked for
``series``, ``samples``  counts
``files``               bytes and SHA-256 of each file
``redacted``            labels whose values are pseudonyms; only when there are some
``warnings``            what the engine said beside its answer; only when it said something
``truth``               what is known of what really happened; only when it is
======================  ===============================================================================================
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.files import atomic_folder, write_text
from meshlab.core.sanitize import plain
from meshlab.core.series import Query, SeriesSet
from meshlab.errors import ParameterError, RecordingError
from meshlab.promql.sample_store import OnDisk, Resident, Shelf

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

__all__ = [
    "FORMAT",
    "RESIDENT",
    "SamplesWriter",
    "Stored",
    "as_json",
    "check_target",
    "checksum",
    "open_folder",
    "read_folder",
    "read_manifest",
    "write_folder",
    "writing",
]

FORMAT: Final = "meshlab.recording/1"
_FAMILY: Final = "meshlab.recording/"
_MANIFEST: Final = "manifest.json"
_SERIES: Final = "series.parquet"
_SAMPLES: Final = "samples.parquet"
_FILES: Final = (_SERIES, _SAMPLES)
_LABEL: Final = "label_"
"""Before each label's name, which may be ``sid``."""
_LARGEST_MANIFEST: Final = 16 << 20
_ROW_GROUP: Final = 1 << 18
RESIDENT: Final = 1 << 22
"""A recording of up to so many samples is held in memory."""
_LARGEST_IN_MEMORY: Final = 8 << 20
"""A file of up to so many bytes is read at once."""
_LARGEST_GROUP: Final = 1 << 23
"""Rows that are decoded at once: a small file may claim any number of equal ones."""
_PIECE: Final = 1 << 20
_AGAIN: Final = "fetch the recording again"


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What a recording's folder holds.

    Parameters
    ----------
    series : SeriesSet
        Raw samples, sorted by series and time; stale markers are NaN with Prometheus's own bits.
    manifest : dict
        What was recorded, when, from which engine, and the truth where the lab knows it.
    """

    series: SeriesSet
    manifest: dict[str, object]


def read_manifest(folder: Path) -> dict[str, object]:
    """Read and check a manifest.

    Raises
    ------
    RecordingError
        There is no folder or no manifest, it is damaged, or of a format that this version does not know.
    """
    path = folder / _MANIFEST
    if not folder.is_dir():
        begun = folder.with_name(f"{folder.name}.partial").is_dir()
        raise RecordingError(
            f"there is no recording at {plain(folder)}",
            "one was begun there: run its command again to finish it" if begun else "check the path",
        )
    if not path.is_file() and folder.name.endswith(".partial"):
        raise RecordingError(
            f"{plain(folder)} is a recording that is not finished", "run its command again to finish it"
        )
    if not path.is_file():
        raise RecordingError(
            f"{plain(folder)} is no recording: it has no {_MANIFEST}",
            "make one with: meshlab record --source URL -o DIR",
        )
    manifest = _json(path)
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or found != FORMAT:
        raise RecordingError(
            f"{plain(folder)} has the format {plain(found)[:60]!r}, and this version reads {FORMAT!r}",
            "use the version of meshlab that wrote it, or record anew",
        )
    problem = _problem(manifest)
    if problem:
        raise RecordingError(f"{plain(path)} is damaged: {problem}", _AGAIN)
    return manifest


def read_folder(folder: Path, *, verify: bool = True) -> Stored:
    """Read a recording whole, into memory.

    Parameters
    ----------
    folder : Path
    verify : bool
        Whether to compare checksums; sizes, columns, order and counts always are.

    Raises
    ------
    RecordingError
        A file is missing, has not the size or checksum of the manifest, or holds something else than a recording.
    """
    shelf, manifest = open_folder(folder, verify=verify, resident=sys.maxsize)
    assert isinstance(shelf, Resident)
    return Stored(shelf.series, manifest)


def open_folder(folder: Path, *, verify: bool = True, resident: int = RESIDENT) -> tuple[Shelf, dict[str, object]]:
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
    Shelf, dict
        The samples, and the manifest.

    Raises
    ------
    RecordingError
        A file is missing, has not the size or checksum of the manifest, or holds something else than a recording.
    """
    manifest = read_manifest(folder)
    series = _parquet(folder, _SERIES, manifest, verify=verify)
    samples = _parquet(folder, _SAMPLES, manifest, verify=verify)
    labels = _labels(series, folder / _SERIES, manifest)
    path = folder / _SAMPLES
    _compare(samples, path, _columns(), manifest["samples"])
    if samples.metadata.num_rows > resident:
        return OnDisk(labels, _edges(samples, path, len(labels)), samples, plain(path)), manifest
    query = Query(promql="", engine=f"recording {plain(folder.name)}", result_type="samples")
    return Resident(SeriesSet(labels, *_samples(samples, path, len(labels)), query)), manifest


def write_folder(folder: Path, stored: Stored) -> None:
    """Write a recording, which stands whole in its place or not at all. The same input gives the same bytes.

    Parameters
    ----------
    folder : Path
        Replaced when it is a recording.
    stored : Stored
        The manifest's ``format``, ``series``, ``samples`` and ``files`` are filled in here.

    Raises
    ------
    ParameterError
        The folder holds something else than a recording, or the manifest cannot be written as JSON.
    RecordingError
        The folder cannot be written.
    """
    found = stored.series
    with writing(folder, found.labels, stored.manifest) as samples:
        samples.append(found.sid, found.time, found.value)


@contextmanager
def writing(folder: Path, labels: pd.DataFrame, manifest: dict[str, object]) -> Iterator[SamplesWriter]:
    """Write a recording piece by piece; it takes its place when all went well.

    Parameters
    ----------
    folder : Path
        Replaced when it is a recording.
    labels : DataFrame
        One row a series, as in `SeriesSet`.
    manifest : dict
        Completed as by `write_folder`.

    Yields
    ------
    SamplesWriter
        Takes the samples, in the order of series and time. How they are cut does not change a byte.

    Raises
    ------
    ParameterError
        The folder holds something else than a recording, or the manifest cannot be written as JSON.
    RecordingError
        The folder cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    folder = folder.resolve()
    check_target(folder)
    order = np.arange(len(labels), dtype=np.int32)
    series = pa.table({"sid": order, **{f"{_LABEL}{n}": _strings(labels[n]) for n in sorted(labels.columns)}})
    try:
        with atomic_folder(folder) as beside:
            parquet.write_table(series, beside / _SERIES, compression="zstd", compression_level=9)
            with SamplesWriter(beside / _SAMPLES) as samples:
                yield samples
            whole = {
                **manifest,
                "format": FORMAT,
                "series": len(labels),
                "samples": samples.rows,
                "files": {name: _describe(beside / name) for name in _FILES},
            }
            write_text(beside / _MANIFEST, as_json(whole))
    except OSError as error:
        raise RecordingError(
            f"the recording {plain(folder)} cannot be written: {error.strerror or type(error).__name__}",
            "choose another folder, or make room",
        ) from None


class SamplesWriter:
    """Writes ``sid``, ``time`` and ``value`` to a Parquet file in bounded memory; a context manager.

    Row groups end where a series does, so that a range of series is read alone; only a series that is longer than a
    row group is cut. The bytes depend on the samples alone, not on how they were handed over.

    Parameters
    ----------
    path : Path
    row_group : int
        Most samples in a row group.
    level : int
        Of zstd.
    """

    def __init__(self, path: Path, *, row_group: int = _ROW_GROUP, level: int = 9) -> None:
        from pyarrow import parquet

        self.rows = 0
        self._row_group = row_group
        self._waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._held = 0
        self._file = parquet.ParquetWriter(
            path,
            _columns(),
            compression="zstd",
            compression_level=level,
            use_dictionary=False,
            # Of counters, sparse counters, seconds and gauges all were smaller so, by 6 to 55 %.
            column_encoding={"sid": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush(last=True)
        finally:
            self._file.close()

    def append(self, sid: np.ndarray, time: np.ndarray, value: np.ndarray) -> None:
        """Add samples, in the order of series and time.

        Parameters
        ----------
        sid : ndarray of int32
        time : ndarray of datetime64[ms], or of int64 (unix milliseconds)
        value : ndarray of float64
        """
        self._waiting.append((sid, time.astype("datetime64[ms]", copy=False).view(np.int64), value))
        self._held += len(sid)
        if self._held > self._row_group:
            self._flush(last=False)

    def _flush(self, *, last: bool) -> None:
        if not self._waiting:
            return
        columns = [np.concatenate(c) if len(c) > 1 else c[0] for c in zip(*self._waiting, strict=True)]
        begin, end = 0, self._held
        while end - begin > self._row_group or (last and end > begin):
            cut = self._cut(columns[0], begin, end)
            self._write(*(column[begin:cut] for column in columns))
            begin = cut
        # A copy: a view would hold what has been written.
        self._waiting = [(columns[0][begin:].copy(), columns[1][begin:].copy(), columns[2][begin:].copy())][
            : end - begin
        ]
        self._held = end - begin

    def _cut(self, sid: np.ndarray, begin: int, end: int) -> int:
        most = begin + self._row_group
        if end <= most:
            return end
        here = int(np.searchsorted(sid[begin:most], sid[most], side="left"))
        return begin + here if here else most

    def _write(self, sid: np.ndarray, time: np.ndarray, value: np.ndarray) -> None:
        import pyarrow as pa

        columns = [
            pa.array(sid, pa.int32()),
            pa.array(time).cast(pa.timestamp("ms", "UTC")),
            # from_pandas would turn NaN, stale markers among them, into nulls.
            pa.array(value, pa.float64(), from_pandas=False),
        ]
        self._file.write_table(pa.Table.from_arrays(columns, schema=_columns()), row_group_size=len(sid))
        self.rows += len(sid)


def _columns() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([("sid", pa.int32()), ("time", pa.timestamp("ms", "UTC")), ("value", pa.float64())])


def check_target(folder: Path) -> None:
    """Make sure that a recording may take a folder's place: it is not there, is empty, or is nothing but a recording.

    Raises
    ------
    ParameterError
        Something else would be lost.
    """
    if not folder.exists():
        return
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [folder.name]
    if not there:
        return
    others = [name for name in there if name not in (_MANIFEST, *_FILES)]
    if _MANIFEST not in there or others or not _is_ours(folder / _MANIFEST):
        raise ParameterError(
            f"{plain(folder)} is there already and holds something else than a recording"
            f" ({plain(', '.join((others or there)[:3]))})",
            "choose a new folder",
        )


def _is_ours(path: Path) -> bool:
    try:
        manifest = _json(path)
    except RecordingError:
        return False
    return isinstance(manifest, dict) and str(manifest.get("format", "")).startswith(_FAMILY)


def _json(path: Path) -> object:
    def no_number(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON")

    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise RecordingError(f"{plain(path)} is longer than {_LARGEST_MANIFEST:,} bytes", _AGAIN)
        found: object = json.loads(path.read_bytes(), parse_constant=no_number)
    except (ValueError, RecursionError):
        raise RecordingError(f"{plain(path)} is damaged: it is no JSON", _AGAIN) from None
    except OSError as error:
        raise RecordingError(f"{plain(path)} cannot be read: {error.strerror}", "check who may read it") from None
    return found


def as_json(manifest: Mapping[str, object]) -> str:
    """A manifest's text.

    Raises
    ------
    ParameterError
        It holds something that JSON does not know.
    """
    try:
        return json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ParameterError(f"the manifest cannot be written as JSON: {plain(error)}", "correct its truth") from None


def _problem(manifest: dict[str, object]) -> str:
    """What is wrong with a manifest; empty when nothing is."""
    files = manifest.get("files")
    if not isinstance(files, dict):
        return "it lists no files"
    for name in _FILES:
        listed = files.get(name)
        if (
            not isinstance(listed, dict)
            or not _is_count(listed.get("bytes"))
            or not isinstance(listed.get("sha256"), str)
        ):
            return f"it gives no size and checksum of {name}"
    for name in ("series", "samples"):
        if not _is_count(manifest.get(name)):
            return f"it does not count its {name}"
    if manifest.get("ranges", "closed") not in ("closed", "left-open"):
        return "its ranges are neither closed nor left-open"
    if "window" in manifest and not _is_span(manifest["window"]):
        return "its window is none"
    return ""


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_span(window: object) -> bool:
    if not isinstance(window, dict):
        return False
    try:
        start, end = (datetime.fromisoformat(str(window.get(name))) for name in ("start", "end"))
        return start < end and start.tzinfo is not None and end.tzinfo is not None
    except (ValueError, TypeError):
        return False


def _describe(path: Path) -> dict[str, object]:
    return {"bytes": path.stat().st_size, "sha256": checksum(path)}


def checksum(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _strings(column: pd.Series) -> pa.Array:
    import pyarrow as pa

    return pa.array(column.astype(object), pa.string())


def _parquet(folder: Path, name: str, manifest: dict[str, object], *, verify: bool) -> parquet.ParquetFile:
    """Open one file, after the cheap checks."""
    import pyarrow as pa
    from pyarrow import parquet

    path = folder / name
    files = manifest["files"]
    assert isinstance(files, dict)  # read_manifest has checked it
    listed: dict[str, object] = files[name]
    if not path.is_file():
        raise RecordingError(f"{plain(folder)} is no whole recording: {name} is missing", _AGAIN)
    if path.resolve().parent != folder.resolve():
        raise RecordingError(f"{plain(path)} leads out of the recording's folder", "copy the file itself")
    try:
        size = path.stat().st_size
        if size != listed["bytes"]:
            raise RecordingError(f"{plain(path)} is damaged: it has {size:,} of {listed['bytes']:,} bytes", _AGAIN)
        # One open file for the checksum and for all later questions: another recording may take the folder's place.
        file = pa.BufferReader(path.read_bytes()) if size <= _LARGEST_IN_MEMORY else pa.OSFile(str(path))
        digest = hashlib.sha256()
        while verify and (piece := file.read_buffer(_PIECE)).size:
            digest.update(piece)
        file.seek(0)
    except OSError as error:
        raise RecordingError(f"{plain(path)} cannot be read: {error.strerror}", "check who may read it") from None
    if verify and digest.hexdigest() != listed["sha256"]:
        raise RecordingError(f"{plain(path)} is damaged: its checksum differs", _AGAIN)
    try:
        return parquet.ParquetFile(file)
    except (pa.ArrowException, OSError):
        raise RecordingError(f"{plain(path)} is damaged: it is no Parquet file", _AGAIN) from None


def _compare(file: parquet.ParquetFile, path: Path, wanted: pa.Schema, rows: object) -> None:
    """Compare what a file's columns are with what they ought to be."""
    found = file.schema_arrow
    if [(f.name, f.type) for f in found] != [(f.name, f.type) for f in wanted]:
        raise RecordingError(f"{plain(path)} has not the columns of a recording", "record anew")
    largest = max((file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)), default=0)
    if largest > _LARGEST_GROUP:
        raise RecordingError(f"{plain(path)} has {largest:,} rows in one piece, which no recording has", "record anew")
    if file.metadata.num_rows != rows:
        raise RecordingError(
            f"{plain(path)} has {file.metadata.num_rows:,} rows and the manifest counts {rows:,}", _AGAIN
        )


def _decoded(read: Callable[[], pa.Table], path: Path) -> pa.Table:
    import pyarrow as pa

    try:
        table = read()
    except (pa.ArrowException, OSError):
        raise RecordingError(f"{plain(path)} is damaged: it cannot be decoded", _AGAIN) from None
    if any(column.null_count for column in table.columns):
        raise RecordingError(f"{plain(path)} has gaps in its columns", "record anew")
    return table


def _labels(file: parquet.ParquetFile, path: Path, manifest: dict[str, object]) -> pd.DataFrame:
    import pyarrow as pa

    names = [n.removeprefix(_LABEL) for n in file.schema_arrow.names[1:] if n.startswith(_LABEL)]
    if names != sorted(set(names)):
        raise RecordingError(f"{plain(path)} has not the columns of a recording", "record anew")
    wanted = pa.schema([("sid", pa.int32()), *((f"{_LABEL}{n}", pa.string()) for n in names)])
    _compare(file, path, wanted, manifest["series"])
    table = _decoded(file.read, path)
    if not np.array_equal(table["sid"].to_numpy(), np.arange(table.num_rows)):
        raise RecordingError(f"{plain(path)} does not number its series from 0", "record anew")
    if not names:
        return pd.DataFrame(index=pd.RangeIndex(table.num_rows))
    labels: pd.DataFrame = table.drop_columns(["sid"]).rename_columns(names).to_pandas()
    return labels.astype("str")


def _samples(
    file: parquet.ParquetFile, path: Path, series: int
) -> tuple[NDArray[np.int32], NDArray[np.datetime64], NDArray[np.float64]]:
    table = _decoded(file.read, path)
    sid, time, value = (table[name].to_numpy() for name in ("sid", "time", "value"))
    _check_order(sid, time, path, series)
    return sid, time.astype("datetime64[ms]", copy=False), value


def _edges(file: parquet.ParquetFile, path: Path, series: int) -> NDArray[np.int64]:
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
        raise RecordingError(f"{plain(path)} has samples of series that {_SERIES} does not have", "record anew")
    step, later = sid[1:] - sid[:-1], time[1:] > time[:-1]
    if not ((step > 0) | ((step == 0) & later)).all():
        raise RecordingError(f"{plain(path)} is not sorted by series and time", "record anew")
