"""What determined an autoscaler's decision."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """What had the last word on the number of replicas."""

    AS_WANTED = "as the metric asks"
    NO_CHANGE = "within tolerance"
    STABILISED_UP = "held by the scale-up stabilization window"
    STABILISED_DOWN = "held by the scale-down stabilization window"
    LIMITED_UP = "limited by the scale-up policies"
    LIMITED_DOWN = "limited by the scale-down policies"
    MIN_REPLICAS = "at minReplicas"
    MAX_REPLICAS = "at maxReplicas"
    NO_METRIC = "metric missing"
    DISABLED = "disabled at zero replicas"
