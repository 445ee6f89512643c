"""Linkerd's proxy metrics: the legacy ones (``response_total``) and those of the route API (2.16 and later).

Names and labels: linkerd.io, "Proxy Metrics"; linkerd/linkerd2-proxy, linkerd/app/outbound/src/http/logical/policy/
route/metrics/labels.rs and linkerd/app/inbound/src/http/router/metrics. Both count the same requests: the legacy ones
count where a side has them, because they know the workload behind the service.
"""

from __future__ import annotations

from collections.abc import Set
from types import MappingProxyType
from typing import Final

from meshlab.core.selector import differs, equal, matches
from meshlab.telemetry.dialects.base import PLAIN, MeshOptions, Reporter
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["LEGACY", "OWN", "ROUTES", "linkerd"]

LEGACY: Final = "response_total"

ROUTES: Final = MappingProxyType(
    {
        # A backend's own counters tell the arms of a split apart, those of the route do not.
        Reporter.SOURCE: (
            (
                "outbound_http_route_backend_response_statuses_total",
                "outbound_grpc_route_backend_response_statuses_total",
            ),
            ("outbound_http_route_request_statuses_total", "outbound_grpc_route_request_statuses_total"),
        ),
        Reporter.DESTINATION: (
            ("inbound_http_statuses_total", "inbound_grpc_statuses_total"),
            ("inbound_http_response_statuses_total", "inbound_grpc_response_statuses_total"),
            ("inbound_http_request_statuses_total", "inbound_grpc_request_statuses_total"),
            ("inbound_http_route_request_statuses_total", "inbound_grpc_route_request_statuses_total"),
        ),
    }
)
"""Counters of each side, HTTP and gRPC: the first pair that is seen counts."""

_KINDS: Final = ("deployment", "statefulset", "daemonset")
_DIRECTION: Final = {Reporter.SOURCE: "outbound", Reporter.DESTINATION: "inbound"}

_GRPC: Final = MappingProxyType(
    {
        name: str(number)
        for number, name in enumerate(
            (
                "OK",
                "CANCELLED",
                "UNKNOWN",
                "INVALID_ARGUMENT",
                "DEADLINE_EXCEEDED",
                "NOT_FOUND",
                "ALREADY_EXISTS",
                "PERMISSION_DENIED",
                "RESOURCE_EXHAUSTED",
                "FAILED_PRECONDITION",
                "ABORTED",
                "OUT_OF_RANGE",
                "UNIMPLEMENTED",
                "INTERNAL",
                "UNAVAILABLE",
                "DATA_LOSS",
                "UNAUTHENTICATED",
            )
        )
    }
)

OWN: Final = (
    "__name__|le|direction|authority|tls|no_tls_reason|classification|status_code|grpc_status_code|error|peer|hostname|"
    "client_id|server_id|target_addr|target_ip|target_port|http_status|grpc_status|status|"
    "(dst|srv|route|parent|backend|authz|saz)_.*"
)
"""Pattern of the labels that the proxies set."""


def _caller() -> dict[str, Column]:
    return {
        "source": Column(_KINDS),
        "source_namespace": Column(("namespace",)),
        "source_version": Column(("version",)),
        "source_cluster": Column(("cluster",)),
        "destination_cluster": Column(("cluster",)),
        "reporter": Column(constant="source"),
    }


def _called() -> dict[str, Column]:
    return {
        "destination_workload": Column(_KINDS),
        "destination_namespace": Column(("namespace",)),
        "destination_version": Column(("version",)),
        "destination_rollout_hash": Column(("rollouts_pod_template_hash",)),
        "destination_template_hash": Column(("pod_template_hash",)),
        "destination_instance": Column(("pod", "instance"), exclusive=False),
        "destination_cluster": Column(("cluster",)),
        "source_principal": Column(("client_id",)),
        "destination_port": Column(("target_port", "srv_port")),
        "reporter": Column(constant="destination"),
    }


