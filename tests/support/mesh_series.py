"""Series as Linkerd, Envoy and Istio's ambient mode write them, with a known truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from istio_series import Series, labels, times

MS = (("10", 0.25), ("50", 0.75), ("100", 1.0), ("+Inf", 1.0))
SECONDS = (("0.01", 0.25), ("0.05", 0.75), ("0.1", 1.0), ("+Inf", 1.0))
Arms = Mapping[str, tuple[int, int]]
TWO: Arms = {"v1": (30, 1), "v2": (10, 1)}


def rising(who: Mapping[str, str], step: float, count: int = 61, start: int = 0) -> Series:
    """A counter that rises by so many a scrape, from the scrape with a number on."""
    return dict(who), times(count)[start:], 100 + np.floor(step * np.arange(count - start))


def linkerd(arms: Arms = TWO, *, service: str = "catalog", count: int = 61, **more: str) -> Iterable[Series]:
    """Legacy metrics of both sides: (ok, failed) a scrape and deployment; failed are half 503, half without answer."""
    for version, (ok, bad) in arms.items():
        deployment = f"{service}-{version}"
        caller = {"deployment": "storefront", "namespace": "shop", "pod": "storefront-0"}
        called = {
            "dst_deployment": deployment,
            "dst_namespace": "shop",
            "dst_service": service,
            "dst_pod_template_hash": f"hash{version}",
            "server_id": f"{service}.shop.serviceaccount.identity.linkerd.cluster.local",
        }
        own = {"deployment": deployment, "namespace": "shop", "pod": f"{deployment}-0", "version": version}
        own |= {"pod_template_hash": f"hash{version}"}
        for side in (
            {"direction": "outbound", **caller, **called, "authority": f"{service}.shop.svc.cluster.local:80"},
            {
                "direction": "inbound",
                **own,
                "client_id": "storefront.shop.serviceaccount.identity.linkerd.cluster.local",
            },
        ):
            who = {"job": "linkerd-proxy", "tls": "true", **side, **more}
            for outcome, step in (
                ({"classification": "success", "status_code": "200"}, ok),
                ({"classification": "failure", "status_code": "503"}, bad / 2),
                ({"classification": "failure", "error": "unexpected"}, bad / 2),
            ):
                yield rising({"__name__": "response_total", **who, **outcome}, step, count)
            for le, share in MS:
                bucket = {"__name__": "response_latency_ms_bucket", **who, "le": le}
                yield rising(bucket, share * (ok + bad), count)


def routes(arms: Arms = TWO, *, service: str = "catalog", count: int = 61, **more: str) -> Iterable[Series]:
    """The route API's metrics of both sides, HTTP and gRPC: one backend service for each arm."""
    for version, (ok, bad) in arms.items():
        backend = f"{service}-{version}"
        route = {
            "parent_kind": "Service",
            "parent_namespace": "shop",
            "parent_name": service,
            "route_kind": "HTTPRoute",
        }
        out = {
            **route,
            "deployment": "storefront",
            "namespace": "shop",
            "pod": "storefront-0",
            "backend_name": backend,
            "backend_namespace": "shop",
        }
        own = {"deployment": backend, "namespace": "shop", "pod": f"{backend}-0", "parent_kind": "Server"}
        stem = "outbound_{}_route_backend_response"
        for name, outcomes in (
            ("http", (({"http_status": "200", "error": ""}, ok), ({"http_status": "", "error": "RESET"}, bad))),
            ("grpc", (({"grpc_status": "OK", "error": ""}, ok), ({"grpc_status": "UNAVAILABLE", "error": ""}, bad))),
        ):
            for outcome, step in outcomes:
                yield rising({"__name__": f"{stem.format(name)}_statuses_total", **out, **outcome, **more}, step, count)
            for le, share in SECONDS:
                bucket = f"{stem.format(name)}_duration_seconds_bucket"
                yield rising({"__name__": bucket, **out, "le": le, **more}, share * (ok + bad), count)
        for status, step in (("200", ok), ("503", bad)):
            yield rising({"__name__": "inbound_http_statuses_total", **own, "status": status, **more}, step, count)
        for le, share in SECONDS:
            bucket = "inbound_http_response_duration_seconds_bucket"
            yield rising({"__name__": bucket, **own, "le": le, **more}, share * (ok + bad), count)


def envoy(
    arms: Arms = TWO, *, prefix: str = "envoy_", classes: bool = False, codes: bool = True, service: str = "catalog"
) -> Iterable[Series]:
    """Envoy's own cluster statistics; `prefix` of its tags, by code, by class of code, or by both."""
    for version, (ok, bad) in arms.items():
        who = {f"{prefix}cluster_name": f"{service}-{version}", "job": "envoy", "pod": "gateway-0", "namespace": "shop"}
        for code, step in (("200", ok), ("503", bad)):
            if codes:
                yield rising({"__name__": "envoy_cluster_upstream_rq", **who, f"{prefix}response_code": code}, step)
            if classes:
                name = "envoy_cluster_upstream_rq_xx" if prefix else "envoy_cluster_upstream_rq"
                kind = code[0] if prefix else f"{code[0]}xx"
                yield rising({"__name__": name, **who, f"{prefix}response_code_class": kind}, step)
        for le, share in MS:
            yield rising({"__name__": "envoy_cluster_upstream_rq_time_bucket", **who, "le": le}, share * (ok + bad))


def istio(
    reporter: str, arms: Arms = TWO, *, service: str = "catalog", start: int = 0, **more: str
) -> Iterable[Series]:
    """Istio's counters as one reporter writes them: (ok, errors) a scrape and version."""
    for version, (ok, bad) in arms.items():
        for code, step in (("200", ok), ("500", bad)):
            name = "istio_requests_total"
            who = labels(name, version=version, reporter=reporter, service=service, code=code, **more)
            yield rising(who, step, start=start)
        for le, share in MS:
            name = "istio_request_duration_milliseconds_bucket"
            who = labels(name, version=version, reporter=reporter, service=service, **more)
            yield rising({**who, "le": le}, share * (ok + bad), start=start)
