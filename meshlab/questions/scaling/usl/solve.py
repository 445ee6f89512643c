"""Bounded least squares for many curves at once.

Symbols
-------
As in `curve`: ``n`` concurrency N, ``x`` throughput X, ``w`` weight of a point; ``a`` contention, ``b`` coherency,
``single`` the throughput of one request in flight. With ``slow = 1 + (n - 1) (a + b n)`` and ``shape = n / slow`` the
law is ``x = single shape``; ``by_a`` and ``by_b`` are the derivatives of the projected fit, ``pull_a`` and ``pull_b``
its descent directions (minus half the gradient of the squares), ``aa, ab, bb`` the normal matrix.

Method
------
Given contention and coherency the best ``single`` is a ratio of two sums, so it is projected out (G. Golub and
V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems...", SIAM J. Numer. Anal. 10
(1973), with L. Kaufman's simplification of 1975). What is left has two bounded unknowns: a grid over both finds several
starts, and a projected Levenberg-Marquardt descent improves all starts of all curves side by side. The edges of the box
(no coherency; no contention either) are solved too, so a larger model never fits worse than one that it contains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curves", "amdahl", "linear", "usl"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_CONTENTIONS: Final = np.array([0.0, 0.003, 0.03, 0.1, 0.3, 0.8])
# Coherencies are tried where they matter: in units of 1 / (largest concurrency)^2.
_COHERENCIES: Final = np.array([0.0, 0.003, 0.03, 0.3, 3.0, 30.0])
_STARTS: Final = 5
_ROUNDS: Final = 200
_STILL: Final = 1e-13


@dataclass(frozen=True, slots=True)
class Curves:
    """Least squares solutions, one a row of the data; each array has the shape (curves,)."""

    contention: Floats
    coherency: Floats
    single: Floats
    squares: Floats
    """Weighted sum of squared residuals."""


def usl(n: Floats, x: Floats, w: Floats) -> Curves:
    """Fit all three coefficients: 0 <= contention <= 1, 0 <= coherency <= 1, single >= 0.

    Parameters
    ----------
    n, x, w : ndarray of float64, shape (curves, points)
        Concurrency above 0, throughput, weight; a point of weight 0 pads a short row.

    Returns
    -------
    Curves
    """
    reach = np.max(np.where(w > 0, n, 1.0), axis=1)
    grid = np.minimum(_COHERENCIES[None, :] / reach[:, None] ** 2, 1.0)
    a = np.broadcast_to(np.repeat(_CONTENTIONS, len(_COHERENCIES)), (len(n), _CONTENTIONS.size * _COHERENCIES.size))
    b = np.tile(grid, (1, len(_CONTENTIONS)))
    costs = np.stack([_project(n, x, w, a[:, k], b[:, k])[1] for k in range(a.shape[1])], axis=1)
    first = np.argsort(costs, axis=1, kind="stable")[:, :_STARTS]
    best = smaller = amdahl(n, x, w)
    for k in range(first.shape[1]):
        start_a, start_b = (np.take_along_axis(grid, first[:, k : k + 1], 1)[:, 0] for grid in (a, b))
        best = _better(best, _descend(n, x, w, start_a, start_b, free_b=True))
    # From the edge too, a little inside: the best of the smaller model is often next to the best of the larger.
    return _better(best, _descend(n, x, w, smaller.contention, 1e-3 / reach**2, free_b=True))


def amdahl(n: Floats, x: Floats, w: Floats) -> Curves:
    """As `usl` without coherency: Amdahl's law."""
    best = linear(n, x, w)
    for start in (0.01, 0.2, 0.9):
        best = _better(best, _descend(n, x, w, np.full(len(n), start), np.zeros(len(n)), free_b=False))
    return best


def linear(n: Floats, x: Floats, w: Floats) -> Curves:
    """As `usl` with neither contention nor coherency: a straight line through the origin."""
    none = np.zeros(len(n))
    single, squares = _project(n, x, w, none, none)
    return Curves(none, none, single, squares)


