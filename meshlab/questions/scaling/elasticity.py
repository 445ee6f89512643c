"""How well supply followed demand: the elasticity metrics of the SPEC Research Group.

N. Herbst et al., "Ready for Rain? A View from SPEC Research on the Future of Cloud Metrics", SPEC-RG-2016-01.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["demand", "elasticity"]

Floats = NDArray[np.float64]


def demand(arrivals_per_s: Floats, carried_per_s: float) -> Floats:
    """Replicas that the traffic needed: arrivals over what one replica carries, rounded up."""
    return np.asarray(np.ceil(arrivals_per_s / carried_per_s - 1e-9), np.float64)


def elasticity(needed: Floats, supply: Floats) -> dict[str, float]:
    """The metrics over evenly spaced moments, by their columns in table ``elasticity``.

    Accuracy is how many replicas are too few or too many, per cent of the demand, averaged over time; instability the
    share of the moments in which supply and demand did not change in the same direction; replicas are what it costs.

    Parameters
    ----------
    needed, supply : ndarray of float64, shape (moments,)
        Replicas; a moment where either is NaN is left out. A moment that needed none has no accuracy of "too few", and
        counts as time with too many.
    """
    known = np.isfinite(needed) & np.isfinite(supply)
    d, s = needed[known], supply[known]
    with np.errstate(divide="ignore", invalid="ignore"):
        under = np.where(d > 0, np.maximum(d - s, 0.0) / d, 0.0)
        over = np.where(d > 0, np.maximum(s - d, 0.0) / d, s)
    turned = np.minimum(np.abs(np.sign(np.diff(s)) - np.sign(np.diff(d))), 1.0)
    shares = {"accuracy_under": under, "accuracy_over": over, "time_under": d > s, "time_over": s > d}
    shares["instability"] = turned
    means = {name: 100 * float(np.mean(values)) if len(values) else np.nan for name, values in shares.items()}
    return {**means, "replicas": float(s.mean()) if len(s) else np.nan}
