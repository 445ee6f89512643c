"""Linkerd's proxy metrics: the legacy ones (``response_total``) and those of the route API (2.16 and later).

Names and labels: linkerd.io, "Proxy Metrics"; linkerd/linkerd2-proxy, linkerd/app/outbound/src/http/logical/policy/
route/metrics/labels.rs and linkerd/app/inbound/src/http/router/metrics. Both count the same requests: the legacy ones
count where a side has them, because they know the workload behind the service.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from typing import Final

from meshlab.core.selector import Matcher, Op, differs, equal, matches
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View
from meshlab.telemetry.dialects.envoy import POD, of_pod
from meshlab.telemetry.dialects.signal import Signal, Signals

__all__ = ["LEGACY", "LINKERD", "ROUTES", "linkerd"]

LEGACY: Final = "response_total"


def _pairs(*names: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(f"{name}_statuses_total".format(kind) for kind in ("http", "grpc")) for name in names)


ROUTES: Final = {
    # A backend's own counters tell the arms of a split apart, those of the route do not.
    Reporter.SOURCE: _pairs("outbound_{}_route_backend_response", "outbound_{}_route_request"),
    Reporter.DESTINATION: _pairs("inbound_{}", "inbound_{}_response", "inbound_{}_request", "inbound_{}_route_request"),
}
"""Counters of each side, HTTP and gRPC: the first pair that is there counts."""

_KINDS: Final = ("deployment", "statefulset", "daemonset")
# What a PodMonitor copies from the pods' labels, in place of Linkerd's own scrape rules.
_POD_LABELS: Final = Column(tuple(f"linkerd_io_proxy_{kind}" for kind in _KINDS))
_CALLERS: Final = {"source": (_POD_LABELS,)}
_CALLED: Final = {"destination_workload": (_POD_LABELS,)}
_DIRECTION: Final = {Reporter.SOURCE: "outbound", Reporter.DESTINATION: "inbound"}

_EVERY_ROUTE: Final = tuple(name for pairs in ROUTES.values() for pair in pairs for name in pair)

_STATUSES: Final = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
    "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
    "UNAUTHENTICATED"
)
_GRPC: Final = {name: str(number) for number, name in enumerate(_STATUSES.split())}
"""Number of each status of gRPC."""


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
        "code": Column(("status_code",), otherwise=("classification", "failure", "0")),
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
        columns=columns,
        matchers=(equal("direction", _DIRECTION[reporter]),),
        counts_attempts=True,
        alternatives=_CALLERS if reporter is Reporter.SOURCE else _CALLED,
    )


def _route(reporter: Reporter, requests: str) -> Family:
    grpc = "bound_grpc_" in requests
    columns = {"flags": Column(("error",)), "protocol": Column(constant="grpc" if grpc else "http")}
    if grpc:
        columns["grpc_status"] = Column(("grpc_status", "status"), spelling=_GRPC)
    else:
        columns["code"] = Column(("http_status", "status"), otherwise=("error", ".+", "0"))
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
    return Family(
        requests,
        f"{stem}_duration_seconds_bucket",
        1000.0,
        columns,
        # Of all counters only those of the routes themselves count a request once.
        counts_attempts="_route_request_" not in requests,
        alternatives=_CALLERS if reporter is Reporter.SOURCE else _CALLED,
    )


def linkerd(names: Set[str], directions: Set[str]) -> Dialect:
    """Linkerd's words, as far as a store has them.

    Parameters
    ----------
    names : set of str
        The metrics of `LEGACY` and `ROUTES` that the store holds.
    directions : set of str
        ``outbound`` and ``inbound``, as far as the legacy counter has them.
    """
    views = {}
    for reporter in Reporter:
        pairs = (tuple(name for name in pair if name in names) for pair in ROUTES[reporter])
        routes = next((pair for pair in pairs if pair), ())
        legacy = _DIRECTION[reporter] in directions or not (routes or names & {*_EVERY_ROUTE})
        families = (_legacy(reporter),) if legacy else tuple(_route(reporter, name) for name in routes)
        inbound = reporter is Reporter.DESTINATION
        views[reporter] = View(families, service_from_source=inbound, fallback_to_workload=not inbound)
    return dataclasses.replace(LINKERD, views=views)


def _adapt(census: Census) -> Dialect | None:
    # Other software may well count response_total; Linkerd's has a direction.
    directions = census.values(census.requests(LEGACY), "direction") | census.values(LEGACY, "direction")
    if directions & {*_DIRECTION.values()} or census.names & {*_EVERY_ROUTE} or census.forced:
        return linkerd(census.names, directions)
    return None


_INBOUND: Final = {
    "source_principal": Column(("client_id",)),
    "destination_workload": Column(_KINDS),
    "destination_namespace": Column(("namespace",)),
    "destination_cluster": Column(("cluster",)),
    "destination_port": Column(("target_port", "srv_port")),
    "tls": Column(("tls",)),
}


def _authorization(protocol: str, decision: str) -> Signal:
    said = {
        "unit": "requests" if protocol == "http" else "connections",
        "protocol": protocol,
        "denied": str(decision != "allow"),
    }
    return Signal(f"inbound_{protocol}_authz_{decision}_total", _INBOUND, constants=said)


_RETRIES: Final = {
    f"outbound_{kind}_route_retry_{name}_total": what
    for kind in ("http", "grpc")
    for name, what in {
        "requests": "retry",
        "successes": "retry_success",
        "limit_exceeded": "retry_limit_exceeded",
        "overflow": "retry_overflow",
    }.items()
}
_EDGE: Final = {
    "source": Column(_KINDS),
    "source_namespace": Column(("namespace",)),
    # Service profiles name the authority, with its port; routes name their parent.
    "destination_host": Column(("dst",), cut=r"(?s)(.*?)(?::\d+)?"),
    "destination_service": Column(("parent_name",)),
    "destination_namespace": Column(("parent_namespace",)),
}


def _edges(names: str, metric: str, *matchers: Matcher) -> Signal:
    """A counter of the source's proxies; the called side counts the routes of service profiles again."""
    return Signal(
        "", _EDGE, (matches("__name__", names), differs("direction", "inbound"), *matchers), {"metric": metric}
    )


