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

from meshlab.lab.topology import Upstream, Workload

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

# Of Envoy's hundreds of cluster counters, those with which retries, breakers and health are judged.
_CLUSTER_STATS: Final = (
    "circuit_breakers.default.rq_open",
    "membership_healthy",
    "membership_total",
    "ssl.handshake",
    "ssl.connection_error",
    "ssl.fail_verify_error",
    "ssl.fail_verify_san",
    "upstream_cx_connect_fail",
    "upstream_cx_total",
    "upstream_rq_completed",
    "upstream_rq_pending_overflow",
    "upstream_rq_per_try_timeout",
    "upstream_rq_retry",
    "upstream_rq_retry_limit_exceeded",
    "upstream_rq_retry_overflow",
    "upstream_rq_retry_success",
    "upstream_rq_timeout",
    "upstream_rq_total",
)


def source_tags(workload: Workload) -> dict[str, str]:
    """Labels of the caller's reports (outbound side); the peer is known from its answer, else from the endpoint."""
    tags = {"reporter": "source"}
    tags |= {f"source_{label}": workload.identity[key] for label, key in _PEER.items()}
    tags["source_principal"] = workload.principal
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


def destination_tags(workload: Workload, *, mutual_tls: bool) -> dict[str, str]:
    """Labels of the called side's reports (inbound side); the peer is known from its request's header."""
    tags = {"reporter": "destination"}
    for label, key in _PEER.items():
        tags[f"source_{label}"] = _first(("DYNAMIC_METADATA", f"{METADATA}:src:{key}"), last=_last(label))
    tags |= {f"destination_{label}": workload.identity[key] for label, key in _PEER.items()}
    tags["source_principal"] = _first(("DOWNSTREAM_PEER_URI_SAN", "")) if mutual_tls else "unknown"
    tags["destination_principal"] = workload.principal if mutual_tls else "unknown"
    tags["destination_service"] = workload.host
    tags["destination_service_name"] = workload.spec.service
    tags["destination_service_namespace"] = workload.namespace
    return tags | _response_tags("mutual_tls" if mutual_tls else "none")


def access_log(tags: dict[str, str]) -> dict[str, Any]:
    """The stats access logger: one counter and one histogram a request, when its stream ends."""
    named = [{"name": name, "value_format": value} for name, value in sorted(tags.items())]
    return {
        "name": "envoy.access_loggers.stats",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config",
            "stats_scope": {"prefix": METADATA},
            "counters": [{"value_fixed": 1, "stat": {"name": "istio_requests_total", "tags": named}}],
            "histograms": [
                {
                    "unit": "Milliseconds",
                    "value_format": "%DURATION%",
                    "stat": {"name": "istio_request_duration_milliseconds", "tags": named},
                }
            ],
        },
    }


def stats_config() -> dict[str, Any]:
    """Which statistics Envoy keeps, and their labels, under Istio's names (``cluster_name``)."""
    wanted = "|".join(name.replace(".", r"\.") for name in _CLUSTER_STATS)
    return {
        "use_all_default_tags": False,
        "stats_tags": [
            {"tag_name": "cluster_name", "regex": r"^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)"},
            {"tag_name": "response_code", "regex": r"_rq(_(\d{3}))$"},
            {"tag_name": "response_code_class", "regex": r"_rq(_(\dxx))$"},
        ],
        "stats_matcher": {
            "inclusion_list": {
                "patterns": [
                    {"prefix": f"{METADATA}."},
                    {
                        "safe_regex": {
                            "regex": rf"cluster\.outbound\|.*\.local\.(retry\.)?(({wanted})|upstream_rq_\dxx)"
                        }
                    },
                ]
            }
        },
    }


def cluster_metadata(upstream: Upstream) -> dict[str, Any]:
    """Metadata of an outbound cluster: the service, known even when no endpoint could be chosen."""
    return {
        "filter_metadata": {
            METADATA: {
                "service": upstream.host,
                "service_name": upstream.service,
                "service_namespace": upstream.namespace,
            }
        }
    }


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
