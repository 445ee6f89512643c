"""From an engine to a folder: whole, once, and the same bytes each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from stored import read_folder

from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Span, Window
from meshlab.engines.base import LOOKBACK_MS
from meshlab.errors import Incomplete, ParameterError, Unreachable
from meshlab.promql.rules import Rules
from meshlab.recordings.engine import Recording
from meshlab.recordings.manifest import read_manifest
from meshlab.recordings.recorder import record

START = 1_769_860_800
EVERY = 15
WINDOW = Window((START + 600) * 1000, (START + 1200) * 1000, EVERY * 1000)


def memory() -> Recording:
    at = START + EVERY * np.arange(100)
    return Recording.from_series(
        [
            ({"__name__": "up", "job": "a"}, at, np.arange(100)),
            ({"__name__": "up", "job": "b"}, at, 1000 + np.arange(100)),
            ({"__name__": "down", "cause": 'x"\n'}, at[:50], np.full(50, np.nan)),
        ]
    )


class Server:
    """A live store: the samples of a recording, and what else a server may say."""

    description = "Prometheus 2.42.0 at http://prometheus.internal:9090"
    is_live = True
    left_open = True

    def __init__(self, *, failed: tuple[str, ...] = (), warnings: tuple[str, ...] = ()) -> None:
        self.store = memory()
        self.said = {"failed": failed, "warnings": warnings}

    def samples(self, selector: str, window: Span) -> SeriesSet:
        found = self.store.samples(selector, window)
        return found.with_query(replace(found.query, **self.said))

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        return SeriesSet.empty(Query(promql, self.description))

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        return SeriesSet.empty(Query(promql, self.description))

    def series(self, selector: str, window: Span) -> SeriesSet:
        return SeriesSet.empty(Query(selector, self.description))

    def span(self) -> None:
        return None

    def now(self) -> datetime:
        return datetime.fromtimestamp(START + 1500, UTC) + timedelta(milliseconds=250)


def test_it_holds_what_the_engine_gave(tmp_path: Path) -> None:
    out = record(Server(), ["up", "down"], WINDOW, tmp_path / "shop", what="a test", truth={"share": 0.05})
    assert out == tmp_path / "shop"
    stored = read_folder(out)
    lead = Window(WINDOW.start_ms - LOOKBACK_MS, WINDOW.end_ms, WINDOW.step_ms)
    for selector in ("up", "down"):
        wanted = memory().samples(selector, lead)
        rows = np.flatnonzero(stored.series.labels["__name__"] == selector)
        own = np.isin(stored.series.sid, rows)
        assert len(rows) == len(wanted)
        assert stored.series.value[own].tobytes() == wanted.value.tobytes()
        assert (stored.series.time[own] == wanted.time).all()
    assert stored.manifest | {"files": None} == {
        "format": "meshlab.recording/1",
        "name": "shop",
        "what": "a test",
        "recorded": "2026-01-31T12:25:00+00:00",
        "window": {"start": "2026-01-31T12:10:00+00:00", "end": "2026-01-31T12:20:00+00:00"},
        "engine": "Prometheus 2.42.0",
        "ranges": "left-open",
        "command": "",
        "selectors": ["up", "down"],
        "series": 3,
        "samples": len(stored.series.sid),
        "truth": {"share": 0.05},
        "files": None,
    }
    assert "internal" not in (out / "manifest.json").read_text(), "a recording travels, the address does not"


def test_series_of_two_selectors_are_recorded_once(tmp_path: Path) -> None:
    one = record(Server(), ["up"], WINDOW, tmp_path / "one", what="")
    two = record(Server(), ["up", 'up{job="a"}', "up"], WINDOW, tmp_path / "two", what="")
    for name in ("series.parquet", "samples.parquet"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    folders = [record(Server(), ["up", "down"], WINDOW, tmp_path / at / "shop", what="") for at in "ab"]
    first, second = ({p.name: p.read_bytes() for p in sorted(folder.iterdir())} for folder in folders)
    assert first == second


def test_a_selector_without_data_is_no_error_while_another_has_some(tmp_path: Path) -> None:
    out = record(Server(), ["nothing", "up"], WINDOW, tmp_path / "shop", what="")
    assert read_manifest(out)["selectors"] == ["nothing", "up"]
    assert list(read_folder(out).series.labels["job"]) == ["a", "b"]


def test_what_the_engine_warned_of_travels_along(tmp_path: Path) -> None:
    out = record(Server(warnings=("store-2 is down",)), ["up"], WINDOW, tmp_path / "shop", what="")
    assert read_manifest(out)["warnings"] == ["store-2 is down"]


def test_nothing_there_names_selectors_and_window(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"no series that match nope, nada in 2026-01-31T12:10:00Z to .*12:20:00Z"):
        record(Server(), ["nope", "nada"], WINDOW, tmp_path / "shop", what="")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("selectors", [[], "up"])
def test_selectors_are_a_list(tmp_path: Path, selectors: list[str]) -> None:
    with pytest.raises(ParameterError, match="no selectors"):
        record(Server(), selectors, WINDOW, tmp_path / "shop", what="")


def test_a_part_that_is_missing_stops_it(tmp_path: Path) -> None:
    server = Server(failed=("the native histograms of h{} were not read",))
    with pytest.raises(Incomplete, match=r"returned a partial result: the native histograms of h\{\} were not read;"):
        record(server, ["up", "down"], WINDOW, tmp_path / "shop", what="")
    assert list(tmp_path.iterdir()) == []


def test_what_else_stands_there_is_noticed_before_the_engine_is_asked(tmp_path: Path) -> None:
    class Silent(Server):
        def samples(self, selector: str, window: Span) -> SeriesSet:
            raise Unreachable("nothing answers", "")

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    with pytest.raises(ParameterError, match=r"is not a recording \(thesis\.txt\)"):
        record(Silent(), ["up"], WINDOW, tmp_path / "home", what="")


def test_a_broken_recording_leaves_the_old_one(tmp_path: Path) -> None:
    out = record(Server(), ["up"], WINDOW, tmp_path / "shop", what="first")
    with pytest.raises(ParameterError, match="cannot be written as JSON"):
        record(Server(), ["up"], WINDOW, out, what="second", truth={"x": float("nan")})
    assert read_manifest(out)["what"] == "first"
    record(Server(), ["down"], WINDOW, out, what="third")
    assert read_manifest(out)["what"] == "third"
    assert [p.name for p in tmp_path.iterdir()] == ["shop"]


@pytest.mark.parametrize(
    ("left_open", "delayed", "names"), [(True, False, "at once"), (True, None, None), (False, False, None)]
)
def test_it_knows_when_its_engine_dropped_names(
    tmp_path: Path, left_open: bool, delayed: bool | None, names: str | None
) -> None:
    server = Server()
    server.left_open, server.delayed_names = left_open, delayed
    out = record(server, ["up"], WINDOW, tmp_path / "shop", what="a test")
    assert read_manifest(out).get("names") == names
    found = Recording.open(out)
    assert found.rules == Rules(left_open, (2, 42), delayed if names else None)
