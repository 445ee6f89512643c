"""What one metric of an autoscaler shall be, and what it asks for, for whole histories at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meshlab.questions.scaling.hpa.spec import HpaSpec

__all__ = ["Target", "TargetKind", "proposals"]

Floats = NDArray[np.float64]

# Below this a ceiling is not the next whole number, but the error of a division.
_FUZZ: Final = 1e-9


class TargetKind(StrEnum):
    """In which way a metric is compared with its target; the first three as kube-state-metrics calls them."""

    UTILISATION = "utilization"
    """Per cent of what the pods request."""
    AVERAGE = "average"
    """A mean over the pods, of a metric that each of them has."""
    VALUE = "value"
    """One number for all."""
    SHARED = "shared"
    """One number for all, divided by the replicas."""


@dataclass(frozen=True, slots=True)
class Target:
    """What one metric shall be.

    Parameters
    ----------
    metric : str
    kind : TargetKind
    value : float
        Per cent for a utilisation, else in the metric's unit.
    """

    metric: str
    kind: TargetKind
    value: float


def proposals(spec: HpaSpec, target: Target, seen: Floats, current: Floats, ready: Floats) -> Floats:
    """Replicas that one metric asks for at each sync period, as the functions of `calculator` do for one.

    Parameters
    ----------
    spec : HpaSpec
        Its tolerances.
    target : Target
    seen : ndarray of float64, shape (periods,)
        As the autoscaler's status says it: a mean over the ready pods, or the value. NaN: not known.
    current, ready : ndarray of float64, shape (periods,)
        Replicas, and those of them that were ready.

    Returns
    -------
    ndarray of float64, shape (periods,)
        NaN where the metric is not known, or no pod was ready.
    """
    down, up = (spec.tolerance, spec.tolerance)
    if spec.behaviour is not None:
        down, up = spec.behaviour.down.tolerance, spec.behaviour.up.tolerance

    def holds(ratio: Floats) -> NDArray[np.bool_]:
        return np.asarray((ratio >= 1.0 - down) & (ratio <= 1.0 + up))

    # The controller computes with whole thousandths, and with whole per cents.
    grain = 1.0 if target.kind is TargetKind.UTILISATION else 1000.0
    shall = target.value * grain
    was = np.floor(seen * grain + _FUZZ)
    ratio = was / shall
    if target.kind is TargetKind.SHARED:
        found = np.where(holds(ratio), current, np.ceil(ratio * current - _FUZZ))
    elif target.kind is TargetKind.VALUE:
        found = np.where(holds(ratio), current, np.ceil(ratio * ready - _FUZZ))
    else:
        found = _of_pods(target.kind, was, shall, current, ready, holds)
    return np.where(np.isfinite(seen) & ((ready > 0) | (target.kind is TargetKind.SHARED)), found, np.nan)


def _of_pods(kind: TargetKind, was: Floats, shall: float, current: Floats, ready: Floats, holds: object) -> Floats:
    assert callable(holds)
    ratio = was / shall
    absent = np.maximum(current - ready, 0.0)
    # A pod that is not ready has no metric: on the way down it counts as just right, on the way up as idle. One whose
    # processor time is not believed yet is left out on the way down.
    filled = np.where(ratio < 1.0, 0.0 if kind is TargetKind.UTILISATION else shall, 0.0)
    counted = np.where((ratio == 1.0) | ((kind is TargetKind.UTILISATION) & (ratio < 1.0)), 0.0, absent)
    with np.errstate(divide="ignore", invalid="ignore"):
        again = np.floor((was * ready + filled * counted) / (ready + counted) + _FUZZ) / shall
    plain = np.where(holds(ratio), current, np.ceil(ratio * ready - _FUZZ))
    wanted = np.ceil(again * (ready + counted) - _FUZZ)
    turned = ((ratio < 1.0) & (again > 1.0)) | ((ratio > 1.0) & (again < 1.0))
    against = ((again < 1.0) & (wanted > current)) | ((again > 1.0) & (wanted < current))
    kept = holds(again) | turned | against
    return np.where(counted == 0.0, plain, np.where(kept, current, wanted))
