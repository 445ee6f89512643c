"""What each kind of store is told, and how it is known."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from limited import connection

from meshlab.config import Kind, Profile
from meshlab.core.window import Window
from meshlab.engines.backends import address, introduced
from meshlab.engines.http import PrometheusEngine
from meshlab.engines.transport import Transport
from meshlab.errors import ConfigError


@pytest.mark.parametrize(
    ("build", "metricsql", "kind", "version"),
    [
        ({"version": "2.42.0+ds", "revision": "abc"}, False, Kind.PROMETHEUS, "2.42.0"),
        ({"version": "3.5.0", "revision": "abc"}, True, Kind.PROMETHEUS, "3.5.0"),
        ({"version": "0.39.2", "revision": "abc"}, False, Kind.THANOS, "0.39.2"),
        ({"application": "Grafana Mimir", "version": "2.17.0", "revision": "abc"}, False, Kind.MIMIR, "2.17.0"),
        ({}, True, Kind.VICTORIAMETRICS, ""),
        ({"version": "2.24.0"}, True, Kind.VICTORIAMETRICS, ""),
        ({"version": "2.24.0"}, False, Kind.PROMETHEUS, "2.24.0"),
        ({}, False, None, ""),
        ({"version": 7}, False, Kind.PROMETHEUS, "7"),
    ],
)
def test_a_store_introduces_itself(build: dict[str, object], metricsql: bool, kind: Kind | None, version: str) -> None:
    assert introduced(build, lambda: metricsql) == (kind, version)


def test_where_a_tenant_is() -> None:
    assert address(Profile(url="http://a/", kind=None, tenant="")) == ("http://a/", {})
    assert address(Profile(url="http://a", kind=Kind.MIMIR, tenant="x|y")) == ("http://a", {"X-Scope-OrgID": "x|y"})
    assert address(Profile(url="http://a", kind=Kind.THANOS, tenant="x")) == ("http://a", {"THANOS-TENANT": "x"})
    assert address(Profile(url="http://a/", kind=Kind.VICTORIAMETRICS, tenant="42:7")) == (
        "http://a/select/42:7/prometheus",
        {},
    )
    with pytest.raises(ConfigError, match="is not an account"):
        address(Profile(url="http://a", kind=Kind.VICTORIAMETRICS, tenant="../7"))
    for kind in (None, Kind.PROMETHEUS):
        with pytest.raises(ConfigError, match="without tenants"):
            address(Profile(url="http://a", kind=kind, tenant="x"))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Kind.THANOS, {"dedup": "true", "partial_response": "false", "max_source_resolution": "0s"}),
        (Kind.MIMIR, {}),
        (Kind.PROMETHEUS, {}),
    ],
)
def test_every_question_says_what_the_kind_wants(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, told: dict[str, str]
) -> None:
    asked: list[tuple[str, Mapping[str, str]]] = []

    def answer(_: Transport, path: str, form: Mapping[str, str], **__: object) -> bytes:
        asked.append((path, form))
        if path.endswith("buildinfo"):
            return b'{"status":"success","data":{"version":"9.1.0","revision":"a"}}'
        data: object = [] if path.endswith("series") else {"resultType": "matrix", "result": []}
        return json.dumps({"status": "success", "data": data}).encode()

    monkeypatch.setattr(Transport, "ask", answer)
    engine = PrometheusEngine(connection("http://store:9090", kind=kind))
    window = Window(0, 60_000, 15_000)
    engine.query_range("up", window)
    engine.samples("up", window)
    engine.series("up", window)
    assert engine.kind is kind, "the profile knows better"
    for path, form in asked:
        if path.endswith("buildinfo"):
            continue
        wanted = {k: v for k, v in told.items() if not (path.endswith("series") and k == "max_source_resolution")}
        assert {k: form[k] for k in wanted} == wanted
        assert set(form) - {"query", "match[]", "time", "start", "end", "step"} == set(wanted)


def test_thanos_is_recognised_before_its_first_question(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Mapping[str, str]]] = []

    def answer(_: Transport, path: str, form: Mapping[str, str], **__: object) -> bytes:
        asked.append((path, form))
        if path.endswith("buildinfo"):
            return b'{"status":"success","data":{"version":"0.36.1","revision":"a"}}'
        return b'{"status":"success","data":{"resultType":"vector","result":[]}}'

    monkeypatch.setattr(Transport, "ask", answer)
    PrometheusEngine(connection("http://store:9090")).query("up")
    questions = [form for path, form in asked if path.endswith("/query")]
    assert [form["partial_response"] for form in questions] == ["false"]
