"""Istio's standard metrics, as its sidecars, gateways and waypoints export them (1.5 and later).

Names and labels: istio.io, "Istio Standard Metrics"; istio/proxy testdata/metric; istio/ztunnel src/proxy/metrics.rs.
The ambient mode's node proxy (ztunnel) counts TCP connections and bytes alone: requests are counted by waypoints.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from meshlab.core.selector import matches, one_of
from meshlab.telemetry.dialects.base import PLAIN, MeshOptions, Reporter
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["OLD_METRICS", "OWN", "istio"]

OLD_METRICS: Final = (
    "istio_request_count",
    "istio_request_duration_seconds_bucket",
    "istio_request_duration_seconds_count",
    "istio_request_duration_seconds_sum",
)
"""What Istio up to 1.4 (Mixer) exported, and no later one does."""

_COLUMNS: Final = MappingProxyType(
    {
        "source": Column(("source_workload",)),
        "source_namespace": Column(("source_workload_namespace",)),
        "source_version": Column(("source_version",)),
        "source_cluster": Column(("source_cluster",)),
        "source_principal": Column(("source_principal",)),
        "destination_workload": Column(("destination_workload",)),
        "destination_service": Column(("destination_canonical_service",)),
        "destination_host": Column(("destination_service",)),
        # The workload's namespace: destination_service_namespace is the host's, and "unknown" for hosts outside.
        "destination_namespace": Column(("destination_workload_namespace",)),
        "destination_version": Column(("destination_version",)),
        "destination_revision": Column(("destination_canonical_revision",)),
        "destination_cluster": Column(("destination_cluster",)),
        "destination_principal": Column(("destination_principal",)),
        "reporter": Column(("reporter",)),
        "protocol": Column(("request_protocol",)),
        "code": Column(("response_code",)),
        "grpc_status": Column(("grpc_response_status",)),
        "flags": Column(("response_flags",)),
        "tls": Column(("connection_security_policy",)),
    }
)

# Labels of the scraped pod: they tell the called pod where the called pod itself reports.
_SCRAPED: Final = {
    "destination_rollout_hash": Column(("rollouts_pod_template_hash",)),
    "destination_template_hash": Column(("pod_template_hash",)),
    # A waypoint speaks for pods that it does not name.
    "destination_instance": Column(
        ("pod", "pod_name", "kubernetes_pod_name", "instance"), exclusive=False, unless=("reporter", "waypoint")
    ),
}

# A gateway or sidecar that calls through a waypoint reports the same edge as the waypoint, and the waypoint knows more:
# it speaks for both sides. Where the called pod has a proxy of its own, that one was nearest.
_PREFERRED: Final = {Reporter.SOURCE: ("waypoint", "source"), Reporter.DESTINATION: ("destination", "waypoint")}

OWN: Final = (
    "__name__|le|reporter|request_protocol|response_code|response_flags|grpc_response_status|"
    "connection_security_policy|"
    "(source|destination)_(workload|workload_namespace|app|version|cluster|principal|canonical_service|"
    "canonical_revision|service|service_name|service_namespace)"
)
"""Pattern of the labels that the proxies set."""


def istio(options: MeshOptions = PLAIN) -> Dialect:
    """Istio's words, sidecar and ambient alike.

    Parameters
    ----------
    options : MeshOptions
    """
    views = {}
    for reporter, preferred in _PREFERRED.items():
        scraped = _SCRAPED if reporter is Reporter.DESTINATION else {}
        family = Family(
            requests="istio_requests_total",
            durations="istio_request_duration_milliseconds_bucket",
            unit_ms=1.0,
            columns=MappingProxyType({**_COLUMNS, **scraped}),
            matchers=(one_of("reporter", sorted(preferred)),),
        )
        views[reporter] = View((family,), preferred)
    dialect = Dialect(
        name="Istio",
        views=MappingProxyType(views),
        own=OWN,
        keeps=(
            ("", (matches("__name__", "istio_.*"),)),
            ("", (matches("__name__", "envoy_cluster_.*"),)),
            # What tells of identities: certificates, handshakes, policies, and the authority that signs.
            (
                "",
                (matches("__name__", "envoy_(listener_ssl|sds)_.*|envoy_http_(inbound_.*_)?rbac.*|citadel_server_.*"),),
            ),
            ("up", ()),
        ),
        connections="istio_tcp_connections_opened_total",
        remedies=MappingProxyType(
            {
                "source": "put the callers into the mesh",
                "destination": "give the service's pods a sidecar, or its namespace a waypoint",
                "latency": "export istio_request_duration_milliseconds and scrape the pods",
            }
        ),
    )
    return dialect.with_options(options)
