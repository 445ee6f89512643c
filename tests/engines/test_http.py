"""What the engine asks a server, and what it makes of the answers; no server needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import numpy as np
import pytest

from meshlab.core.window import Window
from meshlab.engines.base import Engine
from meshlab.engines.http import PrometheusEngine
from meshlab.engines.transport import Transport
from meshlab.errors import ParameterError, Refused, Unreachable

HOUR = 3_600_000
Reply = Callable[[str, Mapping[str, str]], object]
Asked = list[tuple[str, Mapping[str, str]]]
BUILD = {"version": "2.42.0+ds", "revision": "abc"}


def matrix(*series: tuple[dict[str, str], list[list[object]]]) -> dict[str, object]:
    return {"resultType": "matrix", "result": [{"metric": m, "values": v} for m, v in series]}


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[[Reply], tuple[PrometheusEngine, Asked]]:
    """An engine whose questions are answered here, and the list of them."""

    def start(reply: Reply) -> tuple[PrometheusEngine, Asked]:
        asked: Asked = []

        def answer(self: Transport, path: str, form: Mapping[str, str], **_: object) -> bytes:
            asked.append((path, form))
            if path.endswith("buildinfo"):
                return json.dumps({"status": "success", "data": BUILD}).encode()
            return json.dumps({"status": "success", "data": reply(path, form)}).encode()

        monkeypatch.setattr(Transport, "ask", answer)
        return PrometheusEngine("http://prometheus:9090/"), asked

    return start


Ask = Callable[[Reply], tuple[PrometheusEngine, Asked]]


def test_it_is_an_engine_that_asks_nothing_before_the_first_question(ask: Ask) -> None:
    engine, asked = ask(lambda *_: {"resultType": "scalar", "result": [7, "42"]})
    assert engine.description == "Prometheus API at http://prometheus:9090"
    assert engine.is_live
    assert engine.span() is None
    assert asked == []
    assert engine.now() == datetime.fromtimestamp(42, UTC)
    assert engine.description == "Prometheus 2.42.0 at http://prometheus:9090"
    assert [path for path, _ in asked] == ["/api/v1/status/buildinfo", "/api/v1/query"]
    engine.now()
    assert len(asked) == 3, "the time is asked for anew, the version is not"
    # Last, because Python 3.11 looks at a protocol's properties by asking for them.
    assert isinstance(engine, Engine)


def test_the_instant_of_a_query(ask: Ask) -> None:
    engine, asked = ask(lambda *_: {"resultType": "vector", "result": [{"metric": {}, "value": [7.5, "1"]}]})
    assert engine.query("up").query.at_ms == 7500, "the server's present, as it says"
    found = engine.query("up", datetime.fromtimestamp(1769860800.25, UTC))
    assert asked[-1][1] == {"query": "up", "time": "1769860800.250"}
    assert found.query.at_ms == 1769860800250
    with pytest.raises(ParameterError, match="has no time zone"):
        engine.query("up", datetime(2026, 1, 1))


@pytest.mark.parametrize("points", [2, 11_000, 11_001, 22_000, 30_000])
def test_a_range_is_cut_on_its_grid_without_a_shared_point(ask: Ask, points: int) -> None:
    def reply(_: str, form: Mapping[str, str]) -> object:
        start, end, step = (round(float(form[k]) * 1000) for k in ("start", "end", "step"))
        assert (end - start) / step <= 11_000, "what Prometheus allows"
        return matrix(({"a": "x"}, [[t / 1000, str(t)] for t in range(start, end + 1, step)]))

    engine, _ = ask(reply)
    window = Window(0, (points - 1) * 15_000, 15_000)
    found = engine.query_range("m", window)
    assert found.time.tolist() == window.grid().tolist()
    assert found.value.tolist() == window.grid().astype(np.int64).tolist()
    assert found.query.points_expected == found.query.points_got == points
    assert found.query.promql == "m"
    assert found.query.engine.startswith("Prometheus 2.42.0")


@pytest.mark.parametrize("left_open", [False, True])
@pytest.mark.parametrize("hours", [1, 6, 13])
def test_samples_belong_to_one_piece_whatever_the_server_does_at_edges(ask: Ask, left_open: bool, hours: int) -> None:
    every = HOUR // 2

    def reply(_: str, form: Mapping[str, str]) -> object:
        assert form["query"].startswith("m[")
        end, length = round(float(form["time"]) * 1000), int(form["query"][2:-2]) * HOUR
        first = end - length + (every if left_open else 0)
        return matrix(({"a": "x"}, [[t / 1000, str(t)] for t in range(first, end + 1, every)]))

    engine, _ = ask(reply)
    window = Window(24 * HOUR, (24 + hours) * HOUR, HOUR)
    found = engine.samples("m", window)
    wanted = list(range(24 * HOUR + every, (24 + hours) * HOUR + 1, every))
    assert found.value.tolist() == wanted
    assert found.time.astype(np.int64).tolist() == wanted
    assert (found.query.promql, found.query.window, found.query.result_type) == ("m", window, "samples")
    assert found.query.points_expected == found.query.points_got == len(wanted)


def test_a_series_with_nothing_but_the_window_s_start_is_not_in_it(ask: Ask) -> None:
    engine, _ = ask(
        lambda *_: matrix(({"a": "x", "b": "y"}, [[0, "1"]]), ({"a": "z"}, [[0, "2"], [15, "3"]]), ({"a": "0"}, []))
    )
    found = engine.samples("m", Window(0, HOUR, HOUR))
    assert found.labels.to_dict("list") == {"a": ["z"]}
    assert (found.sid.tolist(), found.value.tolist()) == ([0], [3])


@pytest.mark.parametrize(("counted", "left_open"), [("3", False), ("2", True), ("7", False)])
def test_the_convention_of_ranges_is_found_by_asking(ask: Ask, counted: str, left_open: bool) -> None:
    engine, asked = ask(lambda *_: {"resultType": "vector", "result": [{"metric": {}, "value": [1, counted]}]})
    assert engine.left_open is left_open
    assert engine.left_open is left_open
    assert len(asked) == 2


def test_a_store_that_cannot_say_counts_as_prometheus_2(ask: Ask) -> None:
    assert ask(lambda *_: {"resultType": "vector", "result": []})[0].left_open is False
    assert ask(lambda *_: {"resultType": "odd", "result": []})[0].left_open is False


def test_a_silent_store_says_nothing_about_its_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> bytes:
        raise Unreachable("nothing answers", "")

    monkeypatch.setattr(Transport, "ask", silent)
    with pytest.raises(Unreachable):
        assert PrometheusEngine("http://prometheus:9090").left_open


def test_series_are_asked_for_with_the_window(ask: Ask) -> None:
    engine, asked = ask(lambda *_: [{"a": "y"}, {"a": "x"}])
    found = engine.series('m{a!=""}', Window(0, HOUR, HOUR))
    assert found.labels["a"].tolist() == ["x", "y"]
    assert asked[-1] == ("/api/v1/series", {"match[]": 'm{a!=""}', "start": "0.000", "end": "3600.000"})


def test_a_store_without_time_is_refused(ask: Ask) -> None:
    engine, _ = ask(lambda *_: {"resultType": "vector", "result": []})
    with pytest.raises(Refused, match="did not report its time"):
        engine.now()


@pytest.mark.parametrize(
    ("promql", "kept"),
    [
        ("sort_desc(up)", True),
        ("  ( topk by (job) (3, up))", True),
        ("BOTTOMK(2, up)", True),
        ('sort_by_label(up, "job")', True),
        ("up", False),
        ("sum by (job) (topk(3, up))", False),
        ("sum(sort(up))", False),
        ("sorted_total", False),
        ("topk_hits > 1", False),
    ],
)
def test_an_instant_answer_keeps_the_order_that_was_asked_for(ask: Ask, promql: str, kept: bool) -> None:
    series = [{"metric": {"job": job}, "value": [7, str(n)]} for n, job in enumerate("cab")]
    engine, _ = ask(lambda *_: {"resultType": "vector", "result": series})
    found = engine.query(promql, datetime.fromtimestamp(7, UTC))
    assert found.labels["job"].tolist() == list("cab" if kept else "abc")
    assert found.value.tolist() == ([0, 1, 2] if kept else [1, 2, 0])
    assert found.sid.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("flags", "delayed"),
    [
        ({"enable-feature": ""}, False),
        ({"enable-feature": "native-histograms,promql-delayed-name-removal"}, True),
        ({"web.listen-address": ":9090"}, None),
    ],
)
def test_the_switch_of_dropped_names_is_read_where_a_store_tells_it(
    ask: Ask, flags: dict[str, str], delayed: bool | None
) -> None:
    engine, asked = ask(lambda *_: flags)
    assert [engine.delayed_names, engine.delayed_names] == [delayed, delayed]
    assert [path for path, _ in asked] == ["/api/v1/status/flags"]
