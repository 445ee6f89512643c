"""Counts by who called whom and block of time: one row a combination of words, one column a block.

A counter that was scraped once is scraped in nearly every block after it: this holds the same as a long frame in a
fraction of its memory, and nothing is looked up again when it is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "CHUNK",
    "EDGE",
    "Bools",
    "Cells",
    "Cube",
    "Floats",
    "Part",
    "Sorted",
    "cube",
    "long",
    "quantile",
    "total",
    "wide",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Cells = NDArray[np.float32] | NDArray[np.float64]

EDGE = ("source_namespace", "source", "destination_namespace", "destination_service")
"""The words that tell one edge from another: a calling workload and a called service."""

CHUNK: Final = 256
"""Edges that are worked on at a time: what lies between fits into a processor's cache."""


def wide(frame: pd.DataFrame, words: Sequence[str], value: str, blocks: int) -> pd.DataFrame:
    """Turn a long frame into one with a column for each block.

    Parameters
    ----------
    frame : DataFrame
        With the words, ``block`` and `value`.
    words : sequence of str
    value : str
    blocks : int
        How many there are.

    Returns
    -------
    DataFrame
        Indexed by the words (text), columns 0, 1, ...; NaN where there was no row. In single precision as long as it
        holds every count exactly, else in double.
    """
    kinds = [pd.Categorical(frame[word]) for word in words]
    code = np.zeros(len(frame), np.int64)
    for kind in kinds:
        # Combined anew for each word, so that the numbers stay small whatever the names.
        code = pd.factorize(code * (len(kind.categories) + 1) + kind.codes)[0].astype(np.int64)
    first = np.unique(code, return_index=True)[1] if len(code) else np.empty(0, np.intp)
    names = [kind.categories.to_numpy(object)[kind.codes[first]] if len(first) else [] for kind in kinds]
    index = pd.MultiIndex.from_arrays([pd.Index(name, dtype=str) for name in names], names=list(words))
    block = frame["block"].to_numpy(np.int64)
    inside = (block >= 0) & (block < blocks)
    cell = code[inside] * blocks + block[inside]
    sums = np.bincount(cell, frame[value].to_numpy(np.float64)[inside], len(first) * blocks)
    exact = bool((sums.astype(np.float32) == sums).all())
    cells = np.full(len(first) * blocks, np.nan, np.float32 if exact else np.float64)
    cells[cell] = sums[cell]
    return pd.DataFrame(cells.reshape(len(first), blocks), index=index, columns=pd.RangeIndex(blocks), copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """Counts by combination of words and block.

    Parameters
    ----------
    table : DataFrame
        One row a combination, text columns.
    cells : ndarray of float32 or float64, shape (combinations, blocks)
        NaN where nothing was scraped.
    """

    table: pd.DataFrame
    cells: Cells


def long(frame: pd.DataFrame, value: str, **words: str) -> pd.DataFrame:
    """Turn some rows of what `wide` made into a long frame again.

    Parameters
    ----------
    frame : DataFrame
        Of `wide`.
    value : str
        Name of the counts' column.
    **words : str
        The value that each of these words must have.

    Returns
    -------
    DataFrame
        The words, ``block`` and `value`; no row where nothing was scraped.
    """
    chosen = np.ones(len(frame), np.bool_)
    for word, wanted in words.items():
        chosen &= np.asarray(frame.index.get_level_values(word) == wanted, np.bool_)
    cells = frame.to_numpy()[chosen]
    row, block = np.nonzero(np.isfinite(cells))
    table = frame.index[chosen].to_frame(index=False).iloc[row].reset_index(drop=True)
    table["block"], table[value] = block, cells[row, block].astype(np.float64)
    return table


def total(cells: Cells, blocks: Bools | None = None) -> Floats:
    """The sum of each row over some blocks, NaN for none, shape (rows,); a few rows at a time.

    Parameters
    ----------
    cells : ndarray, shape (rows, blocks)
    blocks : ndarray of bool, shape (blocks,), optional
    """
    summed = np.zeros(len(cells))
    for low in range(0, len(cells), CHUNK):
        part = cells[low : low + CHUNK]
        summed[low : low + CHUNK] = np.nansum(part if blocks is None else part[:, blocks], axis=1, dtype=np.float64)
    return summed


def quantile(values: Floats, q: float) -> Floats:
    """The quantile of each row's numbers, NaN where there is none, shape (rows,).

    Rows without a gap, which most are, are sorted together.
    """
    found = np.full(len(values), np.nan)
    known = np.isfinite(values)
    whole, some = known.all(axis=1), known.any(axis=1)
    if values.shape[1] and whole.any():
        found[whole] = np.quantile(values[whole], q, axis=1)
    if (gaps := some & ~whole).any():
        found[gaps] = np.nanquantile(values[gaps], q, axis=1)
    return found


def cube(frame: pd.DataFrame) -> Cube:
    """Read what `wide` made, without a copy of the counts."""
    return Cube(frame.index.to_frame(index=False).astype(str), frame.to_numpy())


class Sorted:
    """A cube whose combinations are read edge by edge.

    Parameters
    ----------
    of : Cube
    edge : ndarray of int, shape (combinations,)
        The edge of each combination; -1 for none.
    """

    def __init__(self, of: Cube, edge: NDArray[np.intp]) -> None:
        order = np.argsort(edge, kind="stable")
        self._rows = order[edge[order] >= 0]
        self._edge = edge[self._rows]
        self._cells = of.cells

    def part(self, low: int, high: int, blocks: int) -> Part:
        """The combinations of the edges from `low` to before `high`."""
        at = slice(*np.searchsorted(self._edge, [low, high]))
        rows = self._rows[at]
        return Part(rows, self._edge[at] - low, self._cells[rows].astype(np.float64), (high - low, blocks))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some edges' combinations, in the order of the edges.

    Parameters
    ----------
    rows, edge : ndarray of int, shape (rows,)
        Which combination each row is, and of which of these edges.
    cells : ndarray, shape (rows, blocks)
    shape : tuple of int
        Edges and blocks.
    """

    rows: NDArray[np.intp]
    edge: NDArray[np.intp]
    cells: Floats
    shape: tuple[int, int]

    def sums(self, keep: Bools | None = None) -> Floats:
        """Sums by edge and block of the combinations that are kept, shape (edges, blocks); zero for none.

        Parameters
        ----------
        keep : ndarray of bool, shape (all combinations of the cube,), optional
        """
        return self._over(np.nan_to_num(self._kept(keep)), keep)

    def scraped(self) -> Bools:
        """In which blocks an edge was scraped at all, requests or none."""
        return self._over(np.isfinite(self.cells).astype(np.float64), None) > 0

    def _kept(self, keep: Bools | None) -> Floats:
        return self.cells if keep is None else self.cells[keep[self.rows]]

    def _over(self, cells: Floats, keep: Bools | None) -> Floats:
        summed = np.zeros(self.shape)
        edge = self.edge if keep is None else self.edge[keep[self.rows]]
        if len(edge):
            start = np.flatnonzero(np.r_[True, edge[1:] != edge[:-1]])
            summed[edge[start]] = np.add.reduceat(cells, start, axis=0)
        return summed
