"""Autoscalers: the Kubernetes HPA's own words."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from meshlab.core.declarations import INTERNAL
from meshlab.core.settings import Settings
from meshlab.errors import ParameterError
from meshlab.lab.specs.kinds import Share

__all__ = ["Autoscaler", "Metric", "ScalingPolicy"]


class Metric(StrEnum):
    """What an autoscaler looks at."""

    CPU = "cpu"
    """Processor time of the workload's processes, in per cent of `cpu_request`."""
    CONCURRENCY = "concurrency"
    """Requests in flight or queued, a replica: a Pods metric."""


class ScalingPolicy(Settings, kw_only=True):
    """How far replicas may change in a period."""

    type: Literal["Pods", "Percent"]
    value: Annotated[int, Meta(ge=1)]
    period_s: Annotated[int, Meta(ge=1, le=1_800)]


_PODS = ScalingPolicy(type="Pods", value=4, period_s=15)
_DOUBLE = ScalingPolicy(type="Percent", value=100, period_s=15)
_Bound = Annotated[int, Meta(ge=1, le=40)]
_Policies = Annotated[tuple[ScalingPolicy, ...], Meta(min_length=1)]


class Autoscaler(Settings, kw_only=True):
    """One HorizontalPodAutoscaler, for a workload's replicas in its first cluster."""

    workload: Annotated[str, INTERNAL] = ""
    """The name of its table, [autoscaler.WORKLOAD]."""
    metric: Metric
    target: Annotated[float, Meta(gt=0, description="Per cent of the request, or requests a replica.")]
    cpu_request: Annotated[float, Meta(gt=0, le=64, description="Cores that a replica requests.")] = 0.1
    least: Annotated[_Bound, Meta(description="Fewest replicas.")] = 1
    most: Annotated[_Bound, Meta(description="Most replicas.")]
    sync_s: Annotated[float, Meta(ge=1, le=600, description="How often it decides.")] = 15.0
    up_window_s: Annotated[float, Meta(ge=0, le=3_600, description="Stabilisation window.")] = 0.0
    down_window_s: Annotated[float, Meta(ge=0, le=3_600, description="Stabilisation window.")] = 300.0
    up_policies: Annotated[_Policies, Meta(description="The largest change of them holds.")] = (_PODS, _DOUBLE)
    down_policies: Annotated[_Policies, Meta(description="The largest change of them holds.")] = (_DOUBLE,)
    tolerance: Annotated[Share, Meta(description="How far the metric may miss its target.")] = 0.1
    start_delay_s: Annotated[
        float, Meta(ge=0, le=600, description="From the decision to a new replica's readiness.")
    ] = 0.0

    def __post_init__(self) -> None:
        if self.most < self.least:
            raise ParameterError(f"it allows at most {self.most} and at least {self.least} replicas", "swap them")
