"""Kuma and Kong Mesh: Envoy's cluster statistics under Kuma's names and tags.

Names: kuma.io, "Observability", "Dataplane metrics", "Resource identifiers"; kumahq/kuma, app/kuma-dp/pkg/dataplane/
metrics. The caller's proxy counts what it sends by cluster; the called one's ``localhost_PORT`` is what comes in.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from meshlab.core.selector import differs, matches
from meshlab.telemetry.dialects import envoy
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["KUMA", "kuma"]

_TAGS: Final = ("kuma_io_mesh_traffic", "kuma_io_zone", "mesh")
"""Labels of few values that Kuma alone writes beside Envoy's counters."""
_INBOUND: Final = r"localhost_[0-9]+|self_inbound.*"

# catalog_shop_svc_8080; kri_msvc_MESH_ZONE_NAMESPACE_NAME_PORT; MESH_NAME_NAMESPACE_ZONE_msvc_PORT.
# A hash at the end tells subsets.
_KRI: Final = "kri_[a-z]+_[^_]*_[^_]*_"
_SERVICE: Final = rf"(?:{_KRI}[^_]*_)?(.+?)(?:-[0-9a-f]{{16}})?"
_ASK_SERVICE: Final = f"({_KRI}[^_]*_)?{{}}(-[0-9a-f]+)?"
_NAMESPACE: Final = rf"(?:{_KRI}|[^_]+_(?=[^_]+_svc_)|[^_]+_[^_]+_(?=[^_]+_[^_]*_m?z?svc_))([^_]+)_.+"


def _proxy(side: str, service: str) -> dict[str, Column]:
    """What the scrape says of the proxy itself, as one end of an edge."""
    return {
        # A data plane of several services does not say which of them a request was for.
        service: Column(("kuma_io_services",), cut=",([^,]+),", whole=False, ask=",{},"),
        f"{side}_namespace": Column(("k8s_kuma_io_namespace",)),
        f"{side}_version": Column(("kuma_io_version",)),
    }


def _instead(side: str, service: str) -> dict[str, tuple[Column, ...]]:
    """Where the same stands in stores that scrape with other rules."""
    return {
        service: (Column(("kuma_io_service",)), Column(("service",))),
        f"{side}_namespace": (Column(("namespace",)),),
    }


def _called(cluster: str) -> dict[str, Column]:
    return {
        "destination_service": Column((cluster,), never=envoy.NO_SERVICE, cut=_SERVICE, whole=False, ask=_ASK_SERVICE),
        "destination_namespace": Column((cluster,), never=envoy.NO_SERVICE, cut=_NAMESPACE, whole=False),
        "category": envoy.category(cluster),
    }


def kuma(metric: str, label: str) -> Dialect:
    """Kuma's words.

    Parameters
    ----------
    metric, label : str
        One of `envoy.SPELLINGS`.
    """
    cluster = "envoy_cluster_name" if label.startswith("envoy_") else "cluster_name"
    shared = {"code": envoy.code(label)}
    sent = Family(
        requests=metric,
        durations=envoy.DURATIONS,
        unit_ms=1.0,
        columns={
            **shared,
            **_proxy("source", "source"),
            # A service may run in several zones: callers do not say in which.
            "source_cluster": Column(("kuma_io_zone",)),
            **_called(cluster),
            "reporter": Column(constant="source"),
        },
        matchers=(envoy.is_sent(cluster),),
        outcomes=(differs(label, ""),),
        alternatives=_instead("source", "source"),
    )
    received = Family(
        requests=metric,
        durations=envoy.DURATIONS,
        unit_ms=1.0,
        columns={
            **shared,
            **_proxy("destination", "destination_service"),
            "destination_instance": Column(("dataplane", "pod", "instance"), exclusive=False),
            "reporter": Column(constant="destination"),
        },
        matchers=(matches(cluster, _INBOUND),),
        outcomes=(differs(label, ""),),
        alternatives=_instead("destination", "destination_service"),
    )
    edge = {**{name: c for name, c in sent.columns.items() if name.startswith("source")}, **_called(cluster)}
    return dataclasses.replace(
        KUMA,
        views={Reporter.SOURCE: View((sent,)), Reporter.DESTINATION: View((received,))},
        signals={**envoy.SIGNALS, **envoy.edges(edge)},
    )


def _adapt(census: Census) -> Dialect | None:
    found = envoy.spelling(census)
    if found and any(census.values(census.requests(found[0]), tag) for tag in _TAGS):
        return kuma(*found)
    return None


KUMA: Final = Dialect(
    name="Kuma",
    looks_for="envoy_cluster_upstream_rq with Kuma's tags (mesh, kuma_io_*): a MeshMetric policy",
    counters=tuple(dict.fromkeys(metric for metric, _ in envoy.SPELLINGS)),
    labels=(*dict.fromkeys(label for _, label in envoy.SPELLINGS), *_TAGS),
    adapt=_adapt,
    views={},
    signals=envoy.SIGNALS,
    label_pattern=f"{envoy.OWNED}|kuma_io_mesh_traffic",
    recorded_selectors=envoy.RECORDED,
    remedies={
        **envoy.ENVOY.remedies,
        "source": "put the callers into the mesh, and scrape their data planes (port 5670, /metrics)",
        "destination": "scrape the service's data planes (port 5670, /metrics)",
        "latency": "let a MeshMetric policy keep envoy_cluster_upstream_rq_time",
    },
    proxy_containers=("kuma-sidecar",),
)
"""Kuma's words; `kuma` gives those of one spelling."""
