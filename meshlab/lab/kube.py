"""What kube-state-metrics and cAdvisor would export of the lab's pods, under their names.

The control plane is emulated: there is no Kubernetes. The processes are real, and so are their processor time and
memory.

References
----------
kube-state-metrics: docs/metrics of the project; cAdvisor: docs/storage/prometheus.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import psutil
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from meshlab.lab.pods import Pod, Pods
from meshlab.lab.specs.scaling import Autoscaler, Metric

__all__ = ["Cadvisor", "KubeState", "ScalerStatus", "serving"]

_CONDITIONS: Final = ("AbleToScale", "ScalingActive", "ScalingLimited")


@dataclass(frozen=True, slots=True)
class ScalerStatus:
    """What an autoscaler last decided.

    Parameters
    ----------
    spec : Autoscaler
    cluster, namespace : str
        Where its workload runs.
    current, desired : int
        Replicas.
    measured : float or None
        The metric, in the unit of its target; None when it was not known.
    limited : bool
        Whether a bound or a policy cut the decision.
    """

    spec: Autoscaler
    cluster: str
    namespace: str
    current: int
    desired: int
    measured: float | None
    limited: bool


class KubeState(Collector):
    """kube-state-metrics.

    Parameters
    ----------
    pods : Pods
    scalers : callable
        The autoscalers' last decisions; called from the scraping thread.
    """

    def __init__(self, pods: Pods, scalers: Callable[[], Iterable[ScalerStatus]]) -> None:
        self._pods = pods
        self._scalers = scalers

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All families, at the moment of the scrape."""
        pods, scalers = self._pods.living(), tuple(self._scalers())
        yield from _pod_times(pods)
        yield _requests(pods, {scaler.spec.workload: scaler.spec for scaler in scalers})
        yield from _deployments(pods)
        yield from _scalers(scalers)


class Cadvisor(Collector):
    """cAdvisor: processor time and memory of every container."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Both families, read from the processes at the moment of the scrape."""
        labels = ["cluster", "namespace", "pod", "container"]
        cpu = CounterMetricFamily("container_cpu_usage_seconds", "Processor time used.", labels=labels)
        memory = GaugeMetricFamily("container_memory_working_set_bytes", "Resident memory.", labels=labels)
        for pod in self._pods.living():
            for container, process_id in pod.processes.items():
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(process_id)
                    times = process.cpu_times()
                    cpu.add_metric([*_place(pod), container], times.user + times.system)
                    memory.add_metric([*_place(pod), container], process.memory_info().rss)
        yield cpu
        yield memory


