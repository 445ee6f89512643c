"""How well supply followed demand: the elasticity metrics of the SPEC Research Group.

N. Herbst et al., "Ready for Rain? A View from SPEC Research on the Future of Cloud Metrics", SPEC-RG-2016-01.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Elasticity", "demand", "elasticity"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Elasticity:
    """Accuracy and time share of both kinds of error; all are 0 when supply is demand."""

    accuracy_under: float
    accuracy_over: float
    """Replicas too few or too many, per cent of the demand, averaged over time."""
    time_under: float
    time_over: float
    """Per cent of the time."""
    instability: float
    """Per cent of the moments in which supply and demand did not change in the same direction."""
    replicas: float
    """On average: what it costs."""


def demand(arrivals_per_s: Floats, carried_per_s: float) -> Floats:
    """Replicas that the traffic needed: arrivals over what one replica carries, rounded up."""
    return np.asarray(np.ceil(arrivals_per_s / carried_per_s - 1e-9), np.float64)


def elasticity(needed: Floats, supply: Floats) -> Elasticity:
    """The metrics over evenly spaced moments.

    Parameters
    ----------
    needed, supply : ndarray of float64, shape (moments,)
        Replicas; a moment where either is NaN is left out. A moment that needed none has no accuracy of "too few", and
        counts as time with too many.
    """
    known = np.isfinite(needed) & np.isfinite(supply)
    d, s = needed[known], supply[known]
    if not len(d):
        return Elasticity(*([np.nan] * 6))
    with np.errstate(divide="ignore", invalid="ignore"):
        under = np.where(d > 0, np.maximum(d - s, 0.0) / d, 0.0)
        over = np.where(d > 0, np.maximum(s - d, 0.0) / d, s)
    turned = np.minimum(np.abs(np.sign(np.diff(s)) - np.sign(np.diff(d))), 1.0)
    return Elasticity(
        accuracy_under=100 * float(under.mean()),
        accuracy_over=100 * float(over.mean()),
        time_under=100 * float(np.mean(d > s)),
        time_over=100 * float(np.mean(s > d)),
        instability=100 * float(turned.mean()) if len(turned) else np.nan,
        replicas=float(s.mean()),
    )
