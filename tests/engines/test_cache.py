"""Answers kept on disk: whole, one's own, and about the past alone."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from limited import connection

from meshlab.config import Limits
from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Window
from meshlab.engines.cache import Cache, identity_of
from meshlab.engines.http import PrometheusEngine
from meshlab.engines.transport import Transport
from meshlab.errors import Refused

STEP = 15_000
NOW_S = 1_769_900_000
HOSTILE = ['a"\\\n,{}', "é💥", "\x00", " "]


def some() -> SeriesSet:
    labels = pd.DataFrame({"__name__": ["m"] * 4, "x": sorted(HOSTILE)}, dtype="str")
    value = np.array([1.5, np.nan, np.inf, -np.inf, 0.1 + 0.2, -0.0])
    time = np.array([0, 15_000, 0, 15_000, 0, 0]).astype("datetime64[ms]")
    query = Query("m", "e", result_type="matrix", infos=("by the way",), points_expected=8, points_got=6)
    return SeriesSet(labels, np.array([0, 0, 1, 1, 2, 3], np.int32), time, value, query)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", ("http://a", "tenant"))
    assert cache.get("range", "m") is None
    cache.put(some(), "range", "m")
    found = cache.get("range", "m")
    assert found is not None
    pd.testing.assert_frame_equal(found.labels, some().labels)
    assert found.value.tobytes() == some().value.tobytes()
    assert found.time.tolist() == some().time.tolist()
    assert found.sid.tolist() == some().sid.tolist()
    assert (found.query.infos, found.query.points_expected, found.query.result_type) == (("by the way",), 8, "matrix")
    empty = SeriesSet.empty(Query("n", "e"))
    cache.put(empty, "range", "n")
    again = cache.get("range", "n")
    assert again is not None
    assert len(again) == 0, "nothing is an answer too"


def test_nobody_gets_another_s_answers(tmp_path: Path) -> None:
    Cache(tmp_path, ("http://a", "t", "", identity_of(("me", "secret")))).put(some(), "q")
    for other in (
        ("http://b", "t", "", identity_of(("me", "secret"))),
        ("http://a", "u", "", identity_of(("me", "secret"))),
        ("http://a", "t", 'c="x"', identity_of(("me", "secret"))),
        ("http://a", "t", "", identity_of(("me", "other"))),
        ("http://at", "", "", identity_of(("me", "secret"))),
    ):
        assert Cache(tmp_path, other).get("q") is None
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert b"secret" not in files[0].read_bytes()
    assert "secret" not in files[0].name


def test_answers_with_a_doubt_are_not_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path, ())
    found = some()
    cache.put(found.with_query(replace(found.query, failed=("a part",))), "q")
    cache.put(found.with_query(replace(found.query, warnings=("a store is missing",))), "q")
    assert cache.get("q") is None


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -9])
def test_a_damaged_file_counts_as_absent(tmp_path: Path, cut: int) -> None:
    cache = Cache(tmp_path, ())
    cache.put(some(), "q")
    path = next(tmp_path.rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:cut])
    assert cache.get("q") is None
    cache.put(some(), "q")
    assert cache.get("q") is not None


def test_no_flipped_bit_is_believed(tmp_path: Path) -> None:
    cache = Cache(tmp_path, ())
    many = SeriesSet(
        some().labels.iloc[:1],
        np.zeros(500, np.int32),
        np.arange(500).astype("datetime64[ms]"),
        np.random.default_rng(1).random(500),
        Query("m", "e"),
    )
    cache.put(many, "q")
    path = next(tmp_path.rglob("*.parquet"))
    whole = path.read_bytes()
    for at in range(60, len(whole) // 2, 97):
        broken = bytearray(whole)
        broken[at] ^= 4
        path.write_bytes(broken)
        found = cache.get("q")
        assert found is None or found.value.tobytes() == many.value.tobytes()


def test_a_folder_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file", ())
    cache.put(some(), "q")
    assert cache.get("q") is None


def test_the_oldest_go_when_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshlab.engines.cache._LARGEST", 6_000)
    monkeypatch.setattr("meshlab.engines.cache._SWEEP_EVERY", 2)
    cache = Cache(tmp_path, ())
    for i in range(9):
        cache.put(some(), str(i))
        for path in tmp_path.rglob("*.parquet"):
            os.utime(path, (path.stat().st_mtime - 10, path.stat().st_mtime - 10))
    assert cache.get("8") is not None
    assert cache.get("0") is None


class Server:
    """A store that counts what it is asked, in place of the transport."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, str]] = []
        self.broken = False

    def __call__(self, transport: Transport, path: str, form: Mapping[str, str], **_: object) -> bytes:
        if path.endswith("buildinfo"):
            return b'{"status":"success","data":{"version":"2.42.0","revision":"a"}}'
        if form.get("query") == "time()":
            data: object = {"resultType": "scalar", "result": [NOW_S, str(NOW_S)]}
            return json.dumps({"status": "success", "data": data}).encode()
        if self.broken:
            raise Refused("no", "")
        self.asked.append(form)
        start, end, step = (round(float(form[k]) * 1000) for k in ("start", "end", "step"))
        values = [[t / 1000, str(t)] for t in range(start, end + 1, step)]
        data = {"resultType": "matrix", "result": [{"metric": {"a": "x"}, "values": values}]}
        return json.dumps({"status": "success", "data": data}).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()
    monkeypatch.setattr(Transport, "ask", lambda transport, path, form, **how: found(transport, path, form, **how))
    return found


