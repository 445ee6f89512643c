"""Envoy's own cluster statistics, for proxies without a mesh's metrics, and what every Envoy tells of itself.

Names: envoyproxy.io, "Cluster manager: statistics", "TLS statistics", "RBAC filter"; the labels are Envoy's tags, with
``envoy_`` in front as Envoy writes them, or without where the bootstrap names its own tags. Envoy counts what it sends
upstream: there is no view from the called side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

from meshlab.core.selector import Matcher, Op, differs, equal, matches
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View
from meshlab.telemetry.dialects.signal import Signal, Signals
from meshlab.telemetry.dialects.unreached import OUTSIDE

__all__ = [
    "DURATIONS",
    "ENVOY",
    "NO_SERVICE",
    "OWNED",
    "POD",
    "RECORDED",
    "SIGNALS",
    "SPELLINGS",
    "category",
    "code",
    "edges",
    "envoy",
    "is_sent",
    "of_pod",
    "spelling",
]

SPELLINGS: Final = (
    ("envoy_cluster_upstream_rq", "envoy_response_code"),
    ("envoy_cluster_upstream_rq", "response_code"),
    ("envoy_cluster_upstream_rq_xx", "envoy_response_code_class"),
    ("envoy_cluster_upstream_rq_xx", "response_code_class"),
    ("envoy_cluster_upstream_rq", "envoy_response_code_class"),
    ("envoy_cluster_upstream_rq", "response_code_class"),
)
"""Counter and label of the outcome, the best first: each counts all requests, so one is read."""

DURATIONS: Final = "envoy_cluster_upstream_rq_time_bucket"
OWNED: Final = "__name__|le|(envoy_)?(cluster_name|response_code|response_code_class)|envoy_.*"
"""Regular expression of Envoy's own labels."""
RECORDED: Final = (
    (matches("__name__", "envoy_cluster_.*"),),
    (matches("__name__", "envoy_(listener_ssl|sds|http_rbac)_.*|envoy_server_version"),),
)

# Clusters that Istio's control plane names: outbound|80|v1|catalog.shop.svc.cluster.local
_ISTIO: Final = r"outbound\|\d+\|"
_ASK: Final = r"outbound\|[0-9]+\|"

_OWN: Final = (
    # What comes in is the pod's own business.
    r"inbound\|\d*\|.*|InboundPassthroughCluster(Ipv[46])?|inbound_passthrough_ipv[46]|"
    r"local_app|localhost[_:]\d+|self_inbound.*|"
    # What a proxy asks its control plane, and what asks the proxy.
    r"(xds|sds)-grpc|xds_cluster|ads_cluster|agent|local_agent|prometheus_(stats|backend)|zipkin|"
    r"(kuma|consul)_envoy_admin|kuma_(dns|metrics|readiness|dynconf).*|_?kuma[:_].*|access_log_sink|"
    r"self_admin|meshtrace_.*"
)
NO_SERVICE: Final = (
    # Traffic to nowhere that is known is a category, not a service.
    rf"(?s){_OWN}|PassthroughCluster|BlackHoleCluster|outbound_passthrough_ipv[46]|original-destination"
)
"""Regular expression of clusters that are no service, in the names that meshes give them."""


def is_sent(label: str) -> Matcher:
    """What leaves out a proxy's own clusters: what comes in, and its control plane."""
    return Matcher(label, Op.MATCHES_NOT, _OWN)


def _host(label: str) -> Column:
    return Column((label,), cut=_ISTIO + r"[^|]*\|([^|]+)", whole=False, ask=_ASK + r"[^|]*\|{}")


POD: Final = {name: Column((name,)) for name in ("cluster", "namespace", "pod", "instance")}
"""Which proxy tells something of itself."""


def of_pod(metric: str, *matchers: Matcher, constants: dict[str, str] | None = None, **labels: str) -> Signal:
    """A signal of one proxy: its `POD`, and more columns by their labels."""
    return Signal(metric, {**POD, **{c: Column((label,)) for c, label in labels.items()}}, matchers, constants or {})


