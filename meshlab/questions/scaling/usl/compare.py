"""Did a new version change what one replica can carry?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import t as student

from meshlab.questions.scaling.usl import curve
from meshlab.questions.scaling.usl.result import Estimate, Fit, Reason, Refusal

__all__ = ["HARMLESS", "Comparison", "compare"]

HARMLESS: Final = frozenset({Reason.SMALLER_MODEL, Reason.PATTERN})
"""Reasons for which a curve's height and knee are still what they are; only its law is in doubt."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Capacity of the second version against the first."""

    change: Estimate | None
    """Relative change of capacity, -0.12 for -12 %, with its interval. None when one side cannot be compared."""
    concurrency: float
    """Capacity is the largest throughput up to here: the largest concurrency measured of both versions."""
    differs: bool
    """Whether the interval excludes no change."""
    refusal: Refusal | None


def compare(before: Fit, after: Fit) -> Comparison:
    """Compare the largest throughput of two versions, up to the largest concurrency measured of both.

    Fit both per ready replica, so that the answer is capacity a replica. The interval is that of a difference of logs
    with Welch's degrees of freedom, at the level of the first fit. Either fit that is refused for more than its shape
    gives a refusal.
    """
    for name, fit in (("before", before), ("after", after)):
        for refusal in fit.refusals:
            if fit.coefficients is None or refusal.reason not in HARMLESS:
                return _refused(refusal.reason, f"{name}, {refusal.sentence}")
    measured = [fit.points.concurrency for fit in (before, after)]
    reach = float(min(n[-1] for n in measured))
    if reach < max(n[0] for n in measured):
        return _refused(Reason.OUT_OF_REACH, "they have no concurrency in common")
    (old, old_error), (new, new_error) = (_height(fit, reach) for fit in (before, after))
    error = float(np.hypot(old_error, new_error))
    freedom = _welch(old_error, before.freedom, new_error, after.freedom)
    half = float(student.ppf(0.5 + before.level / 2, freedom)) * error
    with np.errstate(over="ignore"):
        low, high = (new / old * float(np.exp(end)) - 1.0 for end in (-half, half))
    change = Estimate.around(new / old - 1.0, low, high)
    differs = not change.low <= 0.0 <= change.high
    return Comparison(change, reach, differs, None)


def _refused(reason: Reason, why: str) -> Comparison:
    return Comparison(None, np.nan, False, Refusal(reason, f"the versions cannot be compared: {why}"))


def _height(fit: Fit, reach: float) -> tuple[float, float]:
    """Largest throughput up to this concurrency, and the standard error of its logarithm."""
    three = fit.coefficients
    assert three is not None
    peak = curve.peak_concurrency(three[0], three[1])
    at = np.array([reach if peak is None else min(peak, reach)])
    x, error = (float(part[0]) for part in curve.with_error(at, three, fit.covariance))
    return x, error / x


def _welch(error_1: float, freedom_1: int, error_2: float, freedom_2: int) -> float:
    """Degrees of freedom of a difference of two errors of different size (B. Welch, Biometrika 34, 1947)."""
    below = error_1**4 / max(freedom_1, 1) + error_2**4 / max(freedom_2, 1)
    if below <= 0:
        return float(max(min(freedom_1, freedom_2), 1))
    return float((error_1**2 + error_2**2) ** 2 / below)