@contextlib.contextmanager
def serving(collector: Collector, host: str, port: int) -> Iterator[None]:
    """Serve a collector's metrics, in a thread, for as long as the block lasts."""
    registry = CollectorRegistry()
    registry.register(collector)
    server, thread = start_http_server(port, host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _place(pod: Pod) -> list[str]:
    return [pod.replica.cluster, pod.replica.namespace, pod.name]


def _pod_times(pods: Iterable[Pod]) -> Iterator[GaugeMetricFamily]:
    labels = ["cluster", "namespace", "pod"]
    created = GaugeMetricFamily("kube_pod_created", "Unix time of creation.", labels=labels)
    scheduled = GaugeMetricFamily("kube_pod_status_scheduled_time", "Unix time of scheduling.", labels=labels)
    ready_at = GaugeMetricFamily("kube_pod_status_ready_time", "Unix time of readiness.", labels=labels)
    ready = GaugeMetricFamily("kube_pod_status_ready", "Whether the pod is ready.", labels=[*labels, "condition"])
    deleted = GaugeMetricFamily("kube_pod_deletion_timestamp", "Unix time of deletion.", labels=labels)
    owner = GaugeMetricFamily(
        "kube_pod_owner", "Whose pod it is.", labels=[*labels, "owner_kind", "owner_name", "owner_is_controller"]
    )
    for pod in pods:
        place = _place(pod)
        created.add_metric(place, pod.created_s)
        # Nothing is scheduled here: a pod has its place at once.
        scheduled.add_metric(place, pod.created_s)
        owner.add_metric([*place, "ReplicaSet", pod.replica.name, "true"], 1)
        if pod.ready_s is not None:
            ready_at.add_metric(place, pod.ready_s)
        if pod.deleted_s is not None:
            deleted.add_metric(place, pod.deleted_s)
        for condition, holds in (("true", pod.ready), ("false", not pod.ready)):
            ready.add_metric([*place, condition], float(holds))
    yield from (created, scheduled, ready_at, ready, deleted, owner)


def _requests(pods: Iterable[Pod], specs: Mapping[str, Autoscaler]) -> GaugeMetricFamily:
    """What the containers request; set for autoscalers on processor time alone."""
    labels = ["cluster", "namespace", "pod", "container", "resource", "unit"]
    requests = GaugeMetricFamily("kube_pod_container_resource_requests", "Requested resources.", labels=labels)
    for pod in pods:
        spec = specs.get(pod.replica.name)
        if spec is not None and spec.metric is Metric.CPU:
            requests.add_metric([*_place(pod), "app", "cpu", "core"], spec.cpu_request)
    return requests


def _deployments(pods: Iterable[Pod]) -> Iterator[GaugeMetricFamily]:
    labels = ["cluster", "namespace", "deployment"]
    all_of: dict[tuple[str, str, str], list[Pod]] = {}
    for pod in pods:
        replica = pod.replica
        all_of.setdefault((replica.cluster, replica.namespace, replica.name), []).append(pod)
    replicas = GaugeMetricFamily("kube_deployment_status_replicas", "Pods.", labels=labels)
    wanted = GaugeMetricFamily("kube_deployment_spec_replicas", "Pods wanted.", labels=labels)
    ready = GaugeMetricFamily("kube_deployment_status_replicas_ready", "Pods that are ready.", labels=labels)
    for place, own in all_of.items():
        alive = [pod for pod in own if pod.deleted_s is None]
        replicas.add_metric(place, len(alive))
        wanted.add_metric(place, len(alive))
        ready.add_metric(place, sum(pod.ready for pod in alive))
    yield from (replicas, wanted, ready)


def _scalers(scalers: Iterable[ScalerStatus]) -> Iterator[GaugeMetricFamily]:
    prefix = "kube_horizontalpodautoscaler"
    labels = ["cluster", "namespace", "horizontalpodautoscaler"]
    plain = {
        "spec_min_replicas": "Least replicas.",
        "spec_max_replicas": "Most replicas.",
        "status_current_replicas": "Replicas.",
        "status_desired_replicas": "Replicas wanted.",
    }
    families = {name: GaugeMetricFamily(f"{prefix}_{name}", text, labels=labels) for name, text in plain.items()}
    metric = [*labels, "metric_name", "metric_target_type"]
    target = GaugeMetricFamily(f"{prefix}_spec_target_metric", "What the metric shall be.", labels=metric)
    measured = GaugeMetricFamily(f"{prefix}_status_target_metric", "What the metric was.", labels=metric)
    info = GaugeMetricFamily(
        f"{prefix}_info", "What it scales.", labels=[*labels, "scaletargetref_kind", "scaletargetref_name"]
    )
    condition = GaugeMetricFamily(
        f"{prefix}_status_condition", "Its conditions.", labels=[*labels, "condition", "status"]
    )
    for scaler in scalers:
        spec = scaler.spec
        place = [scaler.cluster, scaler.namespace, spec.workload]
        figures = (spec.least, spec.most, scaler.current, scaler.desired)
        for family, figure in zip(families.values(), figures, strict=True):
            family.add_metric(place, figure)
        kind = "utilization" if spec.metric is Metric.CPU else "average"
        target.add_metric([*place, spec.metric.value, kind], spec.target)
        if scaler.measured is not None:
            measured.add_metric([*place, spec.metric.value, kind], scaler.measured)
        info.add_metric([*place, "Deployment", spec.workload], 1)
        holds = {"AbleToScale": True, "ScalingActive": scaler.measured is not None, "ScalingLimited": scaler.limited}
        for name in _CONDITIONS:
            for status in ("true", "false"):
                condition.add_metric([*place, name, status], float(holds[name] == (status == "true")))
    yield from (*families.values(), target, measured, info, condition)
