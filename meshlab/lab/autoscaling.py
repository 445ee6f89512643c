"""The lab's autoscalers: the algorithm of Kubernetes on real measurements of real processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meshlab.lab.fleet import Fleet
from meshlab.lab.kube import ScalerStatus
from meshlab.lab.pods import Pod
from meshlab.lab.specs.scaling import Autoscaler, Metric, ScalingPolicy
from meshlab.questions.scaling.hpa import (
    Behaviour,
    Decision,
    History,
    HpaSpec,
    NoMetrics,
    PolicyType,
    Reason,
    Sample,
    ScalingRules,
    Tolerance,
    average_replicas,
    decide,
    resource_replicas,
)
from meshlab.questions.scaling.hpa import Pod as Counted
from meshlab.questions.scaling.hpa import ScalingPolicy as HpaPolicy

__all__ = ["Scaler", "Tick", "hpa_spec"]


@dataclass(frozen=True, slots=True)
class Tick:
    """One sync period, for the truth.

    Parameters
    ----------
    at_s : float
        Unix seconds.
    current, ready, desired : int
        Replicas.
    measured : float or None
        The metric, in the unit of its target.
    recommended : int or None
        What the metric alone asked for.
    reason : Reason
    """

    at_s: float
    current: int
    ready: int
    desired: int
    measured: float | None
    recommended: int | None
    reason: Reason

    def to_dict(self, start_s: float) -> dict[str, Any]:
        """As it stands in a recording's truth: seconds from the window's begin."""
        return {
            "at_s": round(self.at_s - start_s, 2),
            "current": self.current,
            "ready": self.ready,
            "seen": None if self.measured is None else round(self.measured, 4),
            "recommended": self.recommended,
            "desired": self.desired,
            "reason": self.reason.value,
        }


class Scaler:
    """One autoscaler at work.

    Parameters
    ----------
    spec : Autoscaler
    cluster : str
        Where its workload runs.
    fleet : Fleet
    cpu_s : callable
        Processor time of every process so far, by name.
    """

    def __init__(self, spec: Autoscaler, cluster: str, fleet: Fleet, cpu_s: Callable[[], dict[str, float]]) -> None:
        self.ticks: list[Tick] = []
        self._spec, self._hpa = spec, hpa_spec(spec)
        self._cluster = cluster
        self._fleet = fleet
        self._cpu_s = cpu_s
        self._history = History()
        self._next_s: float | None = None
        self._used: tuple[float, dict[str, float]] | None = None

    def tick(self, now_s: float) -> None:
        """Decide, when a sync period has passed; the first one only measures."""
        if self._next_s is None:
            self._next_s = now_s + self._spec.sync_s
            self._measured(now_s)
        elif now_s >= self._next_s:
            self._next_s += self._spec.sync_s
            self._sync(now_s)

    def status(self) -> ScalerStatus | None:
        """What it last decided; None before it did."""
        if not self.ticks:
            return None
        last = self.ticks[-1]
        namespace = self._fleet.scenario.namespace
        cut = last.recommended is not None and last.recommended != last.desired
        return ScalerStatus(self._spec, self._cluster, namespace, last.current, last.desired, last.measured, cut)

    def _sync(self, now_s: float) -> None:
        pods = [pod for pod in self._fleet.pods.of(self._spec.workload, self._cluster) if pod.deleted_s is None]
        samples = self._measured(now_s)
        decision = self._decided(pods, samples, now_s)
        self._history = decision.history
        ready = [pod for pod in pods if pod.ready]
        measured = [samples[pod.name].value for pod in ready if pod.name in samples]
        self.ticks.append(
            Tick(
                at_s=now_s,
                current=len(pods),
                ready=len(ready),
                desired=decision.replicas,
                measured=self._in_unit(sum(measured) / len(measured)) if measured else None,
                recommended=decision.recommended,
                reason=decision.reason,
            )
        )
        if decision.replicas != len(pods):
            self._fleet.scale(
                self._spec.workload, self._cluster, decision.replicas, now_s, delay_s=self._spec.start_delay_s
            )

    def _decided(self, pods: list[Pod], samples: dict[str, Sample], now_s: float) -> Decision:
        counted = [
            Counted(
                pod.name,
                ready=pod.ready,
                started_s=pod.created_s,
                changed_s=pod.ready_s or pod.created_s,
                request=round(self._spec.cpu_request * 1000),
            )
            for pod in pods
        ]
        tolerance = Tolerance(self._spec.tolerance, self._spec.tolerance)
        proposal: int | None
        try:
            if self._spec.metric is Metric.CPU:
                proposal = resource_replicas(
                    len(pods), counted, samples, round(self._spec.target), tolerance, now_s=now_s, initialisation_s=0.0
                )
            else:
                target = round(self._spec.target * 1000)
                proposal = average_replicas(len(pods), counted, samples, target, tolerance)
        except NoMetrics:
            proposal = None
        return decide(self._hpa, self._history, len(pods), [proposal], now_s)

    def _measured(self, now_s: float) -> dict[str, Sample]:
        """The metric of every ready replica, in thousandths, over the time since it was last asked."""
        ready = [pod for pod in self._fleet.pods.of(self._spec.workload, self._cluster) if pod.ready]
        if self._spec.metric is Metric.CONCURRENCY:
            values = self._fleet.concurrency([pod.replica for pod in ready])
            return {name: Sample(round(value * 1000)) for name, value in values.items()}
        before, now = self._used, self._cpu_s()
        self._used = (now_s, now)
        if before is None or now_s <= before[0]:
            return {}
        passed = now_s - before[0]
        names = [pod.name for pod in ready if pod.name in before[1] and pod.name in now]
        return {name: Sample(round((now[name] - before[1][name]) / passed * 1000)) for name in names}

    def _in_unit(self, thousandths: float) -> float:
        value = thousandths / 1000
        return 100 * value / self._spec.cpu_request if self._spec.metric is Metric.CPU else value


def hpa_spec(spec: Autoscaler) -> HpaSpec:
    """A scenario's autoscaler as the algorithm wants it."""

    def rules(window_s: float, policies: tuple[ScalingPolicy, ...]) -> ScalingRules:
        changes = tuple(HpaPolicy(PolicyType(policy.type), policy.value, policy.period_s) for policy in policies)
        return ScalingRules(window_s, changes, tolerance=spec.tolerance)

    behaviour = Behaviour(
        up=rules(spec.up_window_s, spec.up_policies), down=rules(spec.down_window_s, spec.down_policies)
    )
    return HpaSpec(spec.least, spec.most, behaviour)
