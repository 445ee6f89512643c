"""Every mesh's requests in one vocabulary: nothing lost, nothing counted twice."""

from __future__ import annotations

import mesh_series
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from istio_series import Series, canary, engine

from meshlab.core.selector import equal
from meshlab.core.subject import Subject
from meshlab.telemetry.dialects.base import MeshOptions, Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.mesh import Mesh

BLOCK = 15_000
SOURCE, DESTINATION = Reporter.SOURCE, Reporter.DESTINATION


def mesh(*series: object, **options: object) -> Mesh:
    return Mesh.detect(engine(*series), "a test", options=MeshOptions(**options))  # type: ignore[arg-type]


def counted(m: Mesh, by: str, reporter: Reporter, where: object = ()) -> dict[str, int]:
    frame = m.request_counts(m.window(), [by], where, reporter=reporter, block_ms=BLOCK).frame  # type: ignore[arg-type]
    return {str(k): int(v) for k, v in frame.groupby(by)["count"].sum().items()}


def slowest(m: Mesh, reporter: Reporter) -> pd.DataFrame:
    return m.latency_buckets(m.window(), ["destination_workload"], reporter=reporter, block_ms=BLOCK).frame


@pytest.mark.parametrize("reporter", Reporter)
def test_linkerds_two_sides_tell_the_same(reporter: Reporter) -> None:
    m = mesh(mesh_series.linkerd())
    assert counted(m, "destination_workload", reporter) == {"catalog-v1": 31 * 60, "catalog-v2": 11 * 60}
    assert counted(m, "code", reporter) == {"0": 60, "200": 40 * 60, "503": 60}
    assert counted(m, "destination_service", reporter) == {"catalog": 42 * 60}
    assert counted(m, "destination_template_hash", reporter) == {"hashv1": 31 * 60, "hashv2": 11 * 60}
    assert counted(m, "reporter", reporter) == {reporter.value: 42 * 60}
    assert counted(m, "tls", reporter) == {"true": 42 * 60}
    assert sorted(set(slowest(m, reporter)["le"])) == [10.0, 50.0, 100.0, np.inf]


def test_a_word_that_a_side_does_not_have_is_empty() -> None:
    m = mesh(mesh_series.linkerd())
    assert counted(m, "source", SOURCE) == {"storefront": 42 * 60}
    assert counted(m, "source", DESTINATION) == {"": 42 * 60}
    assert counted(m, "destination_version", SOURCE) == {"": 42 * 60}
    assert counted(m, "destination_version", DESTINATION) == {"v1": 31 * 60, "v2": 11 * 60}


def test_the_route_api_speaks_of_http_and_grpc_and_in_seconds() -> None:
    m = mesh(mesh_series.routes())
    assert counted(m, "destination_service", SOURCE) == {"catalog-v1": 2 * 31 * 60, "catalog-v2": 2 * 11 * 60}
    assert counted(m, "destination_host", SOURCE) == {"catalog": 2 * 42 * 60}
    assert counted(m, "code", SOURCE) == {"": 42 * 60, "0": 2 * 60, "200": 40 * 60}
    assert counted(m, "grpc_status", SOURCE) == {"": 42 * 60, "0": 40 * 60, "14": 2 * 60}
    assert counted(m, "protocol", SOURCE) == {"grpc": 42 * 60, "http": 42 * 60}
    assert counted(m, "code", DESTINATION) == {"200": 40 * 60, "503": 2 * 60}
    for reporter in Reporter:
        assert sorted(set(slowest(m, reporter)["le"])) == [10.0, 50.0, 100.0, np.inf]


def test_linkerds_old_and_new_metrics_are_the_same_requests() -> None:
    m = mesh(mesh_series.linkerd(), mesh_series.routes())
    for reporter in Reporter:
        assert counted(m, "destination_service", reporter) == {"catalog": 42 * 60}


