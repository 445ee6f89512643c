"""What a sidecar exports: Istio's standard metrics from Envoy's stats access logger, and a few of Envoy's own.

The metric names come out as ``envoy_mesh_istio_requests_total``; Prometheus renames them to Istio's own names
(see `meshlab.lab.prometheus`), because Envoy always puts ``envoy_`` in front.

References
----------
Istio standard metrics: istio.io/latest/docs/reference/config/metrics. The fallbacks ``unknown`` and, for canonical
revisions, ``latest`` are those of Istio's proxy.
"""

from __future__ import annotations

import json
from typing import Any, Final

from meshlab.lab.sidecar.messages import named
from meshlab.lab.topology import Replica, Upstream

__all__ = [
    "ENVIRONMENT",
    "METADATA",
    "access_log",
    "cluster_metadata",
    "destination_tags",
    "source_tags",
    "stats_config",
]

METADATA: Final = "mesh"
"""Namespace of the dynamic, endpoint and cluster metadata which carry identities."""

ENVIRONMENT: Final = {"MESH_UNKNOWN": "unknown", "MESH_LATEST": "latest"}
"""Environment of every sidecar. COALESCE has no literal operand: its last resort is a variable."""

# Istio's label -> the key under which identities carry it.
_PEER: Final = {
    "workload": "workload",
    "workload_namespace": "namespace",
    "app": "app",
    "version": "version",
    "cluster": "cluster",
    "canonical_service": "service",
    "canonical_revision": "revision",
}

# Of Envoy's hundreds of counters, those with which retries, breakers, health and security are judged.
_CLUSTER_STATS: Final = (
    r"circuit_breakers\.default\.(cx|rq|rq_pending|rq_retry)_open",
    r"circuit_breakers\.default\.remaining_(cx|pending|retries|rq)",
    r"lb_healthy_panic",
    r"membership_(change|excluded|healthy|total)",
    r"outlier_detection\.(ejections_active|ejections_enforced_total|ejections_enforced_consecutive_5xx)",
    r"ssl\.(handshake|connection_error|fail_verify_error|fail_verify_san)",
    r"ssl\.(versions|certificate)\..*",
    r"upstream_cx_(active|connect_fail|connect_timeout|destroy_with_active_rq|overflow|total)",
    r"upstream_rq_(active|cancelled|completed|per_try_timeout|rx_reset|timeout|total|tx_reset)",
    r"upstream_rq_(active|pending|retry)_overflow",
    r"upstream_rq_pending_(active|failure_eject)",
    r"upstream_rq_retry(_limit_exceeded|_success)?",
    r"(retry\.)?upstream_rq_[1-5]xx",
)
_OTHER_STATS: Final = (
    r"listener\.inbound\.(downstream_cx_total|no_filter_chain_match)",
    r"listener\.inbound\.ssl\.(handshake|connection_error|no_certificate|fail_verify_.*|versions\..*|ciphers\..*)",
    r"listener\.inbound\.ssl\.certificate\..*",
    r"listener\.inbound\.server_ssl_socket_factory\.ssl_context_update_by_sds",
    r"http\.(inbound|outbound)\.(rbac\..*|fault\.(aborts|delays)_injected|downstream_rq_(rx_reset|tx_reset|total))",
    r"http\.inbound\..*(allowed|denied).*",
    r"server\.days_until_first_cert_expiring",
)
_DEFAULT_TAGS: Final = (
    "cipher_suite",
    "envoy.http_conn_manager_prefix",
    "envoy.listener_address",
    "envoy.rbac_http_prefix",
    "envoy.rbac_policy_name",
    "envoy.ssl_cipher",
    "envoy.ssl_version",
    "envoy.tls_certificate",
)
_FEW_BUCKETS: Final = {
    "istio_request_bytes": [100, 1_000, 10_000, 100_000],
    "istio_response_bytes": [100, 1_000, 10_000],
}


def source_tags(replica: Replica) -> dict[str, str]:
    """Labels of the caller's reports (outbound side); the peer is known from its answer, else from the endpoint."""
    tags = {"reporter": "source"}
    tags |= {f"source_{label}": replica.identity[key] for label, key in _PEER.items()}
    tags["source_principal"] = replica.principal
    for label, key in _PEER.items():
        tags[f"destination_{label}"] = _first(
            ("DYNAMIC_METADATA", f"{METADATA}:dst:{key}"), ("UPSTREAM_METADATA", f"{METADATA}:{key}"), last=_last(label)
        )
    tags["destination_principal"] = _first(("UPSTREAM_PEER_URI_SAN", ""))
    tags["destination_service"] = _first(("CLUSTER_METADATA", f"{METADATA}:service"), ("REQ", ":authority"))
    tags["destination_service_name"] = _first(("CLUSTER_METADATA", f"{METADATA}:service_name"))
    tags["destination_service_namespace"] = _first(("CLUSTER_METADATA", f"{METADATA}:service_namespace"))
    # The caller cannot see whether the other side demanded TLS: Istio reports unknown here, always.
    return tags | _response_tags("unknown")


