"""Sums of some edges by block, and one sum by another."""

from __future__ import annotations

import numpy as np

from meshlab.questions.retries.cells import CHUNK, Bools, Cells, Floats

__all__ = ["by_block", "divided"]


def by_block(cells: Cells, edges: Bools) -> Floats:
    """The sum of some edges by block; NaN in a block where none of them was measured."""
    summed, some = np.zeros(cells.shape[1]), np.zeros(cells.shape[1], np.bool_)
    numbers = np.flatnonzero(edges)
    for low in range(0, len(numbers), CHUNK):
        part = cells[numbers[low : low + CHUNK]]
        summed += np.nansum(part, axis=0, dtype=np.float64)
        some |= np.isfinite(part).any(axis=0)
    return np.where(some, summed, np.nan)


def divided(part: object, whole: object) -> Floats:
    """One by the other; NaN where there is nothing to divide by."""
    top, bottom = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    ratio: Floats = np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)
    return ratio
