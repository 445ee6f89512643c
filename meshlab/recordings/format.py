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
``warnings``            what the engine said beside its answer; only when it said something
``truth``               what is known of what really happened; only when it is
======================  ===============================================================================================
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np
import pandas as pd

from meshlab.errors import ParameterError, RecordingError
from meshlab.escape import plain
from meshlab.files import atomic_folder, write_text
from meshlab.series import Query, SeriesSet

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

__all__ = ["FORMAT", "Stored", "check_target", "read_folder", "read_manifest", "write_folder"]

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
        raise RecordingError(f"there is no recording at {plain(folder)}", "check the path")
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
    """Read a recording whole.

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
    manifest = read_manifest(folder)
    series = _parquet(folder, _SERIES, manifest, verify=verify)
    samples = _parquet(folder, _SAMPLES, manifest, verify=verify)
    labels = _labels(series, folder / _SERIES, manifest)
    columns = _samples(samples, folder / _SAMPLES, manifest, len(labels))
    query = Query(promql="", engine=f"recording {plain(folder.name)}", result_type="samples")
    return Stored(SeriesSet(labels, *columns, query), manifest)


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
    import pyarrow as pa
    from pyarrow import parquet

    folder = folder.resolve()
    check_target(folder)
    found = stored.series
    order = np.arange(len(found), dtype=np.int32)
    series = pa.table(
        {"sid": order, **{f"{_LABEL}{n}": _strings(found.labels[n]) for n in sorted(found.labels.columns)}}
    )
    samples = pa.table(
        {
            "sid": pa.array(found.sid, pa.int32()),
            "time": pa.array(found.time.astype("datetime64[ms]").astype(np.int64)).cast(pa.timestamp("ms", "UTC")),
            # from_pandas would turn NaN, stale markers among them, into nulls.
            "value": pa.array(found.value, pa.float64(), from_pandas=False),
        }
    )
    try:
        with atomic_folder(folder) as beside:
            parquet.write_table(series, beside / _SERIES, compression="zstd", compression_level=9)
            parquet.write_table(
                samples,
                beside / _SAMPLES,
                compression="zstd",
                compression_level=9,
                row_group_size=_ROW_GROUP,
                use_dictionary=False,
                # Of counters, sparse counters, seconds and gauges all were smaller so, by 6 to 55 %.
                column_encoding={
                    "sid": "DELTA_BINARY_PACKED",
                    "time": "DELTA_BINARY_PACKED",
                    "value": "BYTE_STREAM_SPLIT",
                },
            )
            manifest = {
                **stored.manifest,
                "format": FORMAT,
                "series": len(found),
                "samples": len(found.sid),
                "files": {name: _describe((beside / name).read_bytes()) for name in _FILES},
            }
            write_text(beside / _MANIFEST, _as_json(manifest))
    except OSError as error:
        raise RecordingError(
            f"the recording {plain(folder)} cannot be written: {error.strerror or type(error).__name__}",
            "choose another folder, or make room",
        ) from None


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


def _as_json(manifest: dict[str, object]) -> str:
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


def _describe(body: bytes) -> dict[str, object]:
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


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
        body = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{plain(path)} cannot be read: {error.strerror}", "check who may read it") from None
    if verify and hashlib.sha256(body).hexdigest() != listed["sha256"]:
        raise RecordingError(f"{plain(path)} is damaged: its checksum differs", _AGAIN)
    try:
        return parquet.ParquetFile(pa.BufferReader(body))
    except (pa.ArrowException, OSError):
        raise RecordingError(f"{plain(path)} is damaged: it is no Parquet file", _AGAIN) from None


def _read(file: parquet.ParquetFile, path: Path, wanted: pa.Schema, rows: object) -> pa.Table:
    """Read a file's columns after comparing what they are with what they ought to be."""
    import pyarrow as pa

    found = file.schema_arrow
    if [(f.name, f.type) for f in found] != [(f.name, f.type) for f in wanted]:
        raise RecordingError(f"{plain(path)} has not the columns of a recording", "record anew")
    if file.metadata.num_rows != rows:
        raise RecordingError(
            f"{plain(path)} has {file.metadata.num_rows:,} rows and the manifest counts {rows:,}", _AGAIN
        )
    try:
        table = file.read()
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
    table = _read(file, path, wanted, manifest["series"])
    if not np.array_equal(table["sid"].to_numpy(), np.arange(table.num_rows)):
        raise RecordingError(f"{plain(path)} does not number its series from 0", "record anew")
    columns = {n: table[f"{_LABEL}{n}"].to_pandas().astype("str") for n in names}
    return pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))


def _samples(
    file: parquet.ParquetFile, path: Path, manifest: dict[str, object], series: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    import pyarrow as pa

    wanted = pa.schema([("sid", pa.int32()), ("time", pa.timestamp("ms", "UTC")), ("value", pa.float64())])
    table = _read(file, path, wanted, manifest["samples"])
    sid, time, value = (table[name].to_numpy() for name in ("sid", "time", "value"))
    if len(sid) and (sid.min() < 0 or sid.max() >= series):
        raise RecordingError(f"{plain(path)} has samples of series that {_SERIES} does not have", "record anew")
    step, later = sid[1:] - sid[:-1], time[1:] > time[:-1]
    if not ((step > 0) | ((step == 0) & later)).all():
        raise RecordingError(f"{plain(path)} is not sorted by series and time", "record anew")
    return sid, time.astype("datetime64[ms]", copy=False), value
