"""Consul's service mesh: Envoy's cluster statistics with Consul's tags.

Names: developer.hashicorp.com, "Service mesh telemetry"; hashicorp/consul, agent/xds and command/connect/envoy: the
tags ``consul_source_*`` say whose proxy it is, ``consul_destination_*`` whom a cluster reaches. ``local_app`` is what
comes in.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from meshlab.core.selector import differs, equal
from meshlab.telemetry.dialects import envoy
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["CONSUL", "consul"]

_TAGS: Final = ("consul_source_datacenter", "consul_destination_datacenter")
_CALLER: Final = {
    "source": Column(("consul_source_service",)),
    "source_namespace": Column(("consul_source_namespace",)),
    "source_cluster": Column(("consul_source_datacenter",)),
}
_CALLED: Final = {
    "destination_service": Column(("consul_destination_service",)),
    "destination_namespace": Column(("consul_destination_namespace",)),
    "destination_cluster": Column(("consul_destination_datacenter",)),
    "destination_version": Column(("consul_destination_service_subset",)),
    "destination_host": Column(("consul_destination_target",)),
}


def consul(metric: str, label: str) -> Dialect:
    """Consul's words.

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
        columns={**shared, **_CALLER, **_CALLED, "reporter": Column(constant="source")},
        matchers=(envoy.is_sent(cluster),),
        outcomes=(differs(label, ""),),
    )
    received = Family(
        requests=metric,
        durations=envoy.DURATIONS,
        unit_ms=1.0,
        columns={
            **shared,
            "destination_service": Column(("consul_source_service",)),
            "destination_namespace": Column(("consul_source_namespace",)),
            "destination_cluster": Column(("consul_source_datacenter",)),
            "destination_instance": Column(("pod", "instance"), exclusive=False),
            "reporter": Column(constant="destination"),
        },
        matchers=(equal(cluster, "local_app"),),
        outcomes=(differs(label, ""),),
        alternatives={"destination_service": (Column(("local_cluster",)),)},
    )
    return dataclasses.replace(CONSUL, views={Reporter.SOURCE: View((sent,)), Reporter.DESTINATION: View((received,))})


def _adapt(census: Census) -> Dialect | None:
    found = envoy.spelling(census)
    if found and any(census.values(census.requests(found[0]), tag) for tag in _TAGS):
        return consul(*found)
    return None


CONSUL: Final = Dialect(
    name="Consul",
    looks_for="envoy_cluster_upstream_rq with consul_source_* or consul_destination_*: enable the proxies' metrics "
    "(connectInject.metrics, or envoy_prometheus_bind_addr)",
    counters=tuple(dict.fromkeys(metric for metric, _ in envoy.SPELLINGS)),
    labels=(*dict.fromkeys(label for _, label in envoy.SPELLINGS), *_TAGS),
    adapt=_adapt,
    views={},
    signals={**envoy.SIGNALS, **envoy.edges({**_CALLER, **{n: _CALLED[n] for n in list(_CALLED)[:2]}})},
    label_pattern=f"{envoy.OWNED}|consul_.*|local_cluster",
    recorded_selectors=envoy.RECORDED,
    remedies={
        **envoy.ENVOY.remedies,
        "source": "put the callers into the mesh, and scrape their proxies (port 20200, /metrics)",
        "destination": "scrape the service's proxies (port 20200, /metrics)",
    },
    proxy_containers=("consul-dataplane", "envoy-sidecar"),
)
"""Consul's words; `consul` gives those of one spelling."""
