"""Sums that do not lose what is small beside what cancels (Kahan's and Neumaier's compensated summation)."""

from __future__ import annotations

from typing import Final

import numpy as np

from meshlab.promql.values import Floats, Ints
from meshlab.promql.windows import fold

__all__ = ["CANCELS", "Running", "compensated", "sums"]

CANCELS: Final = 1e-3
"""A sum this small beside the sum of its parts' sizes has lost three digits: it is computed again."""


def sums(x: Floats, low: Ints, high: Ints) -> Floats:
    """Sum ``x[low:high]`` for every window; windows without members give an undefined value.

    Parameters
    ----------
    x : ndarray of float64, shape (samples,)
    low, high : ndarray of int64, any shape

    Returns
    -------
    ndarray of float64, shape of `low`
    """
    found = fold(np.add, x, low, high)
    if not (x < 0).any():
        return found
    lost = np.abs(found) < CANCELS * fold(np.add, np.abs(x), low, high)
    lost &= high - low > 1
    if lost.any():
        found[lost] = compensated(x, low[lost], high[lost] - low[lost])
    return found


def compensated(x: Floats, begin: Ints, size: Ints, stride: int = 1) -> Floats:
    """Sum some members of an array in their order, as Prometheus does (promql: kahanSumInc).

    Parameters
    ----------
    x : ndarray of float64, shape (members,)
    begin, size : ndarray of int64, shape (sums,)
        Where the members of each sum begin, and how many there are.
    stride : int
        How far each member is from the one before.

    Returns
    -------
    ndarray of float64, shape (sums,)
    """
    order = np.argsort(-size, kind="stable")
    begin, size = begin[order], size[order]
    total, rest = np.zeros(len(begin)), np.zeros(len(begin))
    # The longest sums first: those that still have a member are always at the front.
    still = np.searchsorted(-size, -np.arange(int(size.max(initial=0))), side="left")
    with np.errstate(all="ignore"):
        for place, count in enumerate(still.tolist()):
            new = x[begin[:count] + place * stride]
            total[:count], rest[:count] = _added(total[:count], rest[:count], new)
        found = np.empty(len(begin))
        found[order] = np.where(np.isinf(total), total, total + rest)
    return found


def _added(total: Floats, rest: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Totals with one more member each, and what rounding took from them so far."""
    now = total + new
    error = np.where(np.abs(total) >= np.abs(new), (total - now) + new, (new - now) + total)
    return now, np.where(np.isinf(now), 0.0, rest + error)


class Running:
    """Compensated sums whose members come one after the other; the same to the last digit as `compensated`.

    Parameters
    ----------
    shape : tuple of int
        Of the sums.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._total, self._rest = np.zeros(shape), np.zeros(shape)

    def add(self, at: int, new: Floats) -> None:
        """Add a member to the sums of one row; shape of `new` as of a row."""
        with np.errstate(all="ignore"):
            self._total[at], self._rest[at] = _added(self._total[at], self._rest[at], new)

    @property
    def value(self) -> Floats:
        """The sums."""
        found: Floats = np.where(np.isinf(self._total), self._total, self._total + self._rest)
        return found