@pytest.mark.parametrize("prefix", ["envoy_", ""])
def test_envoys_codes_or_their_classes_are_read_once(prefix: str) -> None:
    both = mesh(mesh_series.envoy(prefix=prefix, classes=True), mesh="envoy")
    assert counted(both, "code", SOURCE) == {"200": 40 * 60, "503": 2 * 60}
    classes = mesh(mesh_series.envoy(prefix=prefix, classes=True, codes=False), mesh="envoy")
    assert counted(classes, "code", SOURCE) == {"2xx": 40 * 60, "5xx": 2 * 60}
    assert counted(classes, "destination_service", SOURCE) == {"catalog-v1": 31 * 60, "catalog-v2": 11 * 60}
    assert classes.request_counts(classes.window(), ["code"], reporter=DESTINATION, block_ms=BLOCK).frame.empty


def test_clusters_that_istio_named_tell_service_namespace_and_version() -> None:
    def istios(series: Series) -> Series:
        who = dict(series[0])
        version = who["envoy_cluster_name"].removeprefix("catalog-")
        who["envoy_cluster_name"] = f"outbound|80|{version}|catalog.shop.svc.cluster.local"
        return who, series[1], series[2]

    m = mesh([istios(s) for s in mesh_series.envoy()], mesh_series.envoy({"v1": (5, 0)}, service="other"))
    subject = m.find("catalog", m.window())
    assert subject == Subject("", "shop", "catalog")
    assert m.find("catalog.shop", m.window()) == subject
    assert m.find("outbound|80|v2|catalog.shop.svc.cluster.local", m.window()) == subject
    assert counted(m, "destination_version", SOURCE, m.where(subject)) == {"v1": 31 * 60, "v2": 11 * 60}
    assert m.arms(m.window(), subject).frame["destination_version"].tolist() == ["v1", "v2"]
    assert m.find("other-v1", m.window()) == Subject("", "", "other-v1")


def test_a_label_of_two_can_be_asked_for() -> None:
    m = mesh([({**w, "instance": "10.0.0.1:9901"}, t, v) for w, t, v in mesh_series.envoy()])
    assert counted(m, "source", SOURCE, [Condition("source", ("gateway-0",))]) == {"gateway-0": 42 * 60}
    assert counted(m, "code", SOURCE, [Condition("code", ("503",))]) == {"503": 2 * 60}
    assert counted(m, "code", SOURCE, [equal("envoy_cluster_name", "catalog-v2")]) == {"200": 600, "503": 60}
    classes = mesh(mesh_series.envoy(classes=True, codes=False))
    assert counted(classes, "code", SOURCE, [Condition("code", ("5xx",))]) == {"5xx": 2 * 60}
    assert counted(classes, "code", SOURCE, [Condition("code", ("503",))]) == {}
    linkerd = mesh(mesh_series.linkerd())
    assert counted(linkerd, "code", SOURCE, [Condition("code", ("0", "503"))]) == {"0": 60, "503": 60}
    rates = linkerd.request_rates(linkerd.window(step="15s"), ["code"], [Condition("code", ("0",))]).frame
    assert set(rates["code"]) == {"0"}


def test_a_caller_with_a_proxy_of_its_own_and_the_waypoint_report_one_request() -> None:
    gateway = {"source_workload": "gateway"}
    m = mesh(
        mesh_series.istio("source", **gateway),
        mesh_series.istio("waypoint", **gateway),
        mesh_series.istio("waypoint", {"v1": (7, 1)}),
        mesh_series.istio("source", {"v1": (3, 0)}, service="cart"),
    )
    assert counted(m, "source", SOURCE) == {"gateway": 42 * 60, "storefront-v1": 11 * 60}
    assert counted(m, "reporter", SOURCE) == {"source": 3 * 60, "waypoint": 50 * 60}
    rates = m.request_rates(m.window(step="15s"), ["source"]).frame
    late = rates[rates["time"] >= "2026-01-31 12:02:00+00:00"].groupby("source")["rate_per_s"].mean()
    assert late.round(6).to_dict() == {"gateway": 8.4, "storefront-v1": 2.2}


