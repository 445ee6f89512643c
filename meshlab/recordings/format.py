"""A recording on disk: ``manifest.json``, ``series.parquet`` and ``samples.parquet`` in a folder.

The manifest carries sizes and checksums, so that a damaged or half-copied folder is refused, never half read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from meshlab.errors import RecordingError
from meshlab.escape import plain
from meshlab.files import atomic_folder, write_text
from meshlab.series import Query, SeriesSet

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMAT", "Stored", "read_folder", "read_manifest", "write_folder"]

FORMAT: Final = "meshlab.recording/1"
_MANIFEST: Final = "manifest.json"
_SERIES: Final = "series.parquet"
_SAMPLES: Final = "samples.parquet"
_ROW_GROUP: Final = 1 << 18


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
        There is no folder or no manifest, it is no JSON, or of a format that this version does not know.
    """
    path = folder / _MANIFEST
    if not folder.is_dir():
        raise RecordingError(f"there is no recording at {plain(folder)}", "check the path")
    if not path.is_file():
        raise RecordingError(
            f"{plain(folder)} is no recording: it has no {_MANIFEST}",
            "make one with: meshlab record --source URL -o DIR",
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise RecordingError(f"{plain(path)} is damaged: it is no JSON", "fetch the recording again") from None
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT or not isinstance(manifest.get("files"), dict):
        raise RecordingError(
            f"{plain(folder)} has the format {plain(found)!r}, and this version reads {FORMAT!r}",
            "use the version of meshlab that wrote it, or record anew",
        )
    return dict(manifest)


def read_folder(folder: Path) -> Stored:
    """Read a recording whole.

    Raises
    ------
    RecordingError
        A file is missing, has not the size or checksum of the manifest, or holds something else than a recording.
    """
    import pyarrow as pa
    from pyarrow import parquet

    manifest = read_manifest(folder)
    tables = {}
    for name in (_SERIES, _SAMPLES):
        body = _checked(folder, name, manifest)
        try:
            tables[name] = parquet.read_table(pa.BufferReader(body), partitioning=None)
        except (pa.ArrowException, OSError, ValueError):
            raise RecordingError(f"{plain(folder / name)} is no Parquet file", "fetch the recording again") from None
    return Stored(_series_set(tables[_SERIES], tables[_SAMPLES], folder), manifest)


def write_folder(folder: Path, stored: Stored) -> None:
    """Write a recording, which stands whole in its place or not at all.

    Parameters
    ----------
    folder : Path
        Replaced when it exists.
    stored : Stored
        The manifest's ``format``, ``series``, ``samples`` and ``files`` are filled in here.
    """
    import pyarrow as pa
    from pyarrow import parquet

    found = stored.series
    labels = {name: pa.array(found.labels[name].astype(object), pa.string()) for name in found.labels.columns}
    series = pa.table(
        {"sid": pa.array(np.arange(len(found), dtype=np.int32)), **{f"label_{k}": v for k, v in labels.items()}}
    )
    samples = pa.table(
        {
            "sid": pa.array(found.sid, pa.int32()),
            "time": pa.array(found.time.astype("datetime64[ms]").astype(np.int64), pa.int64()).cast(
                pa.timestamp("ms", "UTC")
            ),
            "value": pa.array(found.value, pa.float64(), from_pandas=False),
        }
    )
    with atomic_folder(folder) as beside:
        parquet.write_table(series, beside / _SERIES, compression="zstd")
        parquet.write_table(
            samples,
            beside / _SAMPLES,
            compression="zstd",
            row_group_size=_ROW_GROUP,
            use_dictionary=["value"],
            column_encoding={"sid": "DELTA_BINARY_PACKED", "time": "DELTA_BINARY_PACKED"},
        )
        manifest = {
            **stored.manifest,
            "format": FORMAT,
            "series": len(found),
            "samples": len(found.sid),
            "files": {name: _describe(beside / name) for name in (_SERIES, _SAMPLES)},
        }
        write_text(beside / _MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def _describe(path: Path) -> dict[str, object]:
    body = path.read_bytes()
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def _checked(folder: Path, name: str, manifest: Mapping[str, object]) -> bytes:
    path = folder / name
    files = manifest["files"]
    expected = files.get(name) if isinstance(files, dict) else None
    if not isinstance(expected, dict) or not path.is_file():
        raise RecordingError(f"{plain(folder)} is no whole recording: {name} is missing", "fetch the recording again")
    body = path.read_bytes()
    if len(body) != expected.get("bytes"):
        raise RecordingError(
            f"{plain(path)} is damaged: it has {len(body):,} bytes of {expected.get('bytes')}",
            "fetch the recording again",
        )
    if hashlib.sha256(body).hexdigest() != expected.get("sha256"):
        raise RecordingError(f"{plain(path)} is damaged: its checksum differs", "fetch the recording again")
    return body


def _series_set(series: pa.Table, samples: pa.Table, folder: Path) -> SeriesSet:
    wrong = RecordingError(f"{plain(folder)} holds no series and samples as a recording does", "record anew")
    if not {"sid", "time", "value"} <= set(samples.column_names) or "sid" not in series.column_names:
        raise wrong
    names = sorted(c for c in series.column_names if c.startswith("label_"))
    labels = pd.DataFrame(
        {name.removeprefix("label_"): series.column(name).to_pandas().fillna("").astype("str") for name in names},
        index=pd.RangeIndex(series.num_rows),
    )
    try:
        sid = samples.column("sid").to_numpy().astype(np.int32, copy=False)
        time = samples.column("time").to_numpy().astype("datetime64[ms]", copy=False)
        value = samples.column("value").to_numpy().astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise wrong from None
    if len(sid):
        same = sid[1:] == sid[:-1]
        in_order = (sid[1:] >= sid[:-1]).all() and (time[1:][same] > time[:-1][same]).all()
        if not in_order or sid[0] < 0 or sid[-1] >= len(labels):
            raise wrong
    return SeriesSet(labels, sid, time, value, Query(promql="", engine="recording", result_type="samples"))