_COUNTERS: Final = {
    "upstream_rq_total": "sent",
    "upstream_rq_completed": "completed",
    "upstream_rq_retry": "retry",
    "upstream_rq_retry_success": "retry_success",
    "upstream_rq_retry_overflow": "retry_overflow",
    "upstream_rq_retry_limit_exceeded": "retry_limit_exceeded",
    "upstream_rq_per_try_timeout": "per_try_timeout",
    "upstream_rq_timeout": "timeout",
    "upstream_rq_pending_overflow": "pending_overflow",
    "upstream_rq_active_overflow": "active_overflow",
    "upstream_cx_overflow": "cx_overflow",
    "upstream_cx_connect_fail": "connect_fail",
    "upstream_cx_none_healthy": "none_healthy",
    "outlier_detection_ejections_enforced_total": "ejections",
}
_RETRIES: Final = {f"envoy_cluster_{name}": what for name, what in _COUNTERS.items()}
_BREAKER: Final = r"envoy_cluster_circuit_breakers_(default|high)_"

_EDGE: Final = {
    "source": Column(("deployment", "statefulset", "daemonset")),
    "source_namespace": Column(("namespace",)),
    # Istio writes direction|port|subset|host; plain Envoy's clusters bear whatever name they were given.
    "destination_host": Column(
        ("envoy_cluster_name", "cluster_name"),
        cut=r"(?s)(?:[^|]*\|\d*\|[^|]*\|(?=.))?(.+)",
        whole=False,
        never=NO_SERVICE,
    ),
}


def edges(edge: Mapping[str, Column]) -> Signals:
    """What a proxy says of its own retries and breakers, with the dimensions that tell who calls whom."""
    return {
        "retries": (
            Signal(
                "",
                {**edge, "metric": Column(("__name__",), spelling=_RETRIES)},
                (matches("__name__", "|".join(_RETRIES)),),
            ),
        ),
        "breakers": (
            Signal(
                "",
                {**edge, "gauge": Column(("__name__",), cut=f"{_BREAKER.replace('(', '(?:')}(.*)")},
                (matches("__name__", f"{_BREAKER}(cx|cx_pool|rq|rq_pending|rq_retry)_open"),),
            ),
            Signal("envoy_cluster_outlier_detection_ejections_active", edge, constants={"gauge": "ejected"}),
        ),
    }


def _certificates(side: str, view: str) -> Signal:
    metric = f"envoy_{side}_ssl_certificate_expiration_unix_time_seconds"
    return of_pod(metric, name="envoy_tls_certificate", constants={"view": view})


def _rejections(kind: str) -> Signal:
    return of_pod(f"envoy_sds_{kind}", resource="envoy_xds_resource_name", constants={"kind": kind})


# Istio writes address and port into the metric's name, and the result into a label.
_INBOUND_RBAC: Final = matches("__name__", "envoy_http_inbound_.+_rbac")
_DRY_RUN: Final = "authz_dry_run_result"

SIGNALS: Final[Signals] = {
    "certificates": (_certificates("listener", "served"), _certificates("cluster", "presented")),
    "rejections": (_rejections("key_rotation_failed"), _rejections("update_rejected")),
    "decisions": (
        *(
            of_pod(f"envoy_http_rbac_{result}", constants={"result": result})
            for result in ("allowed", "denied", "shadow_allowed", "shadow_denied")
        ),
        of_pod("", _INBOUND_RBAC, equal(_DRY_RUN, ""), result="authz_enforce_result"),
        Signal("", {**POD, "result": Column((_DRY_RUN,), form="shadow_{}")}, (_INBOUND_RBAC, differs(_DRY_RUN, ""))),
    ),
    "tls_versions": (of_pod("envoy_listener_ssl_versions", version="envoy_ssl_version"),),
    "tls_ciphers": (of_pod("envoy_listener_ssl_ciphers", cipher="envoy_ssl_cipher"),),
    **edges(_EDGE),
    "in_flight": (
        Signal(
            "envoy_cluster_upstream_rq_active",
            {
                "instance": Column(("instance",)),
                "upstream": Column(("cluster_name",)),
                "destination_host": _host("cluster_name"),
            },
            namespace="",
        ),
    ),
}
"""What every Envoy exports of itself, whichever mesh it serves."""


