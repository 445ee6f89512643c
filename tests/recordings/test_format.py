"""A recording is whole or refused."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from stored import Stored, read_folder, write_folder

from meshlab.core.files import atomic_folder
from meshlab.core.series import SeriesSet
from meshlab.errors import ParameterError, RecordingError
from meshlab.recordings import writer as module
from meshlab.recordings.engine import Recording
from meshlab.recordings.manifest import read_manifest
from meshlab.recordings.writer import check_target

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    labels = pd.DataFrame({"__name__": ["up", "up"], "a": ["", "ünï \n\"'"], "sid": ["x", "y"]}, dtype="str")
    series = SeriesSet(
        labels,
        np.array([0, 0, 0, 1], np.int32),
        np.array([1_000, 2_001, 3_000, 1_500], "datetime64[ms]"),
        np.array([1.5, np.nan, STALE, -np.inf]),
    )
    write_folder(tmp_path / "shop", Stored(series, {"what": "a test", "ranges": "closed"}))
    return tmp_path / "shop"


def test_everything_comes_back(folder: Path) -> None:
    stored = read_folder(folder)
    assert stored.series.labels.to_dict("list") == {
        "__name__": ["up", "up"],
        "a": ["", "ünï \n\"'"],
        "sid": ["x", "y"],
    }
    assert stored.series.sid.tolist() == [0, 0, 0, 1]
    assert stored.series.time.astype(np.int64).tolist() == [1000, 2001, 3000, 1500]
    assert stored.series.value.view(np.uint64)[2] == 0x7FF0000000000002, "a stale marker stays one"
    assert stored.manifest["samples"] == 4
    assert Recording.open(folder).name == "shop"


def test_the_same_recording_has_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "again", read_folder(folder))
    for name in ("series.parquet", "samples.parquet", "manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def damage(folder: Path, how: str) -> None:
    samples, manifest = folder / "samples.parquet", folder / "manifest.json"
    if how == "truncated":
        samples.write_bytes(samples.read_bytes()[:-20])
    elif how == "flipped":
        body = bytearray(samples.read_bytes())
        body[40] ^= 1
        samples.write_bytes(bytes(body))
    elif how == "missing":
        (folder / "series.parquet").unlink()
    elif how == "no manifest":
        manifest.unlink()
    elif how == "no JSON":
        manifest.write_text("{")
    elif how == "a list":
        manifest.write_text("[1]")
    elif how == "newer":
        manifest.write_text(manifest.read_text().replace("recording/1", "recording/9"))
    elif how == "no files":
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "files": {}}))
    elif how == "exchanged":
        other = folder / "series.parquet"
        first, second = samples.read_bytes(), other.read_bytes()
        samples.write_bytes(second)
        other.write_bytes(first)
        files = json.loads(manifest.read_text())
        names = files["files"]
        names["series.parquet"], names["samples.parquet"] = names["samples.parquet"], names["series.parquet"]
        manifest.write_text(json.dumps(files))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("truncated", r"samples\.parquet is damaged: it has [\d,]+ of [\d,]+ bytes; fetch the recording again"),
        ("flipped", "checksum differs"),
        ("missing", r"series\.parquet is missing"),
        ("no manifest", r"is not a recording: it has no manifest\.json"),
        ("no JSON", "is not JSON"),
        ("a list", "reads 'meshlab.recording/1'"),
        ("newer", "'meshlab.recording/9'"),
        ("no files", r"missing required field `series\.parquet`"),
        ("exchanged", "not have the columns of a recording"),
    ],
)
def test_damage_is_named(folder: Path, how: str, says: str) -> None:
    damage(folder, how)
    with pytest.raises(RecordingError, match=says):
        read_folder(folder)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no recording"):
        read_folder(tmp_path / "nowhere")


def test_a_failure_leaves_the_old_folder_and_nothing_else(folder: Path) -> None:
    before = sorted(p.name for p in folder.parent.iterdir()), (folder / "manifest.json").read_bytes()

    def fill() -> None:
        with atomic_folder(folder) as beside:
            (beside / "half").write_text("written")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk"):
        fill()
    assert (sorted(p.name for p in folder.parent.iterdir()), (folder / "manifest.json").read_bytes()) == before


def replace_file(folder: Path, name: str, body: bytes, **counts: object) -> None:
    """Exchange a file and make the manifest agree, as somebody who means harm would."""
    (folder / name).write_bytes(body)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    path.write_text(json.dumps({**manifest, **counts}))


def table(folder: Path, name: str, columns: dict[str, pa.Array]) -> None:
    """Exchange a file for a table."""
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), sink)
    rows = len(next(iter(columns.values())))
    replace_file(folder, name, sink.getvalue().to_pybytes(), **{name.removesuffix(".parquet"): rows})


def samples(
    sid: list[int | None], time: list[int], kind: pa.DataType | None = None, value: object = None
) -> dict[str, pa.Array]:
    return {
        "sid": pa.array(sid, pa.int32()),
        "time": pa.array(time, pa.int64()).cast(kind or pa.timestamp("ms", "UTC")),
        "value": value if isinstance(value, pa.Array) else pa.array([1.0] * len(sid)),
    }


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (samples([0, 2], [1, 2]), "has samples of series that series.parquet lacks"),
        (samples([-1, 0], [1, 2]), "has samples of series that series.parquet lacks"),
        (samples([1, 0], [1, 2]), "is not sorted by series and time"),
        (samples([0, 0], [2, 1]), "is not sorted by series and time"),
        (samples([0, 0], [1, 1]), "is not sorted by series and time"),
        (samples([0, None], [1, 2]), "has gaps in its columns"),
        (samples([0], [1], pa.timestamp("ms")), "not have the columns of a recording"),
        (samples([0], [1], value=pa.array(["x"])), "not have the columns of a recording"),
        ({"sid": pa.array([0], pa.int32())}, "not have the columns of a recording"),
    ],
)
def test_samples_that_are_none_are_refused(folder: Path, columns: dict[str, pa.Array], says: str) -> None:
    table(folder, "samples.parquet", columns)
    with pytest.raises(RecordingError, match=says):
        read_folder(folder)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"sid": pa.array([0, 2], pa.int32())}, "does not number its series from 0"),
        ({"sid": pa.array([0, 1], pa.int32()), "a": pa.array(["x", "y"])}, "not have the columns of a recording"),
        (
            {"sid": pa.array([0, 1], pa.int32()), "label_a": pa.array([1, 2])},
            "not have the columns of a recording",
        ),
    ],
)
def test_series_that_are_none_are_refused(folder: Path, columns: dict[str, pa.Array], says: str) -> None:
    table(folder, "series.parquet", columns)
    with pytest.raises(RecordingError, match=says):
        read_folder(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"series": 3}, "has 2 rows and the manifest counts 3"),
        ({"samples": 2.0}, r"`\$\.samples`"),
        ({"samples": True}, r"`\$\.samples`"),
        ({"samples": -1}, r"`\$\.samples`"),
        ({"samples": float("inf")}, "is not JSON"),
        ({"files": []}, r"`\$\.files`"),
        ({"ranges": "open"}, r"`\$\.ranges`"),
        ({"window": {"start": "2026-01-01T00:00:00Z"}}, "window"),
        ({"window": {"start": "2026-01-01T00:00:00", "end": "2026-01-02T00:00:00"}}, "window"),
        ({"window": {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}}, "window"),
        ({"format": ["x" * 1000]}, "has the format .{1,80} and this version reads"),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(folder: Path, change: dict[str, object], says: str) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RecordingError, match=says):
        read_folder(folder)


@pytest.mark.parametrize("text", ["[" * 200_000, "\x00", "", "\ud800"])
def test_a_manifest_that_is_no_text_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RecordingError, match=r"manifest\.json is damaged: it is not JSON"):
        read_folder(folder)


def test_nothing_leads_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../../secret"] = {"bytes": 1, "sha256": ""}
    path.write_text(json.dumps(manifest))
    assert len(read_folder(folder).series) == 2, "names in a manifest are not followed"
    (folder / "samples.parquet").rename(tmp_path / "elsewhere")
    (folder / "samples.parquet").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordingError, match="leads out of the recording's folder"):
        read_folder(folder)
    os.rename(folder, tmp_path / "real")
    (tmp_path / "real" / "samples.parquet").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "real" / "samples.parquet")
    folder.symlink_to(tmp_path / "real")
    assert len(read_folder(folder).series) == 2, "a link to a whole recording is one"


@given(at=st.integers(0, 5_000), bit=st.integers(0, 7), verify=st.booleans())
@settings(derandomize=True, deadline=None, max_examples=150)
def test_no_flipped_bit_is_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int, verify: bool
) -> None:
    folder = tmp_path_factory.mktemp("flip") / "r"
    labels = pd.DataFrame({"a": ["x", "y"]}, dtype="str")
    times = np.array([1, 2], "datetime64[ms]")
    write_folder(folder, Stored(SeriesSet(labels, np.array([0, 1], np.int32), times, np.array([1.0, 2.0])), {}))
    path = folder / "samples.parquet"
    body = bytearray(path.read_bytes())
    body[at % len(body)] ^= 1 << bit
    path.write_bytes(body)
    if verify:
        with pytest.raises(RecordingError, match="checksum differs"):
            read_folder(folder)
        return
    try:
        read_folder(folder, verify=False)
    except RecordingError:
        pass


def test_a_disk_that_fails_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p: p.read_bytes() for p in folder.iterdir()}
    stored = read_folder(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_text", full)
    for target in (folder, folder.parent / "new"):
        with pytest.raises(RecordingError, match="cannot be written: No space left on device; choose another folder"):
            write_folder(target, stored)
    assert {p: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == ["shop"]


def test_truth_that_is_no_json_is_refused(folder: Path) -> None:
    stored = read_folder(folder)
    for truth in (float("nan"), {1, 2}):
        with pytest.raises(ParameterError, match="the manifest cannot be written as JSON"):
            write_folder(folder, Stored(stored.series, {"truth": truth}))
    assert read_manifest(folder)["what"] == "a test"


def test_only_a_recording_is_ever_replaced(folder: Path, tmp_path: Path) -> None:
    stored = read_folder(folder)
    (tmp_path / "empty").mkdir()
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "manifest.json").write_text('{"name": "a web page"}')
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("text")
    for name in ("app", "home", "file"):
        with pytest.raises(ParameterError, match="exists and is not a recording"):
            write_folder(tmp_path / name, stored)
    (folder / "notes.md").write_text("mine")
    with pytest.raises(ParameterError, match=r"is not a recording \(notes\.md\)"):
        check_target(folder)
    assert (tmp_path / "home" / "thesis.txt").read_text() == "years of work"
    write_folder(tmp_path / "empty", stored)
    assert len(read_folder(tmp_path / "empty").series) == 2


def test_it_is_written_where_one_stands(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_folder(Path("."), read_folder(folder))
    assert read_manifest(tmp_path / "here")["samples"] == 4


@pytest.mark.parametrize("series", [0, 1])
def test_a_recording_may_hold_nothing(tmp_path: Path, series: int) -> None:
    labels = pd.DataFrame(index=pd.RangeIndex(series))
    nothing = SeriesSet(labels, np.empty(0, np.int32), np.empty(0, "datetime64[ms]"), np.empty(0))
    write_folder(tmp_path / "r", Stored(nothing, {}))
    found = read_folder(tmp_path / "r").series
    assert (len(found), len(found.sid), found.time.dtype) == (series, 0, np.dtype("datetime64[ms]"))


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50), st.integers(-(2**40), 2**42))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_every_bit_of_every_value_comes_back(
    tmp_path_factory: pytest.TempPathFactory, bits: list[int], start: int
) -> None:
    value = np.array(bits, np.uint64).view(np.float64)
    time = (start + np.arange(len(bits)) * 15_000).astype("datetime64[ms]")
    labels = pd.DataFrame({"a": ["x"]}, dtype="str")
    folder = tmp_path_factory.mktemp("bits") / "r"
    write_folder(folder, Stored(SeriesSet(labels, np.zeros(len(bits), np.int32), time, value), {}))
    found = read_folder(folder).series
    assert found.value.tobytes() == value.tobytes()
    assert found.time.tolist() == time.tolist()