def test_a_service_with_only_a_waypoint_has_both_sides() -> None:
    m = mesh(mesh_series.istio("waypoint"))
    for reporter in Reporter:
        assert counted(m, "destination_version", reporter) == {"v1": 31 * 60, "v2": 11 * 60}
        assert len(slowest(m, reporter))
    assert m.services(m.window()).frame["requests"].sum() == pytest.approx(42 * 60, rel=0.02)


def test_a_called_pod_with_a_proxy_is_believed_before_its_waypoint() -> None:
    m = mesh(mesh_series.istio("destination", {"v1": (20, 0)}), mesh_series.istio("waypoint", {"v1": (21, 0)}))
    assert counted(m, "reporter", DESTINATION) == {"destination": 20 * 60}
    assert counted(m, "reporter", SOURCE) == {"waypoint": 21 * 60}


def test_a_waypoint_without_a_request_silences_nobody() -> None:
    m = mesh(mesh_series.istio("source"), mesh_series.istio("waypoint", {"v1": (0, 0)}))
    assert counted(m, "reporter", SOURCE) == {"source": 42 * 60}
    assert m.arms(m.window(), Subject("east", "shop", "catalog")).frame["requests"].sum() > 41 * 60


def test_ztunnel_alone_is_said_to_count_connections_only() -> None:
    who = dict(next(iter(mesh_series.istio("destination")))[0], __name__="istio_tcp_connections_opened_total")
    m = mesh([mesh_series.rising(who, 3)], mesh_series.istio("waypoint", service="cart"))
    with pytest.raises(Exception, match=r"by its TCP connections only; ztunnel counts no requests.*waypoint"):
        m.find("catalog", m.window())


def test_two_meshes_are_put_together() -> None:
    m = mesh(canary({"v7": (3, 2)}, service="cart"), mesh_series.linkerd())
    assert counted(m, "destination_service", SOURCE) == {"cart": 300, "catalog": 42 * 60}
    assert m.find("catalog", m.window()) == Subject("", "shop", "catalog")
    assert m.find("cart", m.window()) == Subject("east", "shop", "cart")
    answer = m.request_counts(m.window(), ["code"], reporter=SOURCE, block_ms=BLOCK)
    assert answer.query.promql.count(" or ") == 1
    assert answer.query.complete
    assert m.services(m.window()).frame["destination_service"].tolist() == ["catalog", "catalog", "cart"]


WORDS = [
    "source",
    "reporter",
    "code",
    "destination_version",
    "destination_service",
    "destination_workload",
    "tls",
    "flags",
]
REPORTERS = st.sampled_from(["source", "waypoint", "destination"])
EDGE = st.tuples(st.sampled_from(["a", "b", "unknown"]), st.sampled_from(["catalog", "cart"]), REPORTERS)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(EDGE, st.integers(0, 50), min_size=1), st.sampled_from(WORDS), st.sampled_from(list(Reporter)))
def test_the_sum_over_any_word_is_the_total(edges: dict[tuple[str, str, str], int], by: str, side: Reporter) -> None:
    best = {SOURCE: ["waypoint", "source"], DESTINATION: ["destination", "waypoint"]}[side]
    series = [
        s
        for (caller, service, reporter), ok in edges.items()
        for s in mesh_series.istio(reporter, {"v1": (ok, 0)}, service=service, source_workload=caller)
    ]
    want = 0
    for caller, service in {edge[:2] for edge in edges}:
        told = [edges.get((caller, service, reporter), 0) for reporter in best]
        want += next((ok for ok in told if ok), 0)
    m = mesh(series)
    window = m.window()
    frame = m.request_counts(window, [by], reporter=side, block_ms=BLOCK).frame
    assert frame["count"].sum() == 60 * want
    rates = m.request_rates(m.window(step="15s"), [by], reporter=side).frame
    steady = rates[rates["time"] == rates["time"].max()]["rate_per_s"].sum() if len(rates) else 0.0
    assert steady == pytest.approx(want / 5)