_SIGNALS: Final[Signals] = {
    "retries": (
        Signal(
            "",
            {**_EDGE, "metric": Column(("__name__",), spelling=_RETRIES)},
            (matches("__name__", "|".join(_RETRIES)),),
        ),
        _edges("route_retryable_total", "retry_overflow", equal("skipped", "no_budget")),
        # Requests that the proxy gave up before it sent them anywhere were no attempts.
        _edges(
            "route_request_total|outbound_(http|grpc)_route_request_statuses_total",
            "asked",
            Matcher("error", Op.MATCHES_NOT, "FAIL_FAST|LOAD_SHED"),
        ),
        _edges("route_actual_request_total|outbound_(http|grpc)_route_backend_response_statuses_total", "tried"),
    ),
    "connections": (
        Signal(
            "tcp_open_total",
            _INBOUND,
            (equal("direction", "inbound"), equal("peer", "src"), differs("no_tls_reason", "loopback")),
        ),
    ),
    "denials": tuple(
        _authorization(protocol, decision)
        for protocol, decisions in (("http", ("allow", "deny")), ("tcp", ("allow", "deny", "terminate")))
        for decision in decisions
    ),
    "certificates": tuple(
        of_pod(f"{of}identity_cert_expiration_timestamp_seconds", constants={"name": "default", "view": "proxy"})
        for of in ("", "control_")
    ),
    "signing": (
        Signal(
            "",
            {
                **POD,
                "error": Column(("result",)),
                "what": Column(
                    ("result",),
                    cut="(ok)",
                    whole=False,
                    spelling={"ok": "issued"},
                    otherwise=("result", ".*", "refresh"),
                ),
            },
            (matches("__name__", "(control_)?identity_cert_refreshes_total"),),
        ),
    ),
}

LINKERD: Final = Dialect(
    name="Linkerd",
    looks_for="response_total or outbound_http_route_*: on by default, scrape the proxies (port 4191, /metrics)",
    counters=(LEGACY, *_EVERY_ROUTE),
    labels=("direction",),
    adapt=_adapt,
    views={},
    signals=_SIGNALS,
    label_pattern=(
        "__name__|le|direction|authority|tls|no_tls_reason|classification|status_code|grpc_status_code|error|peer|"
        "hostname|client_id|server_id|target_addr|target_ip|target_port|http_status|grpc_status|status|"
        "(srv|authz|saz)_.*|(dst|rt|route|parent|backend)(_.*)?|skipped"
    ),
    recorded_selectors=(
        (matches("__name__", "(request|response)_total|response_latency_ms_.*|tcp_.*"), differs("direction", "")),
        (matches("__name__", "(outbound|inbound)_(http|grpc|tcp)_.*"),),
        (matches("__name__", "(control_)?identity_cert_.*|route_(request|actual_request|response|retryable)_total"),),
    ),
    remedies={
        "source": "inject the callers, and scrape their proxies (port 4191)",
        "destination": "inject the service's pods, and scrape their proxies (port 4191)",
        "latency": "keep response_latency_ms or the *_duration_seconds histograms when scraping",
        "requests": "Linkerd counts no requests on opaque ports, only connections",
        "retries": "scrape the callers' proxies (port 4191): retries are counted once a route is allowed to retry",
        "certificates": "scrape the proxies (port 4191): identity_cert_expiration_timestamp_seconds",
        "signing": "scrape the proxies (port 4191): identity_cert_refreshes_total",
    },
    proxy_containers=("linkerd-proxy",),
    renew_after=0.7,
)
"""Linkerd's words; `linkerd` gives those that a store has."""
