"""What the scaling question asks of the mesh and of Kubernetes' exporters: once, for every service in scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.subject import IDENTITY
from meshlab.core.window import Span
from meshlab.questions.base import Asking, Need
from meshlab.telemetry.answer import Answer
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.kubernetes import Autoscalers, Exporter, Workloads
from meshlab.telemetry.signals import gauges

__all__ = ["KUBE_STATE", "NEEDS"]

_REPLICA: Final = (*IDENTITY, "destination_workload", "destination_version", "destination_instance")
_OUTCOME: Final = ("code", "grpc_status", "flags")
_REQUIRED: Final[Mapping[str, Any]] = {"reporter": Reporter.DESTINATION, "required": True, "code": "001"}
KUBE_STATE: Final = "install kube-state-metrics and let Prometheus scrape it"


def _exporter(asking: Asking) -> Exporter:
    return Exporter(asking.mesh, asking.subject.namespace if asking.subject else "")


def _autoscalers(ask: Callable[[Autoscalers, Span], Answer]) -> Callable[[Asking], Answer]:
    return lambda asking: ask(Autoscalers(_exporter(asking)), asking.window)


def _replicas(asking: Asking) -> Answer | Counts:
    # The length of a block follows from it, so it may have been asked for already.
    return asking.answers.get("replicas") or Workloads(_exporter(asking)).replicas(asking.window)


def _in_flight(asking: Asking) -> Answer:
    """Requests in flight by the source proxies' gauges, with the service that each host belongs to."""
    services = asking.frame("destination")[[*IDENTITY, "destination_host"]].drop_duplicates()
    # A plain Envoy's cluster may have the service's own name.
    named = services.assign(destination_host=services["destination_service"])
    hosts = pd.concat([services, named]).drop_duplicates()
    # A host of services in several clusters is one gauge at its sources, and nobody's own.
    hosts = hosts[(hosts["destination_host"] != "") & ~hosts["destination_host"].duplicated(keep=False)]
    where = [Condition("destination_host", tuple(sorted(set(hosts["destination_host"]))))] if asking.subject else []
    columns = ("instance", "upstream", "destination_host")
    answer = gauges(asking.mesh, "in_flight", columns, asking.window, where=where)
    return Answer(answer.frame.merge(hosts, on="destination_host"), answer.query)


NEEDS: Final[Mapping[str, Need]] = MappingProxyType(
    {
        "destination": Need(
            ask="request_counts",
            by=(*_REPLICA, "destination_host", *_OUTCOME),
            what="requests as the service's proxies count them",
            remedy="destination",
            **_REQUIRED,
        ),
        "durations": Need(
            ask="durations",
            by=(*_REPLICA, *_OUTCOME),
            what="request durations of the service's proxies",
            remedy="latency",
            **_REQUIRED,
        ),
        "buckets": Need(
            ask="latency_buckets",
            by=(*IDENTITY, "destination_version"),
            reporter=Reporter.DESTINATION,
            when=lambda settings: settings.slo_ms > 0,
            what="request durations by bucket",
            remedy="latency",
        ),
        "in_flight": Need(
            ask=_in_flight, what="requests in flight as the source proxies count them", remedy="in_flight"
        ),
        "replicas": Need(ask=_replicas, what="replicas of deployments", remedy=KUBE_STATE),
        "bounds": Need(ask=_autoscalers(Autoscalers.bounds), what="bounds of autoscalers", remedy=KUBE_STATE),
        "targets": Need(ask=_autoscalers(Autoscalers.targets)),
        "observed": Need(ask=_autoscalers(Autoscalers.observed)),
        "status": Need(ask=_autoscalers(Autoscalers.status), what="decisions of autoscalers", remedy=KUBE_STATE),
        "pods": Need(
            ask=lambda asking: Workloads(_exporter(asking)).pods(asking.window),
            what="start times of pods",
            remedy=KUBE_STATE,
        ),
        "cpu": Need(
            ask=lambda asking: Workloads(_exporter(asking)).processor_time(asking.window, asking.block_ms),
            what="CPU time of containers",
            remedy="let Prometheus scrape the kubelets' /metrics/cadvisor",
        ),
    }
)
