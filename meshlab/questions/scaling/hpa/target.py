"""Targets of an autoscaler's metrics, and the replicas they ask for, for whole histories at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meshlab.questions.scaling.hpa.spec import HpaSpec, Tolerance

__all__ = ["Target", "TargetKind", "proposals"]

Floats = NDArray[np.float64]

# Below this a ceiling is not the next whole number, but the error of a division.
_FUZZ: Final = 1e-9


class TargetKind(StrEnum):
    """How a metric is compared with its target; the first three as kube-state-metrics calls them."""

    UTILISATION = "utilization"
    """Per cent of the pods' requests."""
    AVERAGE = "average"
    """An average over the pods, of a metric that each of them has."""
    VALUE = "value"
    """One number for all."""
    SHARED = "shared"
    """One number for all, divided by the replicas."""


@dataclass(frozen=True, slots=True)
class Target:
    """The target of one metric."""

    metric: str
    kind: TargetKind
    value: float
    """Per cent for a utilisation, else in the metric's unit."""


def proposals(spec: HpaSpec, target: Target, observed: Floats, current: Floats, ready: Floats) -> Floats:
    """Replicas that one metric asks for at each sync period, as the functions of `calculator` do for one.

    Parameters
    ----------
    spec : HpaSpec
        Its tolerances.
    target : Target
    observed : ndarray of float64, shape (periods,)
        From the autoscaler's status: an average over the ready pods, or the value. NaN where unknown.
    current, ready : ndarray of float64, shape (periods,)
        Replicas, and those of them that were ready.

    Returns
    -------
    ndarray of float64, shape (periods,)
        NaN where the metric is unknown, or no pod was ready.
    """
    # The controller computes with whole thousandths, and with whole per cents.
    grain = 1.0 if target.kind is TargetKind.UTILISATION else 1000.0
    wanted = target.value * grain
    actual = np.floor(observed * grain + _FUZZ)
    if target.kind in (TargetKind.SHARED, TargetKind.VALUE):
        ratio = actual / wanted
        over = current if target.kind is TargetKind.SHARED else ready
        replicas = np.where(spec.tolerances.holds(ratio), current, np.ceil(ratio * over - _FUZZ))
    else:
        replicas = _of_pods(target.kind, actual, wanted, current, ready, spec.tolerances)
    return np.where(np.isfinite(observed) & ((ready > 0) | (target.kind is TargetKind.SHARED)), replicas, np.nan)


def _of_pods(
    kind: TargetKind, actual: Floats, target: float, current: Floats, ready: Floats, tolerance: Tolerance
) -> Floats:
    ratio = actual / target
    absent = np.maximum(current - ready, 0.0)
    # A pod that is not ready has no metric: when scaling down it counts as on target, when scaling up as idle. One
    # whose CPU time does not count yet is left out when scaling down.
    filled = np.where(ratio < 1.0, 0.0 if kind is TargetKind.UTILISATION else target, 0.0)
    counted = np.where((ratio == 1.0) | ((kind is TargetKind.UTILISATION) & (ratio < 1.0)), 0.0, absent)
    with np.errstate(divide="ignore", invalid="ignore"):
        again = np.floor((actual * ready + filled * counted) / (ready + counted) + _FUZZ) / target
    plain = np.where(tolerance.holds(ratio), current, np.ceil(ratio * ready - _FUZZ))
    wanted = np.ceil(again * (ready + counted) - _FUZZ)
    turned = ((ratio < 1.0) & (again > 1.0)) | ((ratio > 1.0) & (again < 1.0))
    against = ((again < 1.0) & (wanted > current)) | ((again > 1.0) & (wanted < current))
    kept = tolerance.holds(again) | turned | against
    return np.where(counted == 0.0, plain, np.where(kept, current, wanted))
