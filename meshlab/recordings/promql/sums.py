"""Sums that do not lose what is small beside what cancels (Kahan's and Neumaier's compensated summation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from meshlab.recordings.promql.values import Bools, Floats, Ints
from meshlab.recordings.promql.windows import fold

__all__ = ["Compensated", "cancels", "sums"]

_CANCELS: Final = 1e-3
"""A sum this small beside the sum of its parts' sizes has lost three digits: it is computed again."""


def cancels(found: Floats, sizes: Floats) -> Bools:
    """Which sums lost digits, by the sums of their parts' sizes."""
    lost: Bools = np.abs(found) < _CANCELS * sizes
    return lost


@dataclass(frozen=True, slots=True, eq=False)
class Compensated:
    """Running sums, each with what rounding has taken from it (promql: kahanSumInc).

    Parameters
    ----------
    total, rest : ndarray of float64
        Changed in place.
    """

    total: Floats
    rest: Floats

    @classmethod
    def nothing(cls, shape: int | tuple[int, ...]) -> Compensated:
        """Sums of nothing."""
        return cls(np.zeros(shape), np.zeros(shape))

    def add(self, at: slice | Ints, new: Floats) -> None:
        """Add to some of the sums."""
        with np.errstate(all="ignore"):
            old = self.total[at]
            now = old + new
            error = np.where(np.abs(old) >= np.abs(new), (old - now) + new, (new - now) + old)
            self.rest[at] = np.where(np.isinf(now), 0.0, self.rest[at] + error)
            self.total[at] = now

    @property
    def value(self) -> Floats:
        """The sums."""
        with np.errstate(all="ignore"):
            return np.where(np.isinf(self.total), self.total, self.total + self.rest)


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
    lost = cancels(found, fold(np.add, np.abs(x), low, high)) & (high - low > 1)
    if lost.any():
        found[lost] = _compensated(x, low[lost], high[lost] - low[lost])
    return found


def _compensated(x: Floats, begin: Ints, size: Ints) -> Floats:
    """Sum members in their order, as Prometheus does."""
    order = np.argsort(-size, kind="stable")
    begin, size = begin[order], size[order]
    sums = Compensated.nothing(len(begin))
    # The longest sums first: those that still have a member are always at the front.
    still = np.searchsorted(-size, -np.arange(int(size.max(initial=0))), side="left")
    for place, count in enumerate(still.tolist()):
        sums.add(slice(0, count), x[begin[:count] + place])
    found = np.empty(len(begin))
    found[order] = sums.value
    return found
