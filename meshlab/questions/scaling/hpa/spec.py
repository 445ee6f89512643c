"""What a HorizontalPodAutoscaler is told: bounds, and how fast it may go which way."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from meshlab.errors import ParameterError

__all__ = ["Behaviour", "HpaSpec", "Kind", "Policy", "Rules", "Select"]


class Kind(StrEnum):
    """What a policy's value counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Select(StrEnum):
    """Which of several policies holds."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class Policy:
    """How much may change within a period.

    Parameters
    ----------
    kind : Kind
    value : int
        Replicas, or per cent of those at the period's begin.
    period_s : int
    """

    kind: Kind
    value: int
    period_s: int


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction.

    Parameters
    ----------
    window_s : float
        Stabilisation: the most careful recommendation of so many seconds holds.
    policies : tuple of Policy
    select : Select
    tolerance : float
        Share by which the metric may miss its target in this direction.
    """

    window_s: float
    policies: tuple[Policy, ...]
    select: Select = Select.MAX
    tolerance: float = 0.1


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Both directions; the defaults are those of Kubernetes for an autoscaler that has a ``behavior``."""

    up: Rules = field(default_factory=lambda: Rules(0.0, (Policy(Kind.PODS, 4, 15), Policy(Kind.PERCENT, 100, 15))))
    down: Rules = field(default_factory=lambda: Rules(300.0, (Policy(Kind.PERCENT, 100, 15),)))


@dataclass(frozen=True, slots=True)
class HpaSpec:
    """Bounds and behaviour.

    Parameters
    ----------
    least, most : int
        Replicas.
    behaviour : Behaviour or None
        None is the older way: recommendations are stabilised on the way down, and one step goes at most to twice the
        replicas, or to four.
    down_window_s : float
        The controller's own stabilisation window, where there is no behaviour.
    tolerance : float
        The controller's own tolerance, where there is no behaviour.

    Raises
    ------
    ParameterError
        The bounds are not in order.
    """

    least: int
    most: int
    behaviour: Behaviour | None = field(default_factory=Behaviour)
    down_window_s: float = 300.0
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most or self.most < 1:
            raise ParameterError(
                f"an autoscaler from {self.least} to {self.most} replicas", "minReplicas may not be above maxReplicas"
            )
