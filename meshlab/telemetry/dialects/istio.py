"""Istio's standard metrics, as its sidecars, gateways and waypoints export them (1.5 and later).

Names and labels: istio.io, "Istio Standard Metrics"; istio/proxy testdata/metric; istio/ztunnel src/proxy/metrics.rs.
The ambient mode's node proxy (ztunnel) counts TCP connections and bytes alone: requests are counted by waypoints.
"""

from __future__ import annotations

from typing import Final

from meshlab.core.selector import Matcher, equal, matches, one_of
from meshlab.telemetry.dialects import envoy
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, Outdated, View
from meshlab.telemetry.dialects.signal import Signal, Signals
from meshlab.telemetry.dialects.unreached import OUTSIDE

__all__ = ["ISTIO"]

_COLUMNS: Final = {
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
    "category": Column(
        ("destination_service_name",), cut=f"({'|'.join(OUTSIDE)})", whole=False, spelling=dict(OUTSIDE)
    ),
    "reporter": Column(("reporter",)),
    "protocol": Column(("request_protocol",)),
    "code": Column(("response_code",)),
    "grpc_status": Column(("grpc_response_status",)),
    "flags": Column(("response_flags",)),
    "tls": Column(("connection_security_policy",)),
}

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


_PASSTHROUGH: Final = "(Inbound)?PassthroughCluster(Ipv[46])?|BlackHoleCluster"
_HOST: Final = Column(
    ("destination_service",),
    cut=r"([^.]+)\.[^.]+\.svc(?:\..*)?(?::\d+)?",
    ask=r"{}\.[^.]+\.svc(\..*)?(:[0-9]+)?",
    never=_PASSTHROUGH,
)
# Stores that have dropped labels to save series; traffic to nowhere that is known stays without a name.
_INSTEAD: Final = {
    "source": (Column(("source_canonical_service",)), Column(("source_app",))),
    "source_version": (Column(("source_canonical_revision",)),),
    "destination_service": (
        Column(("destination_service_name",), never=_PASSTHROUGH),
        _HOST,
        Column(("destination_app",)),
        Column(("destination_workload",)),
    ),
    "destination_host": (Column(("destination_service_name",)),),
    "destination_namespace": (Column(("destination_service_namespace",)),),
    "destination_version": (Column(("destination_canonical_revision",)),),
}


def _view(reporter: Reporter) -> View:
    preferred = _PREFERRED[reporter]
    family = Family(
        requests="istio_requests_total",
        durations="istio_request_duration_milliseconds_bucket",
        unit_ms=1.0,
        columns=_COLUMNS | (_SCRAPED if reporter is Reporter.DESTINATION else {}),
        matchers=(one_of("reporter", sorted(preferred)),),
        alternatives=_INSTEAD,
    )
    return View((family,), preferred)


_TCP: Final = {
    name: _COLUMNS[name]
    for name in (
        "source",
        "source_namespace",
        "source_principal",
        "destination_workload",
        "destination_service",
        "destination_host",
        "destination_namespace",
        "destination_principal",
        "destination_cluster",
        "flags",
        "tls",
    )
} | {
    # ztunnel is recognised by its app's label, or by the job that scrapes it.
    "proxy": Column(
        ("app",), cut="(ztunnel)", whole=False, spelling={"ztunnel": "node"}, otherwise=("job", ".*ztunnel.*", "node")
    )
}


def _tcp(name: str, *matchers: Matcher, **constants: str) -> Signal:
    """A counter of connections as the called side reports it."""
    called = one_of("reporter", sorted(_PREFERRED[Reporter.DESTINATION]))
    return Signal(f"istio_tcp_{name}_total", _TCP, (called, *matchers), constants, "destination_workload_namespace")


def _authority(metric: str, name: str, view: str) -> Signal:
    # The authority signs for all namespaces, and stands in its own.
    return Signal(f"citadel_server_{metric}", envoy.POD, constants={"name": name, "view": view}, namespace="")


