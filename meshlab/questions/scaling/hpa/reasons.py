"""Why an autoscaler left the replicas as they are, or changed them so."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """Why the replicas are what they are: what had the last word."""

    AS_WANTED = "as the metric wants"
    NO_CHANGE = "within tolerance"
    STABILISED_UP = "held back by the window on the way up"
    STABILISED_DOWN = "held back by the window on the way down"
    LIMITED_UP = "held back by the policies on the way up"
    LIMITED_DOWN = "held back by the policies on the way down"
    LEAST = "at the least replicas"
    MOST = "at the most replicas"
    NO_METRIC = "a metric is missing"
    DISABLED = "disabled at zero replicas"