def _project(n: Floats, x: Floats, w: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    shape = n / (1.0 + (n - 1.0) * (a[:, None] + b[:, None] * n))
    single = np.sum(w * shape * x, 1) / np.sum(w * shape * shape, 1)
    return single, np.sum(w * (x - single[:, None] * shape) ** 2, 1)


def _better(left: Curves, right: Curves) -> Curves:
    """Of each row the solution with fewer squares."""
    names = ("contention", "coherency", "single", "squares")
    return Curves(*(np.where(right.squares < left.squares, getattr(right, k), getattr(left, k)) for k in names))


def _descend(n: Floats, x: Floats, w: Floats, a: Floats, b: Floats, *, free_b: bool) -> Curves:
    """Projected Levenberg-Marquardt from one start (a, b) a curve; rows that have converged are left out."""
    a, b = a.copy(), b.copy()
    single, squares = _project(n, x, w, a, b)
    damping = np.full(len(n), 1e-3)
    scale = np.sum(w * x * x, 1)
    row = np.arange(len(n))
    for _ in range(_ROUNDS):
        if not len(row):
            break
        step_a, step_b = _damped_step(n[row], x[row], w[row], a[row], b[row], single[row], damping[row], free_b)
        new_a, new_b = np.clip(a[row] + step_a, 0.0, 1.0), np.clip(b[row] + step_b, 0.0, 1.0)
        new_single, new_squares = _project(n[row], x[row], w[row], new_a, new_b)
        lower = new_squares < squares[row]
        gain = np.where(lower, squares[row] - new_squares, 0.0)
        for old, new in ((a, new_a), (b, new_b), (single, new_single), (squares, new_squares)):
            old[row[lower]] = new[lower]
        damping[row] = np.where(lower, damping[row] * 0.1, damping[row] * 7.0)
        settled = (lower & (gain <= _STILL * (squares[row] + 1e-18 * scale[row]))) | (damping[row] > 1e10)
        row = row[~settled]
    return Curves(a, b, single, squares)


def _damped_step(
    n: Floats, x: Floats, w: Floats, a: Floats, b: Floats, single: Floats, damping: Floats, free_b: bool
) -> tuple[Floats, Floats]:
    """Changes of a and b that solve the damped normal equations; a bound that is pushed against is held.

    Source: K. Levenberg (1944), D. Marquardt (1963), with Kaufman's derivatives of the projected residuals.
    """
    slow = 1.0 + (n - 1.0) * (a[:, None] + b[:, None] * n)
    shape = n / slow
    residual = x - single[:, None] * shape
    by_a = -single[:, None] * shape * (n - 1.0) / slow
    by_b = by_a * n
    norm = np.sum(w * shape * shape, 1, keepdims=True)
    by_a = by_a - shape * np.sum(w * shape * by_a, 1, keepdims=True) / norm
    by_b = by_b - shape * np.sum(w * shape * by_b, 1, keepdims=True) / norm
    pull_a, pull_b = np.sum(w * by_a * residual, 1), np.sum(w * by_b * residual, 1)
    aa, bb, ab = np.sum(w * by_a * by_a, 1), np.sum(w * by_b * by_b, 1), np.sum(w * by_a * by_b, 1)
    held_a = ((a <= 0.0) & (pull_a < 0.0)) | ((a >= 1.0) & (pull_a > 0.0)) | (aa <= 0.0)
    held_b = ((b <= 0.0) & (pull_b < 0.0)) | ((b >= 1.0) & (pull_b > 0.0)) | (bb <= 0.0) | (not free_b)
    aa, bb = np.where(held_a, 1.0, aa * (1.0 + damping)), np.where(held_b, 1.0, bb * (1.0 + damping))
    ab = np.where(held_a | held_b, 0.0, ab)
    pull_a, pull_b = np.where(held_a, 0.0, pull_a), np.where(held_b, 0.0, pull_b)
    # Scaled to a unit diagonal before Cramer's rule: coherency is many orders smaller than contention.
    size_a, size_b = np.sqrt(aa), np.sqrt(bb)
    correlation = ab / (size_a * size_b)
    det = np.maximum(1.0 - correlation * correlation, 1e-15)
    unit_a, unit_b = pull_a / size_a, pull_b / size_b
    return (unit_a - correlation * unit_b) / det / size_a, (unit_b - correlation * unit_a) / det / size_b
