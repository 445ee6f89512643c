"""The lab's autoscalers: the algorithm of Kubernetes on real measurements of real processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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
    """One sync period, for the truth."""

    at_s: float
    """Unix seconds."""
    current: int
    ready: int
    desired: int
    """Replicas."""
    measured: float | None
    """The metric, in the unit of its target."""
    recommended: int | None
    """What the metric alone asked for."""
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


@dataclass(eq=False)
class Scaler:
    """One autoscaler at work."""

    spec: Autoscaler
    cluster: str
    """Where its workload runs."""
    fleet: Fleet
    cpu_s: Callable[[], dict[str, float]]
    """Processor time of every process so far, by name."""
    ticks: list[Tick] = field(default_factory=list)
    _history: History = field(init=False, default_factory=History)
    _next_s: float | None = field(init=False, default=None)
    _used: tuple[float, dict[str, float]] | None = field(init=False, default=None)

    def tick(self, now_s: float) -> None:
        """Decide, when a sync period has passed; the first one only measures."""
        if self._next_s is None:
            self._next_s = now_s + self.spec.sync_s
            self._measured(now_s)
        elif now_s >= self._next_s:
            self._next_s += self.spec.sync_s
            self._sync(now_s)

    def status(self) -> ScalerStatus | None:
        """What it last decided; None before it did."""
        if not self.ticks:
            return None
        last = self.ticks[-1]
        namespace = self.fleet.scenario.namespace
        cut = last.recommended is not None and last.recommended != last.desired
        return ScalerStatus(self.spec, self.cluster, namespace, last.current, last.desired, last.measured, cut)

    def _sync(self, now_s: float) -> None:
        pods = [pod for pod in self.fleet.pods.of(self.spec.workload, self.cluster) if pod.deleted_s is None]
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
            self.fleet.scale(
                self.spec.workload, self.cluster, decision.replicas, now_s, delay_s=self.spec.start_delay_s
            )

    def _decided(self, pods: list[Pod], samples: dict[str, Sample], now_s: float) -> Decision:
        counted = [
            Counted(
                pod.name,
                ready=pod.ready,
                started_s=pod.created_s,
                changed_s=pod.ready_s or pod.created_s,
                request=round(self.spec.cpu_request * 1000),
            )
            for pod in pods
        ]
        tolerance = Tolerance(self.spec.tolerance, self.spec.tolerance)
        proposal: int | None
        try:
            if self.spec.metric is Metric.CPU:
                proposal = resource_replicas(
                    len(pods), counted, samples, round(self.spec.target), tolerance, now_s=now_s, initialisation_s=0.0
                )
            else:
                target = round(self.spec.target * 1000)
                proposal = average_replicas(len(pods), counted, samples, target, tolerance)
        except NoMetrics:
            proposal = None
        return decide(hpa_spec(self.spec), self._history, len(pods), [proposal], now_s)

    def _measured(self, now_s: float) -> dict[str, Sample]:
        """The metric of every ready replica, in thousandths, over the time since it was last asked."""
        ready = [pod for pod in self.fleet.pods.of(self.spec.workload, self.cluster) if pod.ready]
        if self.spec.metric is Metric.CONCURRENCY:
            values = self.fleet.concurrency([pod.replica for pod in ready])
            return {name: Sample(round(value * 1000)) for name, value in values.items()}
        before, now = self._used, self.cpu_s()
        self._used = (now_s, now)
        if before is None or now_s <= before[0]:
            return {}
        passed = now_s - before[0]
        names = [pod.name for pod in ready if pod.name in before[1] and pod.name in now]
        return {name: Sample(round((now[name] - before[1][name]) / passed * 1000)) for name in names}

    def _in_unit(self, thousandths: float) -> float:
        value = thousandths / 1000
        return 100 * value / self.spec.cpu_request if self.spec.metric is Metric.CPU else value


def hpa_spec(spec: Autoscaler) -> HpaSpec:
    """A scenario's autoscaler as the algorithm wants it."""

    def rules(window_s: float, policies: tuple[ScalingPolicy, ...]) -> ScalingRules:
        changes = tuple(HpaPolicy(PolicyType(policy.type), policy.value, policy.period_s) for policy in policies)
        return ScalingRules(window_s, changes, tolerance=spec.tolerance)

    behaviour = Behaviour(
        up=rules(spec.up_window_s, spec.up_policies), down=rules(spec.down_window_s, spec.down_policies)
    )
    return HpaSpec(spec.least, spec.most, behaviour)
