"""Samples on disk are those in memory, and only what is asked for is read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from stored import Stored, read_folder, write_folder

from meshlab.core.series import SeriesSet
from meshlab.core.window import Window
from meshlab.errors import RecordingError
from meshlab.promql.sample_store import OnDisk, Resident
from meshlab.recordings.engine import Recording
from meshlab.recordings.reader import open_folder
from meshlab.recordings.writer import SamplesWriter, writing

START = 1_769_860_800_000


def series(lengths: list[int], seed: int = 0) -> SeriesSet:
    rng = np.random.default_rng(seed)
    labels = pd.DataFrame({"__name__": "up", "pod": [f"p{i:03}" for i in range(len(lengths))]}, dtype="str")
    sid = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    time = np.concatenate([[], *(START + 1000 * np.sort(rng.choice(10_000, n, replace=False)) for n in lengths)])
    return SeriesSet(labels, sid, time.astype(np.int64).astype("datetime64[ms]"), rng.normal(size=len(sid)))


def written(folder: Path, found: SeriesSet, monkeypatch: pytest.MonkeyPatch, row_group: int) -> OnDisk:
    monkeypatch.setattr(SamplesWriter.__init__, "__kwdefaults__", {"row_group": row_group, "level": 1})
    window = {"start": "2026-01-31T12:00:00Z", "end": "2026-01-31T15:00:00Z"}
    write_folder(folder, Stored(found, {"window": window}))
    shelf, _ = open_folder(folder, resident=-1)
    assert isinstance(shelf, OnDisk)
    return shelf


@given(
    st.lists(st.integers(0, 40), max_size=12),
    st.integers(1, 50),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
@settings(derandomize=True, deadline=None, max_examples=120)
def test_any_series_come_from_the_disk_as_from_memory(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], row_group: int, wanted: list[bool]
) -> None:
    found = series(lengths)
    rows = np.flatnonzero(wanted[: len(lengths)])
    with pytest.MonkeyPatch.context() as patch:
        shelf = written(tmp_path_factory.mktemp("shelf") / "r", found, patch, row_group)
    memory = Resident(found)
    assert (shelf.edges == memory.edges).all()
    for _ in range(2):
        for one, two in zip(shelf.take(rows), memory.take(rows), strict=True):
            assert one.dtype == two.dtype
            assert one.tobytes() == two.tobytes()


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(1, 40), st.lists(st.integers(0, 200), max_size=8)
)
@settings(derandomize=True, deadline=None, max_examples=120)
def test_how_samples_are_handed_over_does_not_change_a_byte(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], row_group: int, cuts: list[int]
) -> None:
    found, folder = series(lengths), tmp_path_factory.mktemp("writer")
    edges = [0, *sorted(min(cut, len(found.sid)) for cut in cuts), len(found.sid)]
    for name, at in (("whole", [0, len(found.sid)]), ("pieces", edges)):
        with SamplesWriter(folder / name, row_group=row_group) as samples:
            for low, high in pairwise(at):
                samples.append(found.sid[low:high], found.time[low:high], found.value[low:high])
        assert samples.rows == len(found.sid)
    assert (folder / "whole").read_bytes() == (folder / "pieces").read_bytes()
    file = parquet.ParquetFile(folder / "whole")
    before = -1
    for group in range(file.num_row_groups):
        sid = file.read_row_group(group)["sid"].to_numpy()
        assert len(sid) <= row_group
        if sid[0] == before:
            assert lengths[before] > row_group, "only a long series is cut"
        before = int(sid[-1])


def test_a_recording_may_be_written_without_a_sample(tmp_path: Path) -> None:
    with writing(tmp_path / "r", pd.DataFrame({"a": ["x"]}, dtype="str"), {}):
        pass
    assert len(read_folder(tmp_path / "r").series.sid) == 0


def test_only_the_row_groups_of_a_question_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = series([100] * 50)
    shelf = written(tmp_path / "r", found, monkeypatch, 200)
    read: list[int] = []
    file: Any = shelf._file

    class Watched:
        metadata = file.metadata
        num_row_groups = file.num_row_groups

        def read_row_group(self, group: int, columns: list[str]) -> Any:
            read.append(group)
            return file.read_row_group(group, columns=columns)

    shelf._file = Watched()
    recording = Recording(shelf, {}, "r")
    window = Window(START - 60_000, START + 12_000_000, 60_000)
    assert len(recording.samples('up{pod="p007"}', window).sid) == 100
    assert read == [3]
    assert len(recording.samples('up{pod=~"p006|p007|p040"}', window).sid) == 300
    assert read == [3, 20], "the one that was read last is still there"


def test_a_recording_on_disk_answers_as_one_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = series([0, 40, 500, 3, 100, 0, 77])
    shelf = written(tmp_path / "r", found, monkeypatch, 64)
    _, manifest = open_folder(tmp_path / "r")
    disk, memory = Recording(shelf, manifest, "r"), Recording(found, manifest, "r")
    window = Window(START, START + 7_200_000, 60_000)
    for question in ("samples", "series", "query_range"):
        for selector in ("up", 'up{pod="p002"}', 'up{pod!="p002"}', 'up{pod="p000"}', "nothing"):
            one, two = (getattr(recording, question)(selector, window) for recording in (disk, memory))
            pd.testing.assert_frame_equal(one.tidy(), two.tidy())
            assert one.query == two.query
    assert Recording(shelf, {}, "r").span() == Recording(found, {}, "r").span()
    assert read_folder(tmp_path / "r").series.value.tobytes() == found.value.tobytes()


@pytest.mark.parametrize(
    ("sid", "time", "says"),
    [
        ([0, 0, 0, 1], [1, 2, 2, 1], "is not sorted by series and time"),
        ([0, 0, 1, 0], [1, 2, 1, 3], "is not sorted by series and time"),
        ([0, 0, 1, 5], [1, 2, 3, 4], "has samples of series that"),
        ([-1, 0, 1, 1], [1, 2, 3, 4], "has samples of series that"),
    ],
)
def test_disorder_in_a_large_file_is_found_when_it_is_opened(
    tmp_path: Path, sid: list[int], time: list[int], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each sample is a row group of its own: disorder between two is found as well.
    monkeypatch.setattr(SamplesWriter.__init__, "__kwdefaults__", {"row_group": 1, "level": 1})
    labels = pd.DataFrame({"a": ["x", "y"]}, dtype="str")
    with writing(tmp_path / "r", labels, {}) as samples:
        samples.append(np.array(sid, np.int32), np.array(time), np.zeros(4))
    for resident in (0, 100):
        with pytest.raises(RecordingError, match=says):
            open_folder(tmp_path / "r", resident=resident)


@pytest.mark.parametrize("resident", [0, 100])
def test_a_large_file_is_compared_with_its_checksum(tmp_path: Path, resident: int) -> None:
    write_folder(tmp_path / "r", Stored(series([5, 5]), {}))
    path = tmp_path / "r" / "samples.parquet"
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    with pytest.raises(RecordingError, match="its checksum differs"):
        open_folder(tmp_path / "r", resident=resident)


def test_a_recording_that_takes_the_place_of_an_open_one_changes_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from meshlab.recordings import reader as module

    monkeypatch.setattr(module, "_LARGEST_IN_MEMORY", 0)
    shelf = written(tmp_path / "r", series([50, 50]), monkeypatch, 20)
    before = [column.copy() for column in shelf.take(np.array([0]))]
    write_folder(tmp_path / "r", Stored(series([7], seed=1), {}))
    after = shelf.take(np.array([0]))
    assert all(one.tobytes() == two.tobytes() for one, two in zip(before, after, strict=True))
    assert shelf.take(np.array([1]))[0].shape == (50,)
