"""TSDB blocks: read through a local Prometheus, and untouched by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from real_prometheus import serving
from stored import read_folder

import meshlab
from meshlab.errors import ParameterError, RecordingError

T = 1_795_440_000


@pytest.fixture
def block(tmp_path: Path) -> Path:
    folder = tmp_path / "store" / "01M8SAQGS6R29WPRKG5YBMDFW6"
    (folder / "chunks").mkdir(parents=True)
    (folder / "meta.json").write_text('{"minTime": 1795440000000, "maxTime": 1795440015001}')
    return folder


def test_without_a_prometheus_it_is_said_what_is_missing(
    block: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for path in (block, block.parent):
        with pytest.raises(ParameterError, match="local prometheus"):
            meshlab.import_file(path, tmp_path / "out")
    with pytest.raises(ParameterError, match="named twice"):
        meshlab.import_file([block, block.parent], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_options_of_files_mean_nothing_for_blocks(block: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="means nothing"):
        meshlab.import_file(block, tmp_path / "out", at=T)


@pytest.mark.live
def test_blocks_are_recorded_whole_and_stay_as_they_are(tmp_path: Path) -> None:
    at = T + 15 * np.arange(1000) + 0.007
    series = [({"__name__": "up", "job": job}, at, np.arange(1000)) for job in "ab"]
    with serving(tmp_path / "made", _text(series)):
        pass
    store = tmp_path / "store"
    store.mkdir()
    for path in (tmp_path / "made" / "store").iterdir():
        if (path / "meta.json").is_file():
            shutil.copytree(path, store / path.name)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    found = read_folder(meshlab.import_file(store, tmp_path / "out"))
    assert (len(found.series), len(found.series.sid)) == (2, 2000)
    assert found.series.time.astype(np.int64)[[0, -1]].tolist() == [T * 1000 + 7, T * 1000 + 999 * 15_000 + 7]
    assert str(found.manifest["engine"]).startswith("Prometheus ")
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "out", "store"]


@pytest.mark.live
def test_damaged_blocks_are_refused(block: Path, tmp_path: Path) -> None:
    with pytest.raises((ParameterError, RecordingError)):
        meshlab.import_file(block, tmp_path / "out")
    (block / "meta.json").write_text('{"minTime": 17')
    with pytest.raises(ParameterError, match="damaged"):
        meshlab.import_file(block, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def _text(series: list[tuple[dict[str, str], np.ndarray, np.ndarray]]) -> str:
    from real_prometheus import openmetrics

    return openmetrics(series)
