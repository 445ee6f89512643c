"""Meshes and ingresses beside the great three: what their counters' labels say, and what is no service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pytest
from istio_series import Series, canary, engine
from mesh_series import rising

from meshlab.errors import ParameterError
from meshlab.telemetry.dialects.base import MeshOptions, Reporter
from meshlab.telemetry.dialects.check import Example, check_dialect
from meshlab.telemetry.dialects.detection import unread
from meshlab.telemetry.dialects.registry import installed
from meshlab.telemetry.mesh import Mesh

SOURCE, DESTINATION = Reporter.SOURCE, Reporter.DESTINATION
HERE = {"namespace": "default", "datacenter": "dc1"}
RQ = "envoy_cluster_upstream_rq"


def example(side: Reporter, name: str, labels: Mapping[str, str], **dimensions: str) -> Example:
    return Example(side, {"__name__": name, **labels}, dimensions)


def kuma(cluster: str, code: str, service: str = "frontend_shop_svc_80") -> dict[str, str]:
    tags = {"mesh": "default", "kuma_io_services": f",{service},", "k8s_kuma_io_namespace": "shop", "dataplane": "dp-1"}
    return {**tags, "envoy_cluster_name": cluster, "envoy_response_code": code}


def consul(cluster: str, code: str, source: str = "frontend", **called: str) -> dict[str, str]:
    tags = {"consul_source_service": source, "consul_source_namespace": "default", "consul_source_datacenter": "dc1"}
    to = {f"consul_destination_{name}": value for name, value in called.items()}
    return {**tags, **to, "envoy_cluster_name": cluster, "envoy_response_code": code, "pod": "p-1"}


def hubble(reporter: str, status: str) -> dict[str, str]:
    who = {"source_workload": "frontend", "source_namespace": "shop", "destination_workload": "catalog-v1"}
    more = {"destination_app": "catalog", "destination_namespace": "shop", "protocol": "HTTP/1.1", "method": "GET"}
    return {**who, **more, "reporter": reporter, "status": status, "job": "hubble-metrics", "pod": "cilium-x"}


def server(code: str, version: str, **more: str) -> dict[str, str]:
    return {
        "http_response_status_code": code,
        "service_version": version,
        "job": "shop/catalog",
        "instance": "i",
        **more,
    }


EXAMPLES = {
    "kuma": [
        *(
            example(
                SOURCE,
                RQ,
                kuma(cluster, code),
                source="frontend_shop_svc_80",
                source_namespace="shop",
                destination_service=service,
                destination_namespace=namespace,
                code=code,
            )
            for cluster, service, namespace, code in (
                ("catalog_shop_svc_8080", "catalog_shop_svc_8080", "shop", "200"),
                ("catalog_shop_svc_8080-369bce2d30623ffb", "catalog_shop_svc_8080", "shop", "503"),
                ("kri_msvc_default_zone-1_bank_ledger_80", "ledger_80", "bank", "200"),
                ("default_prices_shop_east_msvc_5000", "default_prices_shop_east_msvc_5000", "shop", "200"),
                ("payments", "payments", "", "200"),
            )
        ),
        *(
            example(
                DESTINATION,
                RQ,
                kuma("localhost_8080", code, "catalog_shop_svc_8080"),
                destination_service="catalog_shop_svc_8080",
                destination_namespace="shop",
                destination_instance="dp-1",
                code=code,
            )
            for code in ("200", "500")
        ),
    ],
    "consul": [
        *(
            example(
                SOURCE,
                RQ,
                consul(
                    "catalog", code, service="catalog", service_subset=subset, namespace="default", datacenter="dc1"
                ),
                source="frontend",
                destination_service="catalog",
                destination_namespace="default",
                destination_cluster="dc1",
                destination_version=subset,
                code=code,
            )
            for subset, code in (("v1", "200"), ("v2", "503"))
        ),
        example(
            DESTINATION,
            RQ,
            consul("local_app", "200", "catalog"),
            destination_service="catalog",
            destination_namespace="default",
            destination_cluster="dc1",
        ),
    ],
    "hubble": [
        example(
            side,
            "hubble_http_requests_total",
            hubble(reporter, status),
            source="frontend",
            destination_service="catalog",
            destination_workload="catalog-v1",
            destination_namespace="shop",
            reporter=side.value,
            protocol="http",
            code=status,
        )
        for side, reporter in ((SOURCE, "client"), (DESTINATION, "server"))
        for status in ("200", "503")
    ],
    "opentelemetry": [
        *(
            example(
                DESTINATION,
                "http_server_request_duration_seconds_count",
                server(code, version, service_name="catalog", service_namespace="shop", **more),
                destination_service="catalog",
                destination_namespace="shop",
                destination_version=version,
                code=said,
                flags=more.get("error_type", ""),
            )
            for code, version, said, more in (
                ("200", "1.4.0", "200", {}),
                ("", "1.5.0", "0", {"error_type": "timeout"}),
            )
        ),
        *(
            example(
                SOURCE,
                "http_client_request_duration_seconds_count",
                {"service_name": "frontend", "server_address": address, "http_response_status_code": "200"},
                source="frontend",
                destination_service=service,
                destination_namespace=namespace,
                destination_host=address,
            )
            for address, service, namespace in (
                ("catalog.shop.svc.cluster.local", "catalog", "shop"),
                ("api.example.org", "api.example.org", ""),
            )
        ),
    ],
    "spanmetrics": [
        example(
            DESTINATION,
            "traces_span_metrics_calls_total",
            {"service_name": "payments", "span_kind": "SPAN_KIND_SERVER", "status_code": status, "span_name": "GET /"},
            destination_service="payments",
            code=code,
        )
        for status, code in (("STATUS_CODE_UNSET", "2xx"), ("STATUS_CODE_ERROR", "5xx"))
    ],
    "nginx": [
        example(
            SOURCE,
            "nginx_ingress_controller_requests",
            {
                "namespace": "shop",
                "service": "catalog",
                "ingress": "shop",
                "host": "shop.example.org",
                "status": status,
                "controller_pod": "ingress-nginx-controller-7d9c8b6f5-x2x4z",
                "controller_namespace": "ingress",
            },
            source="ingress-nginx-controller",
            source_namespace="ingress",
            destination_service="catalog",
            destination_namespace="shop",
            destination_host="shop.example.org",
            code=status,
        )
        for status in ("200", "504")
    ],
    "traefik": [
        example(
            SOURCE,
            "traefik_service_requests_total",
            {"service": "shop-catalog-80@kubernetes", "code": code, "method": "GET", "protocol": "http", "pod": "t-0"},
            source="t-0",
            destination_service="shop-catalog-80",
            code=code,
        )
        for code in ("200", "502")
    ],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_says_what_its_labels_say(name: str) -> None:
    check_dialect(installed()[name], EXAMPLES[name])


def series(examples: Iterable[Example]) -> list[Series]:
    return [rising(dict(e.labels), 10 + step) for step, e in enumerate(examples)]


def services(*more: object, **options: object) -> tuple[str, set[str]]:
    mesh = Mesh.detect(engine(*more), "a test", options=MeshOptions(**options))  # type: ignore[arg-type]
    return mesh.name, set(mesh.services(mesh.window()).frame["destination_service"])


def test_a_proxys_own_clusters_are_no_services() -> None:
    own = ["kuma_envoy_admin", "ads_cluster", "access_log_sink", "localhost_8080", "_kuma_:metrics"]
    found = services(series(EXAMPLES["kuma"][:1]), [rising({"__name__": RQ, **kuma(c, "200")}, 5) for c in own])
    assert found == ("Kuma", {"catalog_shop_svc_8080", "frontend_shop_svc_80"})
    plain = ["xds-grpc", "agent", "prometheus_stats", "zipkin", "sds-grpc", "local_app", "inbound|80||", "catalog"]
    who = {"__name__": RQ, "envoy_response_code": "200", "pod": "p"}
    assert services([rising({**who, "envoy_cluster_name": c}, 5) for c in plain]) == ("Envoy", {"catalog"})


def test_traffic_to_nowhere_that_is_known_has_no_name_and_is_not_lost() -> None:
    who = {"__name__": RQ, "envoy_response_code": "200", "pod": "p"}
    clusters = ["PassthroughCluster", "BlackHoleCluster", "catalog"]
    mesh = Mesh.detect(engine([rising({**who, "envoy_cluster_name": c}, 5) for c in clusters]), "a test")
    counts = mesh.request_counts(mesh.window(), ["destination_service"], reporter=SOURCE, block_ms=15_000).frame
    assert counts.groupby("destination_service")["count"].sum().to_dict() == {"": 600, "catalog": 300}


def test_a_data_plane_of_several_services_is_given_to_none() -> None:
    labels = kuma("localhost_80", "200") | {"kuma_io_services": ",a_shop_svc_80,b_shop_svc_80,"}
    mesh = Mesh.detect(engine([rising({"__name__": RQ, **labels}, 5)]), "a test")
    counts = mesh.request_counts(mesh.window(), ["destination_service"], reporter=DESTINATION, block_ms=15_000).frame
    assert counts.groupby("destination_service")["count"].sum().to_dict() == {"": 300}


def test_what_counts_the_same_requests_again_stands_in_only() -> None:
    otel, spans = series(EXAMPLES["opentelemetry"]), series(EXAMPLES["spanmetrics"])
    assert services(otel, spans)[0] == "OpenTelemetry"
    assert services(otel, canary())[0] == "Istio"
    assert services(spans, canary(), mesh="spanmetrics")[0] == "OpenTelemetry span metrics"
    assert services(series(EXAMPLES["kuma"]), canary())[0] == "Istio and Kuma"


def test_a_calls_counter_without_kinds_of_spans_is_no_span_metric() -> None:
    with pytest.raises(ParameterError, match="no metrics of a mesh"):
        Mesh.detect(engine([rising({"__name__": "calls_total", "service": "x"}, 5)]), "a test")


def test_milliseconds_and_seconds_are_told_apart() -> None:
    who = {"service_name": "catalog", "http_status_code": "200"}
    for stem, unit in (("http_server_duration_milliseconds", 1.0), ("http_server_request_duration_seconds", 1000.0)):
        rows = [rising({"__name__": f"{stem}_count", **who}, 10), *buckets(stem, who)]
        mesh = Mesh.detect(engine(rows), "a test")
        slow = mesh.latency_buckets(mesh.window(), [], reporter=DESTINATION, block_ms=15_000).frame
        assert sorted(set(slow["le"])) == [unit, np.inf]


def buckets(stem: str, who: Mapping[str, str]) -> list[Series]:
    return [rising({"__name__": f"{stem}_bucket", **who, "le": le}, 10) for le in ("1", "+Inf")]


def test_what_is_there_and_not_read_is_named() -> None:
    graph = [rising({"__name__": "traces_service_graph_request_total", "client": "a", "server": "b"}, 5)]
    with pytest.raises(ParameterError, match=r"it has the service graph of .*\(traces_service_graph_request_total\)"):
        Mesh.detect(engine(graph), "a test")
    store = engine(canary(), graph, series(EXAMPLES["opentelemetry"]), series(EXAMPLES["hubble"]))
    mesh = Mesh.detect(store, "a test")
    assert mesh.name == "Istio"
    words = unread(store, mesh.window(), MeshOptions(), mesh.dialects)
    names = [word.partition(" (")[0] for word in words]
    assert names[:2] == ["Hubble", "OpenTelemetry"]
    assert "the service graph" in names[2]
    assert 'mesh = "hubble"' in words[0]
