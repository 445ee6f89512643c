"""All that the dialects say is understood by a real Prometheus, and means the same there as in a recording."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import mesh_series
import pandas as pd
import pytest
from agreement import disagreement
from istio_series import START, Series, canary
from real_prometheus import openmetrics, serving
from real_victoria import serving_victoria

from meshlab.core.selector import equal
from meshlab.core.window import Window
from meshlab.engines.base import Engine
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import ParameterError
from meshlab.questions.canary import Canary, CanarySettings
from meshlab.recordings.engine import Recording
from meshlab.telemetry.dialects.base import MeshOptions, Reporter
from meshlab.telemetry.dialects.consul import consul
from meshlab.telemetry.dialects.detection import detect
from meshlab.telemetry.dialects.dialect import Dialect, every_query
from meshlab.telemetry.dialects.envoy import SPELLINGS, envoy
from meshlab.telemetry.dialects.hubble import HUBBLE
from meshlab.telemetry.dialects.istio import ISTIO
from meshlab.telemetry.dialects.kuma import kuma
from meshlab.telemetry.dialects.linkerd import LEGACY, ROUTES, linkerd
from meshlab.telemetry.dialects.nginx import NGINX
from meshlab.telemetry.dialects.opentelemetry import OPENTELEMETRY, opentelemetry
from meshlab.telemetry.dialects.spanmetrics import spanmetrics
from meshlab.telemetry.dialects.traefik import TRAEFIK
from meshlab.telemetry.mesh import Mesh

pytestmark = pytest.mark.live

WINDOW = Window.aligned(datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(START + 300, UTC), 15_000)
ROUTE_NAMES = frozenset(name for pairs in ROUTES.values() for pair in pairs for name in pair)
REPLICAS = MeshOptions(replica_label="prometheus_replica", forced=(equal("job", "x"),))
NAMED = MeshOptions(metrics={"requests": "mesh:requests"}, labels={"destination_version": "ver"})

EVERY: list[Dialect] = [
    *(
        dialect.with_options(options)
        for options in (MeshOptions(), REPLICAS, NAMED)
        for dialect in (ISTIO, *(envoy(*s) for s in SPELLINGS))
    ),
    linkerd(frozenset({LEGACY}), frozenset({"inbound", "outbound"})),
    linkerd(ROUTE_NAMES, frozenset()),
    *(linkerd(frozenset({name}), frozenset()) for name in sorted(ROUTE_NAMES)),
    kuma(*SPELLINGS[0]),
    consul(*SPELLINGS[0]),
    HUBBLE,
    opentelemetry(frozenset(OPENTELEMETRY.counters)),
    spanmetrics("traces_span_metrics_", frozenset()),
    NGINX,
    TRAEFIK,
]

STORES = {
    "istio": [
        *canary(),
        *mesh_series.istio("source", source_workload="gateway"),
        *mesh_series.istio("waypoint", source_workload="gateway"),
        *mesh_series.istio("waypoint", service="cart"),
    ],
    "linkerd": list(mesh_series.linkerd()),
    "routes": list(mesh_series.routes()),
    "envoy": list(mesh_series.envoy(classes=True)),
    "classes": list(mesh_series.envoy(prefix="", codes=False, classes=True)),
}


def apart(name: str) -> list[Series]:
    return [({**who, "store": name}, at, value) for who, at, value in STORES[name]]


Pair = tuple[Recording, PrometheusEngine]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, prometheus_binary: str, promtool_binary: str) -> Iterator[Pair]:
    series = [s for name in STORES for s in apart(name)]
    folder: Path = tmp_path_factory.mktemp("prometheus")
    with serving(folder, openmetrics(series), prometheus=prometheus_binary, promtool=promtool_binary) as url:
        yield Recording.from_series(series), PrometheusEngine(url)


@pytest.mark.parametrize("query", every_query(EVERY))
def test_every_query_is_understood_and_means_the_same(both: Pair, query: str) -> None:
    ours, theirs = (engine.query_range(query, WINDOW) for engine in both)
    assert disagreement(ours, theirs, 1e6) == ""


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory, victoria_binary: str) -> Iterator[PrometheusEngine]:
    series = [s for name in STORES for s in apart(name)]
    with serving_victoria(tmp_path_factory.mktemp("victoria"), series, binary=victoria_binary) as url:
        yield PrometheusEngine(url)


def test_every_query_is_understood_by_victoriametrics(victoria: PrometheusEngine) -> None:
    for query in every_query(EVERY):
        victoria.query(query, WINDOW.end)


@pytest.mark.parametrize("store", STORES)
def test_victoriametrics_gives_the_counts_that_a_recording_gives(
    both: Pair, victoria: PrometheusEngine, store: str
) -> None:
    recorded, live = (Mesh(engine, of(engine, store), "a test") for engine in (both[0], victoria))
    assert recorded.dialects == live.dialects
    for reporter in Reporter:
        for by in (["destination_service", "code"], ["source", "reporter"], ["destination_workload"]):
            frames = [m.request_counts(WINDOW, by, reporter=reporter, block_ms=15_000).frame for m in (recorded, live)]
            assert frames[0].equals(frames[1])
    services = [m.services(WINDOW).frame for m in (recorded, live)]
    pd.testing.assert_frame_equal(*services, rtol=0.05)
    name = "catalog-v1" if store in {"envoy", "classes"} else "catalog"
    assert recorded.find(name, WINDOW) == live.find(name, WINDOW)


def of(engine: Engine, store: str, **options: object) -> tuple[Dialect, ...]:
    forced = (equal("store", store),)
    return detect(engine, WINDOW, MeshOptions(forced=forced, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("store", STORES)
def test_a_server_gives_the_frames_that_its_recording_gives(both: Pair, store: str) -> None:
    recorded, live = (Mesh(engine, of(engine, store), "a test") for engine in both)
    assert recorded.dialects == live.dialects
    for reporter in Reporter:
        for by in (["destination_service", "code"], ["source", "reporter"], ["destination_workload"]):
            frames = [m.request_counts(WINDOW, by, reporter=reporter, block_ms=15_000).frame for m in (recorded, live)]
            assert frames[0].equals(frames[1])
            frames = [m.request_rates(WINDOW, by, reporter=reporter).frame for m in (recorded, live)]
            pd.testing.assert_frame_equal(*frames, rtol=1e-9)
        frames = [m.latency_buckets(WINDOW, [], reporter=reporter, block_ms=15_000).frame for m in (recorded, live)]
        assert frames[0].equals(frames[1])
    services = [m.services(WINDOW).frame for m in (recorded, live)]
    pd.testing.assert_frame_equal(*services, rtol=1e-9)
    assert len(services[0])
    name = "catalog-v1" if store in {"envoy", "classes"} else "catalog"
    assert recorded.find(name, WINDOW) == live.find(name, WINDOW)
    for mesh in (recorded, live):
        with pytest.raises(ParameterError, match="did you mean catalog"):
            mesh.find("catalogue" if name == "catalog" else "catalog-v3", WINDOW)


@pytest.mark.parametrize(
    ("store", "arms"), [("istio", "v1 v2"), ("linkerd", "catalog-v1 catalog-v2"), ("routes", "catalog-v1 catalog-v2")]
)
def test_a_verdict_from_a_server_is_that_of_its_recording(both: Pair, store: str, arms: str) -> None:
    baseline, canary_ = arms.split()
    settings = CanarySettings(service="catalog", baseline=baseline, canary=canary_)
    meshes = [Mesh(engine, of(engine, store), "a test") for engine in both]
    first, second = (Canary().answer(Canary().collect(mesh, WINDOW, settings), settings).to_dict() for mesh in meshes)
    assert first == second


def test_detection_is_a_few_queries(both: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    recording, engine = both
    asked: list[str] = []
    real = PrometheusEngine.query

    def counting(self: PrometheusEngine, promql: str, at: datetime | None = None) -> object:
        asked.append(promql)
        return real(self, promql, at)

    monkeypatch.setattr(PrometheusEngine, "query", counting)
    monkeypatch.setattr(PrometheusEngine, "series", None)
    late = Window.aligned(WINDOW.start, datetime.fromtimestamp(START + 3600, UTC), 15_000)
    for window in (WINDOW, late):
        asked.clear()
        assert [d.name for d in detect(engine, window)] == ["Istio", "Linkerd"]
        assert len(asked) <= 8, "series are counted, and each counter's labels are looked at"
    assert [d.name for d in detect(recording, late)] == ["Istio", "Linkerd"]
