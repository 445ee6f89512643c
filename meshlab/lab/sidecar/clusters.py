"""Clusters of a sidecar: its own service, and every service that it calls, with breakers and outlier detection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from meshlab.lab.addresses import APP_PORT, INBOUND_PORT
from meshlab.lab.scenario import Scenario
from meshlab.lab.sidecar import telemetry, tls
from meshlab.lab.sidecar.bootstrap import dynamic
from meshlab.lab.sidecar.messages import Json, assignment, duration, resource, socket
from meshlab.lab.sidecar.routes import APP_CLUSTER
from meshlab.lab.specs.traffic import Breaker, Outlier, Traffic
from meshlab.lab.topology import Replica, Topology, Upstream

__all__ = ["clusters", "endpoints", "upstreams"]

_UNLIMITED: Final = 4_294_967_295
_KIND: Final = "envoy.config.cluster.v3.Cluster"


def upstreams(scenario: Scenario, topology: Topology, replica: Replica) -> list[Upstream]:
    """Every cluster that a sidecar needs to call what its service calls."""
    return [
        upstream
        for service in replica.spec.calls
        for upstream in topology.upstreams(service, mirror=scenario.traffic(service).mirror.version)
    ]


def clusters(scenario: Scenario, topology: Topology, replica: Replica) -> list[Json]:
    """All clusters of a sidecar but that of its control plane."""
    own = resource(
        _KIND,
        name=APP_CLUSTER,
        type="STATIC",
        connect_timeout="1s",
        circuit_breakers=_breakers(Breaker(), APP_CLUSTER),
        load_assignment=assignment(APP_CLUSTER, replica.address, APP_PORT),
    )
    return [own, *(_cluster(scenario, up, replica) for up in upstreams(scenario, topology, replica))]


def endpoints(scenario: Scenario, topology: Topology, replica: Replica, ready: Iterable[Replica]) -> list[Json]:
    """Where the replicas are that may get requests; those in the caller's own cluster come first."""
    up = {replica.pod for replica in ready}
    return [_endpoints(scenario, upstream, replica, up) for upstream in upstreams(scenario, topology, replica)]


def _cluster(scenario: Scenario, upstream: Upstream, caller: Replica) -> Json:
    traffic = scenario.traffic(upstream.service)
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    cluster = resource(
        _KIND,
        name=upstream.cluster,
        type="EDS",
        connect_timeout="1s",
        eds_cluster_config={"eds_config": dynamic(), "service_name": upstream.cluster},
        # Where the whole cluster is gone there is nobody else to ask, and no reason to hammer what was ejected.
        common_lb_config={"healthy_panic_threshold": {"value": 0}},
        circuit_breakers=_breakers(traffic.breaker, upstream.cluster),
        metadata=telemetry.cluster_metadata(upstream),
        typed_extension_protocol_options={
            options: resource(options, explicit_http_config={"http2_protocol_options": {}})
        },
    )
    if traffic.outlier.consecutive_5xx:
        cluster["outlier_detection"] = _outlier(traffic.outlier)
    if caller.name not in traffic.plaintext_from:
        principals = sorted({replica.principal for replica in upstream.replicas if replica.spec.sidecar})
        cluster["transport_socket"] = tls.upstream(upstream.sni, principals)
    return cluster


def _endpoints(scenario: Scenario, upstream: Upstream, caller: Replica, ready: set[str]) -> Json:
    traffic: Traffic = scenario.traffic(upstream.service)
    places = sorted(
        {replica.cluster for replica in upstream.replicas}, key=lambda place: (place != caller.cluster, place)
    )
    localities = []
    for place in places:
        hosts = [
            {
                "endpoint": {"address": socket(replica.address, INBOUND_PORT)},
                "metadata": {"filter_metadata": {telemetry.METADATA: replica.identity}},
            }
            for replica in upstream.replicas
            if replica.cluster == place and replica.pod in ready
        ]
        priority = int(place != caller.cluster) if traffic.failover and caller.cluster in places else 0
        localities.append({"locality": {"region": place}, "priority": priority, "lb_endpoints": hosts})
    return resource(
        "envoy.config.endpoint.v3.ClusterLoadAssignment", cluster_name=upstream.cluster, endpoints=localities
    )


def _breakers(breaker: Breaker, cluster: str) -> Json:
    """Istio's default is circuit breakers that never open."""
    limits: Json = {
        "max_connections": breaker.connections or _UNLIMITED,
        "max_pending_requests": breaker.pending or _UNLIMITED,
        "max_requests": breaker.requests or _UNLIMITED,
        "max_retries": breaker.retries or _UNLIMITED,
    }
    if breaker != Breaker():
        # What remains is meaningful only where there is a limit.
        limits["track_remaining"] = True
    if breaker.budget_percent:
        limits["retry_budget"] = {
            "budget_percent": {"value": breaker.budget_percent},
            "min_retry_concurrency": breaker.budget_min,
        }
    return {"thresholds": [limits]}


def _outlier(outlier: Outlier) -> Json:
    return {
        "consecutive_5xx": outlier.consecutive_5xx,
        "enforcing_consecutive_5xx": 100,
        "enforcing_success_rate": 0,
        "interval": duration(outlier.interval_ms),
        "base_ejection_time": duration(outlier.ejection_ms),
        "max_ejection_percent": outlier.most_percent,
    }
