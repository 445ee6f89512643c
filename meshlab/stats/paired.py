"""The mean of paired differences of time blocks, with an interval that may be looked at any time.

Method
------
The sequential t test: the likelihood of the t statistic under effect sizes drawn from N(0, g), against effect size 0,
whatever the standard deviation. It is a Bayes factor with the right Haar prior on the scale, and an e-process for the
group-invariant test, so Ville's inequality holds at every look. Inverting it gives the interval in closed form.

Sources: T. Lai, "On confidence sequences", Ann. Statist. 4 (1976); M. Pérez-Ortiz, T. Lardy, R. de Heide and
P. Grünwald, "E-statistics, group invariance and anytime-valid testing", Ann. Statist. 52 (2024). Exact for normal
differences; a difference of a block is a mean over hundreds of requests.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["half_width", "log_evidence_above", "mean_interval"]

Floats = NDArray[np.float64]

_EFFECT_VARIANCE: Final = 1.0


def mean_interval(differences: ArrayLike, alpha: float) -> tuple[Floats, Floats, Floats]:
    """Running mean with its time-uniform interval.

    Parameters
    ----------
    differences : array_like, shape (blocks, ...)
        One difference a block, in the order of time; no NaN. Further axes are treated side by side.
    alpha : float
        1 - confidence level, for all looks together (of each side axis on its own).

    Returns
    -------
    mean, lower, upper : ndarray of float64, shape (blocks, ...)
        After each block, in the unit of the differences. The interval is infinite as long as the blocks are too few
        to bound the mean, and while they do not differ at all.
    """
    x = np.asarray(differences, dtype=np.float64)
    n, mean, squares = _running(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = _widths(n, alpha) * np.sqrt(squares / n)
    half = np.where((n < 2) | ~np.isfinite(half) | (squares <= 0), np.inf, half)
    return mean, mean - half, mean + half


def half_width(blocks: int, alpha: float) -> float:
    """Half the width of the interval after so many blocks, in standard deviations of the differences.

    Parameters
    ----------
    blocks : int
    alpha : float
        As for `mean_interval`.

    Returns
    -------
    float
        Infinity as long as the blocks are too few.
    """
    return float(_widths(np.array([float(blocks)]), alpha)[0]) if blocks > 1 else float("inf")


def log_evidence_above(differences: ArrayLike, null: float = 0.0) -> Floats:
    """Evidence that the mean of paired differences lies above a value: the test that `mean_interval` inverts.

    Parameters
    ----------
    differences : array_like, shape (blocks, ...)
        As for `mean_interval`.
    null : float

    Returns
    -------
    ndarray of float64, shape (blocks, ...)
        Natural logarithm after each block; 0 where the mean lies below, and while the blocks do not differ at all.
    """
    x = np.asarray(differences, dtype=np.float64) - null
    n, mean, squares = _running(x)
    shrink = 1.0 + n * _EFFECT_VARIANCE
    with np.errstate(divide="ignore", invalid="ignore"):
        t2 = n * mean**2 / squares
        logs = n / 2 * np.log((1.0 + t2) / (1.0 + t2 / shrink)) - np.log(shrink) / 2
    return np.where((n < 2) | (squares <= 0) | (mean <= 0) | ~np.isfinite(logs), 0.0, logs)


def _widths(n: Floats, alpha: float) -> Floats:
    shrink = 1.0 + n * _EFFECT_VARIANCE
    factor = (np.sqrt(shrink) / alpha) ** (2.0 / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.where(factor < shrink, (factor - 1.0) / (1.0 - factor / shrink), np.inf))


def _running(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Count, mean and sum of squares around it, after each block."""
    n = np.arange(1, len(x) + 1, dtype=np.float64).reshape(-1, *([1] * (x.ndim - 1)))
    mean = np.cumsum(x, axis=0) / n
    # Welford's sum of squares, in running form: exact enough and never negative.
    previous = np.concatenate([x[:1], mean[:-1]]) if len(x) else x
    return n, mean, np.cumsum((x - previous) * (x - mean), axis=0)
