"""A recording as an engine: opened from a folder or built in memory."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from stored import Stored, write_folder

from meshlab.core.series import SeriesSet
from meshlab.core.window import Window
from meshlab.engines.base import Engine
from meshlab.errors import BadQuery, ParameterError, RecordingError
from meshlab.recordings.engine import Recording

START = 1_769_860_800
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
WINDOW = Window(START * 1000, (START + 60) * 1000, 15_000)
ROWS = [
    ({"__name__": "up", "pod": "b", "zone": ""}, [START, START + 15, START + 30], [1.0, 2.0, STALE]),
    ({"__name__": "up", "pod": "a"}, [START + 0.25, START + 45], [3.0, float("nan")]),
    ({"__name__": "down", "tier": "gold"}, [START - 200, START - 100], [5.0, 6.0]),
]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(START + seconds, UTC)


@pytest.fixture
def memory() -> Recording:
    return Recording.from_series(ROWS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    time = np.array([START - 30, START, START + 30, START], "datetime64[s]").astype("datetime64[ms]")
    labels = Recording.from_series([({"__name__": "up", "pod": p}, [], []) for p in "ab"]).series("up", WINDOW).labels
    assert len(labels) == 0, "no samples, no series"
    labels = Recording.from_series([({"__name__": "up", "pod": p}, [START], [1]) for p in "ab"]).query("up").labels
    series = SeriesSet(labels, np.array([0, 0, 0, 1], np.int32), time, np.array([1.0, 2.0, STALE, 4.0]))
    manifest: dict[str, object] = {
        "what": "a test",
        "window": {"start": at(0).isoformat(), "end": at(60).isoformat()},
        "ranges": "left-open",
        "truth": {"canary": "bad"},
    }
    write_folder(tmp_path / "evidence", Stored(series, manifest))
    return tmp_path / "evidence"


def test_it_is_an_engine(memory: Recording) -> None:
    assert isinstance(memory, Engine)
    assert (memory.description, memory.is_live, memory.left_open) == ("recording memory", False, False)


def test_opened_from_a_folder(folder: Path) -> None:
    found = Recording.open(folder)
    assert (found.name, found.description, found.left_open) == ("evidence", "recording evidence", True)
    assert found.manifest["truth"] == {"canary": "bad"}
    with pytest.raises(TypeError):
        found.manifest["truth"] = {}  # type: ignore[index]
    assert found.span() == (at(0), at(60))
    assert found.now() == at(60)
    assert found.query("up", at(29)).labels["pod"].tolist() == ["a", "b"]
    assert found.query("up").labels["pod"].tolist() == ["b"], "the marker came back from the disk"
    assert found.query("count_over_time(up[30s])", at(0)).value.tolist() == [1, 1], "without the sample at its start"


def test_a_folder_with_an_unreadable_window_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["window"] = {"start": "yesterday", "end": "today"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RecordingError, match="window"):
        Recording.open(folder)
    with pytest.raises(RecordingError, match="window"):
        Recording(SeriesSet.empty(Recording.from_series([]).query("up").query), manifest, "x").now()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no recording"):
        Recording.open(tmp_path / "nothing")


def test_in_memory_the_span_is_that_of_the_samples(memory: Recording) -> None:
    assert memory.span() == (at(-200), at(45))
    assert memory.now() == at(45)
    assert Recording.from_series([]).span() is None


def test_an_instant_answer(memory: Recording) -> None:
    found = memory.query("up", at(20))
    assert found.labels.to_dict("list") == {"__name__": ["up", "up"], "pod": ["a", "b"]}
    assert found.value.tolist() == [3, 2]
    assert found.time.tolist() == [at(20).replace(tzinfo=None)] * 2
    query = found.query
    assert (query.at_ms, query.window, query.result_type) == ((START + 20) * 1000, None, "vector")
    assert (query.points_expected, query.points_got, query.complete) == (2, 2, True)


def test_an_instant_defaults_to_the_end(memory: Recording) -> None:
    assert memory.query("time()").value.tolist() == [START + 45]
    assert memory.query("time()").query.result_type == "scalar"


def test_an_instant_has_a_time_zone(memory: Recording) -> None:
    with pytest.raises(ParameterError, match="time zone"):
        memory.query("up", datetime(2026, 1, 31, 12, 0))


def test_a_range_answer_has_no_row_where_there_is_no_point(memory: Recording) -> None:
    found = memory.query_range("up", WINDOW)
    assert found.sid.tolist() == [0, 0, 0, 0, 1, 1]
    assert ((found.time.astype(np.int64) - WINDOW.start_ms) // 1000).tolist() == [15, 30, 45, 60, 0, 15]
    assert found.value[:2].tolist() == [3, 3]
    assert np.isnan(found.value[2:4]).all(), "NaN is a value"
    query = found.query
    assert (query.window, query.at_ms, query.result_type) == (WINDOW, None, "matrix")
    assert (query.points_expected, query.points_got) == (10, 6)
    frame = found.tidy()
    assert frame.columns.tolist() == ["__name__", "pod", "time", "value"]


def test_a_scalar_has_one_series_without_labels(memory: Recording) -> None:
    found = memory.query_range("1 + 1", WINDOW)
    assert found.labels.shape == (1, 0)
    assert found.value.tolist() == [2] * 5


def test_a_range_vector_answers_with_its_samples(memory: Recording) -> None:
    found = memory.query("up[1m]", at(45))
    assert found.query.result_type == "matrix"
    assert found.labels["pod"].tolist() == ["a", "b"]
    assert found.sid.tolist() == [0, 0, 1, 1]
    assert found.time[0].astype(np.int64) == START * 1000 + 250


def test_samples_after_the_start_until_the_end(memory: Recording) -> None:
    found = memory.samples('up{pod="b"}', WINDOW)
    assert found.value.tolist() == [2], "neither the sample at the start nor the marker"
    assert found.query.result_type == "samples"
    assert memory.samples("up", WINDOW).value[0] == 3
    assert len(memory.samples("nothing", WINDOW)) == 0


def test_series_with_data_in_the_window_or_the_look_back(memory: Recording) -> None:
    found = memory.series('{__name__=~".+"}', WINDOW)
    assert found.labels["__name__"].tolist() == ["down", "up", "up"]
    assert (len(found.sid), found.query.result_type) == (0, "series")
    later = Window((START + 330) * 1000, (START + 600) * 1000, 30_000)
    assert memory.series('{__name__=~".+"}', later).labels.to_dict("list") == {"__name__": ["up"], "pod": ["a"]}


@pytest.mark.parametrize("query", ["", "   ", "sum(", '"text"', "up[5m", "{}", '{pod=~".*"}'])
def test_what_is_no_query(memory: Recording, query: str) -> None:
    with pytest.raises(BadQuery):
        memory.query(query)


def test_questions_change_nothing(memory: Recording) -> None:
    before = memory.query_range("up", WINDOW).value.copy()
    for query in ("rate(up[1m])", "-up", 'label_replace(up, "pod", "x", "zone", "x")', "up * 2", "topk(1, up)"):
        memory.query_range(query, WINDOW)
    assert np.array_equal(memory.query_range("up", WINDOW).value, before, equal_nan=True)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([({"a": "1"}, [1, 2], [1])], r"the series \{'a': '1'\} has 2 times and 1 values"),
        ([({"a": "1"}, [[1, 2]], [[1, 2]])], "has 2 times and 2 values"),
        ([({"a": "1"}, [2, 1], [1, 2])], "do not ascend, or two share a millisecond; sort the samples by time"),
        ([({"a": "1"}, [1, 1], [1, 2])], "do not ascend"),
        ([({"a": "1"}, [1.0001, 1.0002], [1, 2])], "two share a millisecond"),
        ([({"a": "1"}, [1, float("nan")], [1, 2])], "a time that is not a number"),
        ([({"a": "1"}, [float("inf")], [1])], "a time that is not a number"),
        ([({"a": "1"}, [1], [1]), ({"a": "1"}, [2], [2])], "two series have the same labels"),
        ([({"a": "1"}, [1], [1]), ({"a": "1", "b": ""}, [2], [2])], "two series have the same labels"),
        ([({}, [1], [1]), ({}, [2], [2])], "two series have the same labels"),
    ],
)
def test_series_that_make_no_sense_are_refused(rows: list, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        Recording.from_series(rows)
