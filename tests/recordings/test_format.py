"""A recording is whole or refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from meshlab.errors import RecordingError
from meshlab.files import atomic_folder
from meshlab.recordings.engine import Recording
from meshlab.recordings.format import Stored, read_folder, write_folder
from meshlab.series import SeriesSet

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
        ("no manifest", r"is no recording: it has no manifest\.json"),
        ("no JSON", "it is no JSON"),
        ("a list", "reads 'meshlab.recording/1'"),
        ("newer", "'meshlab.recording/9'"),
        ("no files", r"gives no size and checksum of series\.parquet"),
        ("exchanged", "has not the columns of a recording"),
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