def window(until_s: int, points: int = 2_000) -> Window:
    end = until_s * 1000 // STEP * STEP
    return Window(end - (points - 1) * STEP, end, STEP)


def test_the_past_is_asked_for_once(tmp_path: Path, server: Server) -> None:
    engine = PrometheusEngine(connection("http://store:9090", cache=tmp_path))
    first = engine.query_range("m", window(NOW_S - 3_600))
    count = len(server.asked)
    again = PrometheusEngine(connection("http://store:9090", cache=tmp_path)).query_range("m", window(NOW_S - 3_600))
    assert len(server.asked) == count > 1
    assert again.value.tolist() == first.value.tolist()
    assert again.query == first.query
    later = PrometheusEngine(connection("http://store:9090", cache=tmp_path)).query_range("m", window(NOW_S - 3_000))
    assert later.value[-1] == window(NOW_S - 3_000).end_ms
    assert len(server.asked) - count <= 3, "what overlaps is known"
    assert (
        len(
            PrometheusEngine(connection("http://other:9090", cache=tmp_path))
            .query_range("m", window(NOW_S - 3_600))
            .sid
        )
        > 0
    )
    assert len(server.asked) > count + 3


def test_the_last_moments_are_always_asked_for(tmp_path: Path, server: Server) -> None:
    engine = PrometheusEngine(connection("http://store:9090", cache=tmp_path))
    for _ in range(2):
        server.asked.clear()
        engine.query_range("m", window(NOW_S))
        assert max(float(form["end"]) for form in server.asked) == window(NOW_S).end_ms / 1000
    assert len(server.asked) == 1


def test_what_came_before_a_failure_is_kept(tmp_path: Path, server: Server) -> None:
    engine = PrometheusEngine(connection("http://store:9090", cache=tmp_path, limits=Limits(parallel=1, points=100)))
    engine.query_range("m", window(NOW_S - 7_200, 400))
    server.broken = True
    found = engine.query_range("m", window(NOW_S - 3_600, 640))
    assert not found.query.complete
    assert len(found.sid) > 200
    server.broken = False
    assert engine.query_range("m", window(NOW_S - 3_600, 640)).query.complete


def test_confined_questions_are_questions_of_their_own(tmp_path: Path, server: Server) -> None:
    for match in ((), ('c="x"',), ('c="y"',)):
        PrometheusEngine(connection("http://store:9090", cache=tmp_path, match=match)).query_range(
            "m", window(NOW_S - 3_600, 100)
        )
    assert len(server.asked) >= 3
    assert {form["query"] for form in server.asked} == {"m", 'm{c="x"}', 'm{c="y"}'}