def destination_tags(replica: Replica, *, mutual_tls: bool) -> dict[str, str]:
    """Labels of the called side's reports (inbound side); the peer is known from its request's header."""
    tags = {"reporter": "destination"}
    for label, key in _PEER.items():
        tags[f"source_{label}"] = _first(("DYNAMIC_METADATA", f"{METADATA}:src:{key}"), last=_last(label))
    tags |= {f"destination_{label}": replica.identity[key] for label, key in _PEER.items()}
    tags["source_principal"] = _first(("DOWNSTREAM_PEER_URI_SAN", "")) if mutual_tls else "unknown"
    tags["destination_principal"] = replica.principal if mutual_tls else "unknown"
    tags["destination_service"] = replica.host
    tags["destination_service_name"] = replica.spec.service
    tags["destination_service_namespace"] = replica.namespace
    return tags | _response_tags("mutual_tls" if mutual_tls else "none")


def access_log(tags: dict[str, str]) -> dict[str, Any]:
    """The stats access logger: one counter and one histogram a request, when its stream ends."""
    labels = [{"name": name, "value_format": value} for name, value in sorted(tags.items())]
    return named(
        "envoy.access_loggers.stats",
        "envoy.extensions.access_loggers.stats.v3.Config",
        stats_scope={"prefix": METADATA},
        counters=[{"value_fixed": 1, "stat": {"name": "istio_requests_total", "tags": labels}}],
        histograms=[
            {"unit": unit, "value_format": value, "stat": {"name": name, "tags": labels}}
            for name, unit, value in (
                ("istio_request_duration_milliseconds", "Milliseconds", "%DURATION%"),
                ("istio_request_bytes", "Bytes", "%BYTES_RECEIVED%"),
                ("istio_response_bytes", "Bytes", "%BYTES_SENT%"),
            )
        ],
    )


def stats_config() -> dict[str, Any]:
    """Which statistics Envoy keeps, and their labels: those of clusters under Istio's names, the rest under Envoy's."""
    patterns = [rf"cluster\.outbound\|.*\.local\.({'|'.join(_CLUSTER_STATS)})", *_OTHER_STATS]
    return {
        "use_all_default_tags": False,
        "stats_tags": [
            {"tag_name": "cluster_name", "regex": r"^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)"},
            {"tag_name": "response_code", "regex": r"_rq(_(\d{3}))$"},
            {"tag_name": "response_code_class", "regex": r"_rq(_(\dxx))$"},
            # Without a regex: Envoy's own.
            *({"tag_name": name} for name in _DEFAULT_TAGS),
        ],
        "histogram_bucket_settings": [
            {"match": {"contains": name}, "buckets": buckets} for name, buckets in _FEW_BUCKETS.items()
        ],
        "stats_matcher": {
            "inclusion_list": {
                "patterns": [
                    {"prefix": f"{METADATA}."},
                    *({"safe_regex": {"regex": pattern}} for pattern in patterns),
                ]
            }
        },
    }


def cluster_metadata(upstream: Upstream) -> dict[str, Any]:
    """Metadata of an outbound cluster: the service, known even when no endpoint could be chosen."""
    service = {"service": upstream.host, "service_name": upstream.service, "service_namespace": upstream.namespace}
    return {"filter_metadata": {METADATA: service}}


def _response_tags(security: str) -> dict[str, str]:
    # grpc_response_status is left out: the lab speaks plain HTTP, and Istio's label is empty there.
    return {
        "request_protocol": "http",
        "response_code": "%RESPONSE_CODE%",
        "response_flags": "%RESPONSE_FLAGS%",
        "connection_security_policy": security,
    }


def _last(label: str) -> str:
    return "MESH_LATEST" if label == "canonical_revision" else "MESH_UNKNOWN"


def _first(*operators: tuple[str, str], last: str = "MESH_UNKNOWN") -> str:
    """Envoy's COALESCE: the first operator with a value, at last an environment variable."""
    chain = [*operators, ("ENVIRONMENT", last)]
    operands = [{"command": command, "param": param} if param else {"command": command} for command, param in chain]
    return f"%COALESCE({json.dumps({'operators': operands}, separators=(',', ':'))})%"
