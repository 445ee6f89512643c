"""The spec of a HorizontalPodAutoscaler: its bounds, and how fast it may scale in each direction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshlab.errors import ParameterError

__all__ = ["Behaviour", "HpaSpec", "PolicyType", "ScalingPolicy", "ScalingRules", "SelectPolicy", "Tolerance"]


class PolicyType(StrEnum):
    """The unit of a policy's value."""

    PODS = "Pods"
    PERCENT = "Percent"


class SelectPolicy(StrEnum):
    """Which of several policies applies."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """How much may change within a period."""

    kind: PolicyType
    value: int
    """Replicas, or per cent of those at the period's start."""
    period_s: int


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """One direction."""

    window_s: float
    """Stabilization window: the most conservative recommendation of so many seconds applies."""
    policies: tuple[ScalingPolicy, ...]
    select: SelectPolicy = SelectPolicy.MAX
    tolerance: float = 0.1
    """Share by which the metric may miss its target in this direction."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Shares by which the ratio of a metric to its target may miss 1: below it (down) and above it (up)."""

    down: float = 0.1
    up: float = 0.1

    def holds(self, ratio: float | NDArray[np.float64]) -> Any:
        """Whether a ratio (or each of an array) is close enough to 1."""
        return (ratio >= 1.0 - self.down) & (ratio <= 1.0 + self.up)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Both directions; the defaults are those of Kubernetes for an autoscaler that has a ``behavior``."""

    up: ScalingRules = field(
        default_factory=lambda: ScalingRules(
            0.0, (ScalingPolicy(PolicyType.PODS, 4, 15), ScalingPolicy(PolicyType.PERCENT, 100, 15))
        )
    )
    down: ScalingRules = field(
        default_factory=lambda: ScalingRules(300.0, (ScalingPolicy(PolicyType.PERCENT, 100, 15),))
    )


@dataclass(frozen=True, slots=True)
class HpaSpec:
    """Bounds and behaviour.

    Raises
    ------
    ParameterError
        The bounds are not in order.
    """

    min_replicas: int
    max_replicas: int
    behaviour: Behaviour | None = field(default_factory=Behaviour)
    """None is autoscaling/v1: recommendations are stabilized when scaling down, and one step goes at most to twice the
    replicas, or to four."""
    down_window_s: float = 300.0
    """The controller's own stabilization window, where there is no behaviour."""
    tolerance: float = 0.1
    """The controller's own tolerance, where there is no behaviour."""

    @property
    def tolerances(self) -> Tolerance:
        """Those of the behaviour, else the controller's own."""
        if self.behaviour is None:
            return Tolerance(self.tolerance, self.tolerance)
        return Tolerance(self.behaviour.down.tolerance, self.behaviour.up.tolerance)

    def with_down_window(self, window_s: float) -> HpaSpec:
        """The same with another scale-down stabilization window."""
        behaviour = self.behaviour or Behaviour()
        return replace(self, behaviour=replace(behaviour, down=replace(behaviour.down, window_s=window_s)))

    def __post_init__(self) -> None:
        low, high = self.min_replicas, self.max_replicas
        if not 0 <= low <= high or high < 1:
            raise ParameterError(
                f"minReplicas is {low} and maxReplicas {high}", "give 0 <= minReplicas <= maxReplicas, at least 1"
            )