def envoy(metric: str, label: str) -> Dialect:
    """Envoy's words.

    Parameters
    ----------
    metric, label : str
        One of `SPELLINGS`.
    """
    cluster = ("envoy_cluster_name" if label.startswith("envoy_") else "cluster_name",)
    columns = {
        "source": Column(("pod", "instance"), exclusive=False),
        "source_namespace": Column(("namespace",)),
        "destination_workload": Column(cluster, never=NO_SERVICE),
        "destination_service": Column(
            cluster, never=NO_SERVICE, cut=_ISTIO + r"[^|]*\|([^.|]+).*", ask=_ASK + r"[^|]*\|{}(\..*)?"
        ),
        "category": category(*cluster),
        "destination_host": _host(*cluster),
        "destination_namespace": Column(
            cluster,
            cut=_ISTIO + r"[^|]*\|[^.|]+\.([^.|]+)\.svc.*",
            whole=False,
            ask=_ASK + r"[^|]*\|[^.|]+\.{}\.svc.*",
        ),
        "destination_version": Column(cluster, cut=_ISTIO + r"([^|]*)\|.*", whole=False, ask=_ASK + r"{}\|.*"),
        "reporter": Column(constant="source"),
        "code": code(label),
    }
    family = Family(
        requests=metric,
        durations=DURATIONS,
        unit_ms=1.0,
        columns=columns,
        matchers=(is_sent(*cluster),),
        outcomes=(differs(label, ""),),
    )
    return dataclasses.replace(ENVOY, views={Reporter.SOURCE: View((family,))})


def spelling(census: Census) -> tuple[str, str] | None:
    """The counter and the label of the outcome that a store has; None where it has none."""
    return next((each for each in SPELLINGS if census.values(census.requests(each[0]), each[1])), None)


def category(label: str) -> Column:
    """Which way out of the mesh a cluster is; empty for one that is no way out."""
    return Column((label,), cut=f"({'|'.join(OUTSIDE)})", whole=False, spelling=dict(OUTSIDE))


def code(label: str) -> Column:
    """The outcome. Envoy's own tag for the class is a digit, others write 5xx."""
    return Column((label,), form="{}xx" if label == "envoy_response_code_class" else "{}")


def _adapt(census: Census) -> Dialect | None:
    found = spelling(census)
    return envoy(*found) if found else None


ENVOY: Final = Dialect(
    name="Envoy",
    looks_for="envoy_cluster_upstream_rq: scrape Envoy's admin port, /stats/prometheus",
    counters=tuple(dict.fromkeys(metric for metric, _ in SPELLINGS)),
    labels=tuple(dict.fromkeys(label for _, label in SPELLINGS)),
    adapt=_adapt,
    stand_in=2,
    views={},
    signals=SIGNALS,
    label_pattern=OWNED,
    recorded_selectors=RECORDED,
    remedies={
        "source": "export cluster.*.upstream_rq_* (stats_matcher) and scrape /stats/prometheus",
        "destination": "Envoy counts what it sends: the called side would need a mesh's metrics",
        "latency": "export cluster.*.upstream_rq_time with histogram buckets",
        "retries": "let the callers' proxies export cluster.* (stats_matcher)",
        "certificates": "export *.ssl.certificate.* (stats_matcher)",
        "tls_versions": "export listener.*.ssl.versions.* (stats_matcher)",
        "tls_ciphers": "export listener.*.ssl.ciphers.* (stats_matcher)",
        "in_flight": "let the callers' proxies export cluster.*.upstream_rq_active (stats_matcher)",
    },
    proxy_containers=("envoy", "envoy-sidecar", "consul-dataplane", "kuma-sidecar"),
)
"""Envoy's words; `envoy` gives those of one spelling."""
