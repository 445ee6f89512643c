"""OpenTelemetry's HTTP and RPC metrics, as instrumented services report them themselves.

Names: opentelemetry.io, "Semantic conventions for HTTP metrics" (stable, and those before 1.23), "RPC metrics"; in
Prometheus, "OpenTelemetry compatibility": resource attributes are ``job`` (namespace/name) and ``instance``. A server
reports as the destination, a client as the source.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from typing import Final

from meshlab.core.selector import matches
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["OPENTELEMETRY", "opentelemetry"]

_HTTP: Final = ("http_{}_request_duration_seconds", "http_{}_duration_milliseconds", "http_{}_duration_seconds")
"""Histograms of one side, the newest first: where several are there they count the same requests."""
_RPC: Final = ("rpc_{}_duration_milliseconds", "rpc_{}_duration_seconds")
_SIDES: Final = {Reporter.SOURCE: "client", Reporter.DESTINATION: "server"}

_JOB_NAME: Final = Column(("job",), cut="(?:.*/)?([^/]+)", ask="(.*/)?{}")
_JOB_NAMESPACE: Final = Column(("job",), cut="(.+)/[^/]+", whole=False, ask="{}/[^/]+")
_KUBERNETES: Final = r"\.svc(?:\..*)?"


def _peer(*labels: str) -> dict[str, Column]:
    """Whom a client called: an address, which in Kubernetes tells service and namespace."""
    return {
        "destination_host": Column(labels, exclusive=False),
        "destination_service": Column(labels, exclusive=False, cut=rf"([^.]+)\.[^.]+{_KUBERNETES}"),
        "destination_namespace": Column(labels, exclusive=False, cut=rf"[^.]+\.([^.]+){_KUBERNETES}", whole=False),
    }


def _columns(reporter: Reporter) -> tuple[dict[str, Column], dict[str, tuple[Column, ...]]]:
    side = reporter.value
    name = "source" if reporter is Reporter.SOURCE else "destination_service"
    columns = {
        name: Column(("service_name",)),
        f"{side}_namespace": Column(("service_namespace", "k8s_namespace_name"), exclusive=False),
        f"{side}_version": Column(("service_version",)),
        "reporter": Column(constant=side),
        "flags": Column(("error_type",)),
    }
    if reporter is Reporter.SOURCE:
        columns |= _peer("server_address", "net_peer_name")
    else:
        columns |= {
            "destination_workload": Column(
                ("k8s_deployment_name", "k8s_statefulset_name", "k8s_daemonset_name"), exclusive=False
            ),
            "destination_instance": Column(("k8s_pod_name", "service_instance_id", "instance"), exclusive=False),
        }
    return columns, {name: (_JOB_NAME,), f"{side}_namespace": (_JOB_NAMESPACE,)}


def _family(reporter: Reporter, histogram: str) -> Family:
    columns, instead = _columns(reporter)
    rpc = histogram.startswith("rpc_")
    if rpc:
        columns |= {"grpc_status": Column(("rpc_grpc_status_code",)), "protocol": Column(constant="grpc")}
    else:
        # A request without an answer has no status, only the type of its error.
        codes = ("http_response_status_code", "http_status_code")
        columns |= {"code": Column(codes, otherwise=("error_type", ".+", "0")), "protocol": Column(constant="http")}
    return Family(
        requests=f"{histogram}_count",
        durations=f"{histogram}_bucket",
        unit_ms=1000.0 if histogram.endswith("_seconds") else 1.0,
        columns=columns,
        alternatives=instead,
        # A client that tries again measures each attempt.
        counts_attempts=reporter is Reporter.SOURCE,
    )


def opentelemetry(names: Set[str]) -> Dialect:
    """OpenTelemetry's words, as far as a store has them.

    Parameters
    ----------
    names : set of str
        The counters that the store holds.
    """
    views = {}
    for reporter, side in _SIDES.items():
        there = [
            [name for name in (pattern.format(side) for pattern in kind) if f"{name}_count" in names]
            for kind in (_HTTP, _RPC)
        ]
        families = tuple(_family(reporter, kind[0]) for kind in there if kind)
        if families:
            views[reporter] = View(families)
    return dataclasses.replace(OPENTELEMETRY, views=views)


def _adapt(census: Census) -> Dialect | None:
    names = census.names & {*OPENTELEMETRY.counters}
    return opentelemetry(names) if names else None


OPENTELEMETRY: Final = Dialect(
    name="OpenTelemetry",
    looks_for="http_server_request_duration_seconds and http_client_request_duration_seconds: instrument the services",
    counters=tuple(f"{p.format(side)}_count" for side in _SIDES.values() for p in (*_HTTP, *_RPC)),
    adapt=_adapt,
    stand_in=3,
    views={},
    label_pattern="__name__|le|(http|network|net|url|server|client|rpc|error|user_agent|otel_scope)_.*",
    recorded_selectors=((matches("__name__", "(http|rpc)_(client|server)_.*|target_info"),),),
    remedies={
        "source": "instrument the callers' HTTP clients (http_client_request_duration_seconds)",
        "destination": "instrument the service's HTTP server (http_server_request_duration_seconds)",
        "latency": "keep the histograms' buckets (explicit bucket histograms)",
    },
)
"""OpenTelemetry's words; `opentelemetry` gives those that a store has."""
