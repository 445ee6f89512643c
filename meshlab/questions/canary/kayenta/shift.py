"""By how much one sample lies above another: the Mann-Whitney interval, as R's ``wilcox.test`` finds it.

References
----------
R, src/library/stats/R/wilcox.test.R, the asymptotic branch for two samples with continuity correction; its root finder
is Brent's ``zeroin`` with an absolute tolerance of 1e-4 (src/library/stats/src/zeroin.c; Brent 1973, chapter 4).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from meshlab.errors import ParameterError

__all__ = ["Shift", "location_shift"]

_TOLERANCE: Final = 1e-4
_STEPS: Final = 1000


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much the experiment lies above the control, in the metric's own unit.

    Parameters
    ----------
    estimate : float
        Hodges and Lehmann's: the median of all differences, nearly.
    lower, upper : float
        Confidence interval. With shifts below some 1e-4 it is noise, and `lower` may lie above `upper`: the root
        finder's tolerance is absolute, as in Kayenta and in R.
    """

    estimate: float
    lower: float
    upper: float


def location_shift(control: NDArray[np.float64], experiment: NDArray[np.float64], level: float) -> Shift:
    """The interval of the shift between two samples.

    Parameters
    ----------
    control, experiment : ndarray of float64, shape (n,) and (m,)
        Finite, not empty.
    level : float
        Confidence level, 0..1.

    Raises
    ------
    ParameterError
        A sample is empty, or all observations are tied.

    Notes
    -----
    Where the test cannot reject however far one goes, the bound is the largest difference there is. With two points a
    side that makes two samples which do not overlap "significant" at any level: Kayenta's defect, kept.
    """
    if not len(control) or not len(experiment):
        raise ParameterError("one of the two samples is empty", "give at least one value for each arm")
    least, most = float(experiment.min() - control.max()), float(experiment.max() - control.min())
    z = float(norm.ppf((1.0 - level) / 2.0))

    def reached(shift: float, quantile: float = 0.0) -> float:
        return _standardised(control, experiment, shift) - quantile

    def bound(quantile: float) -> float:
        if reached(least, quantile) <= 0:
            return least
        return most if reached(most, quantile) >= 0 else _root(lambda at: reached(at, quantile), least, most)

    return Shift(_root(reached, least, most), bound(-z), bound(z))


def _standardised(control: NDArray[np.float64], experiment: NDArray[np.float64], shift: float) -> float:
    """The rank sum of the shifted experiment, standardised, with continuity correction and correction for ties."""
    n, m = len(experiment), len(control)
    ranks = rankdata(np.concatenate([experiment - shift, control]))
    ties = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    over = float(ranks[:n].sum()) - n * (n + 1) / 2 - n * m / 2
    spread = n * m / 12 * ((n + m + 1) - float((ties**3 - ties).sum()) / ((n + m) * (n + m - 1)))
    if spread <= 0:
        raise ParameterError("all observations are tied", "the metric does not change at all")
    return (over - 0.5 * float(np.sign(over))) / math.sqrt(spread)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Brent's ``zeroin``; scipy's ``brentq`` stops elsewhere, and here the place where it stops is the result."""
    a, b, c = low, high, low
    fa = fc = function(a)
    fb = function(b)
    if fa == 0:
        return a
    for _ in range(_STEPS):
        before = b - a
        if abs(fc) < abs(fb):
            a, b, c = b, c, b
            fa, fb, fc = fb, fc, fb
        enough = 2 * sys.float_info.epsilon * abs(b) + _TOLERANCE / 2
        step = (c - b) / 2
        if abs(step) <= enough or fb == 0:
            return b
        if abs(before) >= enough and abs(fa) > abs(fb):
            step = _interpolated(a, b, c, fa, fb, fc, before, step, enough)
        if abs(step) < enough:
            step = math.copysign(enough, step)
        a, fa = b, fb
        b += step
        fb = function(b)
        if (fb > 0) == (fc > 0) and fb != 0 and fc != 0:
            c, fc = a, fa
    return b


def _interpolated(
    a: float, b: float, c: float, fa: float, fb: float, fc: float, before: float, halved: float, enough: float
) -> float:
    """The secant's or the inverse parabola's step, where it stays well inside of the bracket; else half of it."""
    width = c - b
    if a == c:
        ratio = fb / fa
        p, q = width * ratio, 1.0 - ratio
    else:
        q, first, second = fa / fc, fb / fc, fb / fa
        p = second * (width * q * (q - first) - (b - a) * (first - 1.0))
        q = (q - 1.0) * (first - 1.0) * (second - 1.0)
    p, q = (p, -q) if p > 0 else (-p, q)
    inside = p < 0.75 * width * q - abs(enough * q) / 2 and p < abs(before * q / 2)
    return p / q if inside else halved
