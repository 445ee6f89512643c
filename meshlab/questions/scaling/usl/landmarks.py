"""Peak and knee of a fitted curve, stated only where the data reach."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from meshlab.questions.scaling.usl import curve
from meshlab.questions.scaling.usl.result import Answer, Estimate, Reason, refuse

__all__ = ["landmarks"]

Floats = NDArray[np.float64]

# A peak at 35 was estimated as 16 to infinity from data up to 8, as 20 to infinity up to 12, as 30 to 44 up to 24.
_REACH: Final = 0.6
# The far end of the peak's interval may lie this many times beyond the data, no more.
_BEYOND: Final = 2.0


def landmarks(
    coefficients: tuple[float, float, float], covariance: Floats, freedom: int, level: float, largest: float
) -> tuple[Answer, Answer, Answer]:
    """Peak concurrency, peak throughput and knee (1 / contention); `largest` is the largest concurrency measured."""
    if freedom < 1 or not np.all(np.isfinite(covariance)):
        none = refuse(Reason.FEW_LEVELS, "the points cannot separate the coefficients")
        return none, none, none
    quantile = float(student.ppf(0.5 + level / 2, freedom))
    peak = _peak(coefficients, covariance, quantile, largest)
    height = Answer(refusal=peak.refusal)
    if peak.estimate is not None:
        # At the top the slope along concurrency is nil, so the error of where the peak is adds nothing.
        at = np.array([peak.estimate.value])
        x, error = (float(part[0]) for part in curve.with_error(at, coefficients, covariance))
        height = Answer(Estimate(x, max(x - quantile * error, 0.0), x + quantile * error))
    return peak, height, _knee(coefficients[0], quantile * float(np.sqrt(max(covariance[0, 0], 0.0))), largest)


def _peak(coefficients: tuple[float, float, float], covariance: Floats, quantile: float, largest: float) -> Answer:
    a, b, _ = coefficients
    at = curve.peak_concurrency(a, b)
    if at is None:
        return refuse(Reason.NONE_IN_RANGE, f"the curve does not fall: no peak up to {largest:.3g}")
    # 1 / peak^2 is close to linear in the coefficients, and 0 where there is no peak: its interval is an honest one.
    inverse = b / (1.0 - a)
    slope = np.array([inverse / (1.0 - a), 1.0 / (1.0 - a), 0.0])
    half = quantile * float(np.sqrt(max(slope @ covariance @ slope, 0.0)))
    low = (inverse + half) ** -0.5
    high = (inverse - half) ** -0.5 if inverse > half else np.inf
    if largest < _REACH * at:
        return refuse(Reason.OUT_OF_REACH, f"the data end at {largest:.3g}, {largest / at:.0%} of the way to a peak")
    if high > _BEYOND * largest:
        end = "without end" if np.isinf(high) else f"up to {high:.3g}"
        reason = f"the peak could lie {end}, the data end at {largest:.3g}: it is at least there"
        return refuse(Reason.OUT_OF_REACH, reason)
    return Answer(Estimate.around(at, low, high))


def _knee(contention: float, half: float, largest: float) -> Answer:
    """From contention and half the width of its interval."""
    if contention <= half:
        return refuse(Reason.NONE_IN_RANGE, "contention may be 0: no knee in range")
    if _REACH / contention > largest:
        reach = f"the data end at {largest:.3g}, {largest * contention:.0%} of the way to the knee"
        return refuse(Reason.OUT_OF_REACH, reach)
    return Answer(Estimate(1.0 / contention, 1.0 / (contention + half), 1.0 / (contention - half)))
