"""What kube-state-metrics and cAdvisor would export of the lab's pods, under their names.

The control plane is emulated: there is no Kubernetes. The processes are real, and so are their processor time and
memory.

References
----------
kube-state-metrics: docs/metrics of the project; cAdvisor: docs/storage/prometheus.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import psutil
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from meshlab.lab.pods import Pod, Pods
from meshlab.lab.specs.scaling import Autoscaler, Metric

__all__ = ["Cadvisor", "KubeState", "ScalerStatus", "serving"]


@dataclass(frozen=True, slots=True)
class ScalerStatus:
    """What an autoscaler last decided."""

    spec: Autoscaler
    cluster: str
    namespace: str
    """Where its workload runs."""
    current: int
    desired: int
    """Replicas."""
    measured: float | None
    """The metric, in the unit of its target; None when it was not known."""
    limited: bool
    """Whether a bound or a policy cut the decision."""


@dataclass(eq=False)
class KubeState(Collector):
    """kube-state-metrics."""

    pods: Pods
    scalers: Callable[[], Iterable[ScalerStatus]]
    """The autoscalers' last decisions; called from the scraping thread."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All families that have a value, at the moment of the scrape."""
        pods, scalers = self.pods.living(), tuple(self.scalers())
        specs = {scaler.spec.workload: scaler.spec for scaler in scalers}
        gauges = _Gauges()
        for pod in pods:
            _add_pod(gauges, pod, specs.get(pod.replica.name))
        _add_deployments(gauges, pods)
        for scaler in scalers:
            _add_scaler(gauges, scaler)
        yield from gauges.families.values()


@dataclass(eq=False)
class Cadvisor(Collector):
    """cAdvisor: processor time and memory of every container."""

    pods: Pods

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Both families, read from the processes at the moment of the scrape."""
        labels = ["cluster", "namespace", "pod", "container"]
        cpu = CounterMetricFamily("container_cpu_usage_seconds", "Processor time used.", labels=labels)
        memory = GaugeMetricFamily("container_memory_working_set_bytes", "Resident memory.", labels=labels)
        for pod in self.pods.living():
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


class _Gauges:
    """Gauges by their names; a name's labels are those of its first value."""

    def __init__(self) -> None:
        self.families: dict[str, GaugeMetricFamily] = {}

    def add(self, name: str, value: float, **labels: str) -> None:
        """Add a value of ``kube_NAME``."""
        if name not in self.families:
            self.families[name] = GaugeMetricFamily(f"kube_{name}", "As kube-state-metrics.", labels=list(labels))
        self.families[name].add_metric(list(labels.values()), value)


def _add_pod(gauges: _Gauges, pod: Pod, scaler: Autoscaler | None) -> None:
    place = dict(zip(("cluster", "namespace", "pod"), _place(pod), strict=True))
    gauges.add("pod_created", pod.created_s, **place)
    # Nothing is scheduled here: a pod has its place at once.
    gauges.add("pod_status_scheduled_time", pod.created_s, **place)
    owner = {"owner_kind": "ReplicaSet", "owner_name": pod.replica.name, "owner_is_controller": "true"}
    gauges.add("pod_owner", 1, **place, **owner)
    if pod.ready_s is not None:
        gauges.add("pod_status_ready_time", pod.ready_s, **place)
    if pod.deleted_s is not None:
        gauges.add("pod_deletion_timestamp", pod.deleted_s, **place)
    gauges.add("pod_status_ready", pod.ready, **place, condition="true")
    gauges.add("pod_status_ready", not pod.ready, **place, condition="false")
    if scaler is not None and scaler.metric is Metric.CPU:
        unit = {"container": "app", "resource": "cpu", "unit": "core"}
        gauges.add("pod_container_resource_requests", scaler.cpu_request, **place, **unit)


def _add_deployments(gauges: _Gauges, pods: Iterable[Pod]) -> None:
    by_deployment: dict[tuple[str, str, str], list[Pod]] = {}
    for pod in pods:
        replica = pod.replica
        by_deployment.setdefault((replica.cluster, replica.namespace, replica.name), []).append(pod)
    for key, own in by_deployment.items():
        place = dict(zip(("cluster", "namespace", "deployment"), key, strict=True))
        alive = [pod for pod in own if pod.deleted_s is None]
        gauges.add("deployment_status_replicas", len(alive), **place)
        gauges.add("deployment_spec_replicas", len(alive), **place)
        gauges.add("deployment_status_replicas_ready", sum(pod.ready for pod in alive), **place)


def _add_scaler(gauges: _Gauges, scaler: ScalerStatus) -> None:
    spec, prefix = scaler.spec, "horizontalpodautoscaler"
    place = {"cluster": scaler.cluster, "namespace": scaler.namespace, prefix: spec.workload}
    gauges.add(f"{prefix}_spec_min_replicas", spec.least, **place)
    gauges.add(f"{prefix}_spec_max_replicas", spec.most, **place)
    gauges.add(f"{prefix}_status_current_replicas", scaler.current, **place)
    gauges.add(f"{prefix}_status_desired_replicas", scaler.desired, **place)
    kind = "utilization" if spec.metric is Metric.CPU else "average"
    metric = {"metric_name": spec.metric.value, "metric_target_type": kind}
    gauges.add(f"{prefix}_spec_target_metric", spec.target, **place, **metric)
    if scaler.measured is not None:
        gauges.add(f"{prefix}_status_target_metric", scaler.measured, **place, **metric)
    target = {"scaletargetref_kind": "Deployment", "scaletargetref_name": spec.workload}
    gauges.add(f"{prefix}_info", 1, **place, **target)
    holds = {"AbleToScale": True, "ScalingActive": scaler.measured is not None, "ScalingLimited": scaler.limited}
    for condition, value in holds.items():
        for status in ("true", "false"):
            gauges.add(
                f"{prefix}_status_condition", value == (status == "true"), **place, condition=condition, status=status
            )
