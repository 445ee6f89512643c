"""Events among requests of two arms, in blocks of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Blocks"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Events and totals of two arms in blocks of time."""

    events_b: Floats
    total_b: Floats
    events_c: Floats
    total_c: Floats
    """Counts of the first arm (baseline) and of the second (canary); 0 <= events <= total. Shape (blocks,)."""

    @classmethod
    def of(cls, events_b: ArrayLike, total_b: ArrayLike, events_c: ArrayLike, total_c: ArrayLike) -> Blocks:
        """Counts of any integer type as the float64 arrays that the mathematics uses."""
        return cls(*(np.asarray(x, dtype=np.float64) for x in (events_b, total_b, events_c, total_c)))

    def shares(self) -> tuple[float, float]:
        """Overall share of each arm, 0..1; NaN for an arm without a single request."""
        with np.errstate(invalid="ignore"):
            first = self.events_b.sum() / self.total_b.sum()
            second = self.events_c.sum() / self.total_c.sum()
        return float(first), float(second)

    def swapped(self) -> Blocks:
        """The same counts with the arms' places exchanged."""
        return Blocks(self.events_c, self.total_c, self.events_b, self.total_b)
