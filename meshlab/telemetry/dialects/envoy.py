"""Envoy's own cluster statistics, for proxies without a mesh's metrics.

Names: envoyproxy.io, "Cluster manager: statistics"; the labels are Envoy's tags, with ``envoy_`` in front as Envoy
writes them, or without where the bootstrap names its own tags. Envoy counts what it sends upstream: there is no view
from the called side.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from meshlab.core.selector import differs, matches
from meshlab.telemetry.dialects.base import PLAIN, MeshOptions, Reporter
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["OWN", "SPELLINGS", "envoy"]

SPELLINGS: Final = (
    ("envoy_cluster_upstream_rq", "envoy_response_code"),
    ("envoy_cluster_upstream_rq", "response_code"),
    ("envoy_cluster_upstream_rq_xx", "envoy_response_code_class"),
    ("envoy_cluster_upstream_rq_xx", "response_code_class"),
    ("envoy_cluster_upstream_rq", "envoy_response_code_class"),
    ("envoy_cluster_upstream_rq", "response_code_class"),
)
"""Counter and label of the outcome, the best first: each counts all requests, so one is read."""

OWN: Final = "__name__|le|(envoy_)?(cluster_name|response_code|response_code_class)|envoy_.*"
"""Pattern of the labels that Envoy sets."""

# Clusters that Istio's control plane names: outbound|80|v1|catalog.shop.svc.cluster.local
_ISTIO: Final = r"outbound\|\d+\|"
_ASK: Final = r"outbound\|[0-9]+\|"


def envoy(metric: str, label: str, options: MeshOptions = PLAIN) -> Dialect:
    """Envoy's words.

    Parameters
    ----------
    metric, label : str
        One of `SPELLINGS`.
    options : MeshOptions
    """
    cluster = ("envoy_cluster_name" if label.startswith("envoy_") else "cluster_name",)
    # Envoy's own tag for the class is a digit, others write 5xx.
    form = "{}xx" if label == "envoy_response_code_class" else "{}"
    columns = {
        "source": Column(("pod", "instance"), exclusive=False),
        "source_namespace": Column(("namespace",)),
        "destination_workload": Column(cluster),
        "destination_service": Column(cluster, cut=_ISTIO + r"[^|]*\|([^.|]+).*", ask=_ASK + r"[^|]*\|{}(\..*)?"),
        "destination_host": Column(cluster, cut=_ISTIO + r"[^|]*\|([^|]+)", whole=False, ask=_ASK + r"[^|]*\|{}"),
        "destination_namespace": Column(
            cluster,
            cut=_ISTIO + r"[^|]*\|[^.|]+\.([^.|]+)\.svc.*",
            whole=False,
            ask=_ASK + r"[^|]*\|[^.|]+\.{}\.svc.*",
        ),
        "destination_version": Column(cluster, cut=_ISTIO + r"([^|]*)\|.*", whole=False, ask=_ASK + r"{}\|.*"),
        "reporter": Column(constant="source"),
        "code": Column((label,), form=form),
    }
    family = Family(
        requests=metric,
        durations="envoy_cluster_upstream_rq_time_bucket",
        unit_ms=1.0,
        columns=MappingProxyType(columns),
        outcomes=(differs(label, ""),),
    )
    dialect = Dialect(
        name="Envoy",
        views=MappingProxyType({Reporter.SOURCE: View((family,)), Reporter.DESTINATION: View()}),
        own=OWN,
        keeps=(
            ("", (matches("__name__", "envoy_cluster_.*"),)),
            ("", (matches("__name__", "envoy_(listener_ssl|sds|http_rbac)_.*"),)),
            ("up", ()),
        ),
        remedies=MappingProxyType(
            {
                "source": "export cluster.*.upstream_rq_* (stats_matcher) and scrape /stats/prometheus",
                "destination": "Envoy counts what it sends: the called side would need a mesh's metrics",
                "latency": "export cluster.*.upstream_rq_time with histogram buckets",
            }
        ),
    )
    return dialect.with_options(options)