_SIGNING: Final = {
    "csr_count": "asked",
    "success_cert_issuance_count": "issued",
    "authentication_failure_count": "authentication",
    "csr_parsing_err_count": "parsing",
    "id_extraction_err_count": "identity",
    "csr_sign_err_count": "signing",
}
_ENVOY_AHEAD: Final = "8"
"""Istio 1.N is made with Envoy 1.(N + 8)."""
_AGENT: Final = Signal(
    "istio_agent_cert_expiry_seconds",
    {**envoy.POD, "name": Column(("resource_name",))},
    constants={"view": "agent"},
    seconds_left=True,
)

_SIGNALS: Final[Signals] = {
    **envoy.SIGNALS,
    "connections": (_tcp("connections_opened"),),
    "bytes": (_tcp("sent_bytes"), _tcp("received_bytes")),
    "denials": (
        _tcp("connections_failed", equal("response_flags", "DENY"), unit="connections", protocol="tcp", denied="True"),
    ),
    "certificates": (
        *envoy.SIGNALS["certificates"],
        _AGENT,
        _authority("root_cert_expiry_timestamp", "ROOTCA", "root"),
        _authority("cert_chain_expiry_timestamp", "intermediate", "intermediate"),
    ),
    "builds": (
        Signal(
            "istio_build",
            {**envoy.POD, "version": Column(("tag",))},
            (equal("component", "proxy"),),
            constants={"ahead": _ENVOY_AHEAD},
        ),
    ),
    "signing": tuple(
        envoy.of_pod(f"citadel_server_{name}", constants={"what": what}, error="error")
        for name, what in _SIGNING.items()
    ),
}

ISTIO: Final = Dialect(
    name="Istio",
    looks_for="istio_requests_total: on by default, scrape the sidecars, gateways and waypoints (port 15020, "
    "/stats/prometheus)",
    counters=("istio_requests_total", "istio_tcp_connections_opened_total"),
    labels=("reporter",),
    outdated=Outdated(
        metrics=(
            "istio_request_count",
            "istio_request_duration_seconds_bucket",
            "istio_request_duration_seconds_count",
            "istio_request_duration_seconds_sum",
        ),
        current=("istio_requests_total", matches("destination_canonical_service", ".+")),
        what="Istio 1.4 or older ({}), whose Mixer meshlab does not read",
        upgrade="upgrade to Istio 1.5 or later, whose proxies export istio_request_duration_milliseconds",
    ),
    views={reporter: _view(reporter) for reporter in Reporter},
    signals=_SIGNALS,
    label_pattern=(
        "__name__|le|reporter|request_protocol|response_code|response_flags|grpc_response_status|"
        "connection_security_policy|"
        "(source|destination)_(workload|workload_namespace|app|version|cluster|principal|canonical_service|"
        "canonical_revision|service|service_name|service_namespace)"
    ),
    recorded_selectors=(
        (matches("__name__", "istio_.*"),),
        (matches("__name__", "envoy_cluster_.*"),),
        # What tells of identities: certificates, handshakes, policies, and the authority that signs.
        (matches("__name__", "envoy_(listener_ssl|sds)_.*|envoy_http_(inbound_.*_)?rbac.*|citadel_server_.*"),),
    ),
    remedies={
        "source": "put the callers into the mesh",
        "destination": "give the service's pods a sidecar, or its namespace a waypoint",
        "latency": "export istio_request_duration_milliseconds and scrape the pods",
        "requests": "ztunnel counts no requests: give its namespace a waypoint",
        "retries": "annotate the callers with proxy.istio.io/config: proxyStatsMatcher.inclusionRegexps "
        '[".*upstream_rq_.*", ".*circuit_breakers.*", ".*outlier_detection.*"]',
        "certificates": "let Prometheus scrape the agents (istio_agent_cert_expiry_seconds), or export "
        "*.ssl.certificate.* with proxyStatsMatcher",
        "signing": "let Prometheus scrape istiod (port 15014)",
        "tls_versions": "export listener.*.ssl.versions.* with proxyStatsMatcher",
        "tls_ciphers": "export listener.*.ssl.ciphers.* with proxyStatsMatcher",
        "in_flight": "let the callers' proxies export cluster.*.upstream_rq_active with proxyStatsMatcher",
    },
    proxy_containers=("istio-proxy",),
    root_namespace="istio-system",
)
"""Istio's words, sidecar and ambient alike."""