def _legacy(reporter: Reporter) -> Family:
    columns = {
        "destination_host": Column(("authority",), cut=r"(.*?)(?::\d+)?", ask="{}(:[0-9]+)?"),
        # A stream that broke before its answer has no status at all.
        "code": Column(("status_code",), failed=("classification", "failure", "0")),
        "grpc_status": Column(("grpc_status_code",)),
        "flags": Column(("error",)),
        "tls": Column(("tls",)),
    }
    if reporter is Reporter.SOURCE:
        columns |= _caller() | {
            "destination_workload": Column(tuple(f"dst_{kind}" for kind in _KINDS)),
            "destination_service": Column(("dst_service",)),
            "destination_namespace": Column(("dst_namespace",)),
            "destination_version": Column(("dst_version",)),
            "destination_rollout_hash": Column(("dst_rollouts_pod_template_hash",)),
            "destination_template_hash": Column(("dst_pod_template_hash",)),
            "destination_principal": Column(("server_id",)),
        }
    else:
        columns |= _called()
    return Family(
        requests=LEGACY,
        durations="response_latency_ms_bucket",
        unit_ms=1.0,
        columns=MappingProxyType(columns),
        matchers=(equal("direction", _DIRECTION[reporter]),),
    )


def _route(reporter: Reporter, requests: str) -> Family:
    grpc = "bound_grpc_" in requests
    columns = {"flags": Column(("error",)), "protocol": Column(constant="grpc" if grpc else "http")}
    if grpc:
        columns["grpc_status"] = Column(("grpc_status", "status"), spelling=_GRPC)
    else:
        columns["code"] = Column(("http_status", "status"), failed=("error", ".+", "0"))
    if reporter is Reporter.SOURCE:
        at = "backend" if "_backend_" in requests else "parent"
        columns |= _caller() | {
            "destination_service": Column((f"{at}_name",)),
            "destination_namespace": Column((f"{at}_namespace",)),
            "destination_host": Column(("parent_name",)),
        }
    else:
        columns |= _called()
    stem = requests.removesuffix("_statuses_total")
    # inbound_http_statuses_total stands beside inbound_http_response_duration_seconds.
    stem = stem if stem.endswith(("_response", "_request")) else f"{stem}_response"
    return Family(requests, f"{stem}_duration_seconds_bucket", 1000.0, MappingProxyType(columns))


def linkerd(seen: Set[str], directions: Set[str], options: MeshOptions = PLAIN) -> Dialect:
    """Linkerd's words, as far as a store has them.

    Parameters
    ----------
    seen : set of str
        The metrics of `LEGACY` and `ROUTES` that the store holds.
    directions : set of str
        ``outbound`` and ``inbound``, as far as the legacy counter has them.
    options : MeshOptions
    """
    views = {}
    for reporter in Reporter:
        pairs = (tuple(name for name in pair if name in seen) for pair in ROUTES[reporter])
        routes = next((pair for pair in pairs if pair), ())
        legacy = _DIRECTION[reporter] in directions or not (routes or seen & set(_all_routes()))
        families = (_legacy(reporter),) if legacy else tuple(_route(reporter, name) for name in routes)
        inbound = reporter is Reporter.DESTINATION
        views[reporter] = View(families, service_from_source=inbound, else_workload=not inbound)
    dialect = Dialect(
        name="Linkerd",
        views=MappingProxyType(views),
        own=OWN,
        keeps=(
            (
                "",
                (
                    matches("__name__", "(request|response)_total|response_latency_ms_.*|tcp_.*"),
                    differs("direction", ""),
                ),
            ),
            ("", (matches("__name__", "(outbound|inbound)_(http|grpc|tcp)_.*"),)),
            (
                "",
                (
                    matches(
                        "__name__",
                        "(control_)?identity_cert_.*|route_(request|actual_request|response|retryable)_total",
                    ),
                ),
            ),
            ("up", ()),
        ),
        remedies=MappingProxyType(
            {
                "source": "inject the callers, and scrape their proxies (port 4191)",
                "destination": "inject the service's pods, and scrape their proxies (port 4191)",
                "latency": "keep response_latency_ms or the *_duration_seconds histograms when scraping",
            }
        ),
    )
    return dialect.with_options(options)


def _all_routes() -> tuple[str, ...]:
    return tuple(name for pairs in ROUTES.values() for pair in pairs for name in pair)