@pytest.mark.parametrize("by", [*WORDS, "protocol", "destination_host", "destination_template_hash", "grpc_status"])
@pytest.mark.parametrize("make", [mesh_series.linkerd, mesh_series.routes, mesh_series.envoy])
def test_the_sum_over_any_word_is_the_total_in_every_mesh(by: str, make: object) -> None:
    m = mesh(make())  # type: ignore[operator]
    for reporter in Reporter:
        total = m.request_counts(m.window(), [], reporter=reporter, block_ms=BLOCK).frame["count"].sum()
        assert sum(counted(m, by, reporter).values()) == total
        rates = m.request_rates(m.window(step="15s"), [by], reporter=reporter).frame
        every = m.request_rates(m.window(step="15s"), [], reporter=reporter).frame
        assert rates["rate_per_s"].sum() == pytest.approx(every["rate_per_s"].sum())


@pytest.mark.parametrize("make", [canary, mesh_series.linkerd, mesh_series.routes, mesh_series.envoy])
def test_what_is_to_be_recorded_is_all_that_is_asked_for(make: object) -> None:
    store = engine(make())  # type: ignore[operator]
    m = Mesh.detect(store, "a test")
    kept = {
        tuple(row)
        for one in m.recorded
        for row in store.series(one, m.window()).labels.reindex(columns=["__name__", "le"], fill_value="").to_numpy()
    }
    for part in (p for r in Reporter for p in m.dialect.families(r)):
        for asked in (m.dialect.counts(part, ()), m.dialect.buckets(part, ())):
            labels = store.series(asked, m.window()).labels.reindex(columns=["__name__", "le"], fill_value="")
            assert len(labels) or "_bucket" in asked
            assert {tuple(row) for row in labels.to_numpy()} <= kept


def test_pods_are_told_apart_where_they_report_themselves() -> None:
    m = mesh(canary())
    assert counted(m, "destination_instance", DESTINATION) == {"catalog-v1-0": 31 * 60, "catalog-v2-0": 11 * 60}
    assert counted(m, "destination_instance", SOURCE) == {"": 42 * 60}
    assert set(counted(mesh(mesh_series.linkerd()), "destination_instance", DESTINATION)) != {""}


def test_a_waypoint_does_not_name_the_pod_it_speaks_for() -> None:
    waypoint = [({**who, "reporter": "waypoint", "pod": "waypoint-0"}, at, v) for who, at, v in canary()]
    assert set(counted(mesh(waypoint), "destination_instance", DESTINATION)) == {""}


def test_restarts_are_told_by_pod() -> None:
    def fallen(series: Series) -> Series:
        who, at, values = series
        if who["pod"] == "catalog-v2-0" and who["__name__"] == "istio_requests_total":
            values = np.r_[values[:20], np.arange(20), np.arange(len(values) - 40)]
        return who, at, values

    m = mesh([fallen(one) for one in canary()])
    words = ("destination_version", "destination_instance")
    frame = m.restarts(m.window(), words, reporter=DESTINATION).frame
    assert dict(zip(frame["destination_instance"], frame["restarts"], strict=True)) == {
        "catalog-v1-0": 0,
        "catalog-v2-0": 2,
    }


def test_sparse_counters_are_summed_as_dense_ones_are() -> None:
    """A counter that rises once a day: the table of groups and blocks would be nearly empty."""
    at = 1_769_860_800 + np.r_[0, 5, 80_000, 80_005, 90_000]
    who = next(iter(canary()))[0]
    series = [({**who, "pod": f"pod-{n}"}, at, np.array([1.0, 2.0, 2.0, 5.0 + n, 5.0 + n])) for n in range(3)]
    m = mesh(series)
    frame = m.request_counts(m.window(), ["reporter"], reporter=SOURCE, block_ms=5_000).frame
    assert frame["count"].sum() == 3 * 1 + 3 + 4 + 5
    assert frame["block"].is_monotonic_increasing
