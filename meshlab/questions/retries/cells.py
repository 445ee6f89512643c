"""Counts by edge and block of time as tables of numbers, some edges at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meshlab.core.counts import Counts

__all__ = [
    "CHUNK",
    "EDGE",
    "Bools",
    "Cells",
    "Chunk",
    "Floats",
    "Sorted",
    "by_block",
    "over_edges",
    "quantile",
    "ratio",
    "total",
    "totals",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Cells = NDArray[np.float32] | NDArray[np.float64]

EDGE = ("source_namespace", "source", "destination_namespace", "destination_service")
"""The dimensions that tell one edge from another: a calling workload and a called service."""

CHUNK: Final = 64
"""Edges that are worked on at a time: what lies between fits into a processor's cache."""


def by_block(counts: Counts) -> Floats:
    """The sum of all groups by block; NaN in a block in which none was scraped."""
    blocks = counts.grid.blocks
    scraped = np.bincount(counts.block, minlength=blocks) > 0
    return np.where(scraped, np.bincount(counts.block, counts.value, blocks), np.nan)


def totals(counts: Counts) -> Floats:
    """The sum of each group over time, shape (groups,); some groups at a time."""
    sums, starts = np.zeros(len(counts)), counts.starts
    for low in range(0, len(counts), CHUNK):
        first = starts[low : low + CHUNK + 1]
        value = counts.value[first[0] : first[-1]].astype(np.float64)
        sums[low : low + CHUNK] = np.add.reduceat(value, first[:-1] - first[0])
    return sums


def total(cells: Cells, blocks: Bools | None = None) -> Floats:
    """The sum of each row of a table over all blocks or some, shape (rows,); a few rows at a time."""
    summed = np.zeros(len(cells))
    for low in range(0, len(cells), CHUNK):
        part = cells[low : low + CHUNK]
        summed[low : low + CHUNK] = np.nansum(part if blocks is None else part[:, blocks], axis=1, dtype=np.float64)
    return summed


def over_edges(cells: Cells, edges: Bools) -> Floats:
    """The sum of some edges by block; NaN in a block where none of them was measured."""
    summed, some = np.zeros(cells.shape[1]), np.zeros(cells.shape[1], np.bool_)
    numbers = np.flatnonzero(edges)
    for low in range(0, len(numbers), CHUNK):
        part = cells[numbers[low : low + CHUNK]]
        summed += np.nansum(part, axis=0, dtype=np.float64)
        some |= np.isfinite(part).any(axis=0)
    return np.where(some, summed, np.nan)


def ratio(part: ArrayLike, whole: ArrayLike, otherwise: float = np.nan) -> Floats:
    """One by the other, and something else where there is nothing to divide by."""
    top, bottom = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    quotient: Floats = np.divide(top, bottom, out=np.full(np.shape(top), otherwise), where=bottom > 0)
    return quotient


def quantile(values: Floats, q: float) -> Floats:
    """The quantile of each row's numbers, NaN where there is none, shape (rows,).

    Rows without a gap, which most are, are sorted together.
    """
    quantiles = np.full(len(values), np.nan)
    known = np.isfinite(values)
    whole, some = known.all(axis=1), known.any(axis=1)
    if values.shape[1] and whole.any():
        quantiles[whole] = np.quantile(values[whole], q, axis=1)
    if (gaps := some & ~whole).any():
        quantiles[gaps] = np.nanquantile(values[gaps], q, axis=1)
    return quantiles


class Sorted:
    """Counts whose groups are read edge by edge.

    Parameters
    ----------
    of : Counts, or ndarray of shape (groups, blocks)
    edge : ndarray of int, shape (groups,)
        The edge of each group; -1 for none.
    """

    def __init__(self, of: Counts | Cells, edge: NDArray[np.intp]) -> None:
        order = np.argsort(edge, kind="stable")
        self._rows = order[edge[order] >= 0]
        self._edge = edge[self._rows]
        self._of: Counts | Cells = of
        if isinstance(of, Counts) and len(of.value) == len(of) * of.grid.blocks:
            # No group has a gap: the counts are a table as they lie.
            self._of = of.value.reshape(len(of), of.grid.blocks)

    def chunk(self, low: int, high: int, blocks: int) -> Chunk:
        """The groups of the edges from `low` to before `high`."""
        at = slice(*np.searchsorted(self._edge, [low, high]))
        rows = self._rows[at]
        return Chunk(rows, self._edge[at] - low, self._cells(rows), (high - low, blocks))

    def _cells(self, rows: NDArray[np.intp]) -> Floats:
        if not isinstance(self._of, Counts):
            return self._of[rows].astype(np.float64, copy=False)
        counts, blocks = self._of, self._of.grid.blocks
        first, lengths = counts.starts[:-1][rows], np.diff(counts.starts)[rows]
        ends = np.cumsum(lengths)
        at = np.repeat(first - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)
        cells = np.full((len(rows), blocks), np.nan)
        cells[np.repeat(np.arange(len(rows)), lengths), counts.block[at]] = counts.value[at]
        return cells


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some edges' groups, in the order of the edges.

    Parameters
    ----------
    rows, edge : ndarray of int, shape (rows,)
        Which group each row is, and of which of these edges.
    cells : ndarray, shape (rows, blocks)
        NaN where nothing was scraped.
    shape : tuple of int
        Edges and blocks.
    """

    rows: NDArray[np.intp]
    edge: NDArray[np.intp]
    cells: Floats
    shape: tuple[int, int]

    def sums(self, keep: Bools | None = None) -> Floats:
        """Sums by edge and block of the groups that a mask of all groups keeps, shape (edges, blocks); 0 for none."""
        kept = slice(None) if keep is None else keep[self.rows]
        return self._over(np.nan_to_num(self.cells[kept]), self.edge[kept])

    def scraped(self) -> Bools:
        """In which blocks an edge was scraped at all, requests or none."""
        return self._over(np.isfinite(self.cells).astype(np.float64), self.edge) > 0

    def _over(self, cells: Floats, edge: NDArray[np.intp]) -> Floats:
        summed = np.zeros(self.shape)
        if len(edge):
            start = np.flatnonzero(np.r_[True, edge[1:] != edge[:-1]])
            summed[edge[start]] = np.add.reduceat(cells, start, axis=0)
        return summed
