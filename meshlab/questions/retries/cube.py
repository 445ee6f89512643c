"""Long frames to arrays of edges and blocks, without touching a row twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["EDGE", "Floats", "Groups", "grouped"]

Floats = NDArray[np.float64]

EDGE = ("source_namespace", "source", "destination_namespace", "destination_service")
"""The words that tell one edge from another: a calling workload and a called service."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The distinct combinations of words in a frame, and which one each row is.

    Parameters
    ----------
    table : DataFrame
        One row a combination, text columns.
    group : ndarray of int, shape (rows,)
    block : ndarray of int, shape (rows,)
    value : ndarray of float64, shape (rows,)
    """

    table: pd.DataFrame
    group: NDArray[np.intp]
    block: NDArray[np.int64]
    value: Floats

    def totals(self) -> Floats:
        """The sum of each combination, shape (combinations,)."""
        return np.bincount(self.group, self.value, len(self.table)).astype(np.float64)

    def matrix(self, edge: NDArray[np.intp], edges: int, blocks: int, keep: NDArray[np.bool_] | None = None) -> Floats:
        """Sums by edge and block.

        Parameters
        ----------
        edge : ndarray of int, shape (combinations,)
            The edge of each combination; -1 for none.
        edges, blocks : int
        keep : ndarray of bool, shape (combinations,), optional
            Which combinations count.

        Returns
        -------
        ndarray of float64, shape (edges, blocks)
        """
        used = edge >= 0 if keep is None else (edge >= 0) & keep
        rows = used[self.group] & (self.block < blocks)
        cell = edge[self.group[rows]] * blocks + self.block[rows]
        return np.bincount(cell, self.value[rows], edges * blocks).reshape(edges, blocks).astype(np.float64)


def grouped(frame: pd.DataFrame, words: Sequence[str], value: str) -> Groups:
    """Find the combinations of some words.

    Parameters
    ----------
    frame : DataFrame
        With the words (text or category), ``block`` and `value`.
    words : sequence of str
    value : str
    """
    kinds = [pd.Categorical(frame[word]) for word in words]
    code = np.zeros(len(frame), np.int64)
    for kind in kinds:
        # Combined anew for each word, so that the numbers stay small whatever the names.
        code = pd.factorize(code * (len(kind.categories) + 1) + kind.codes)[0].astype(np.int64)
    first = np.unique(code, return_index=True)[1] if len(code) else np.empty(0, np.intp)
    table = pd.DataFrame(
        {
            word: kind.categories.to_numpy(object)[kind.codes[first]] if len(first) else np.empty(0, object)
            for word, kind in zip(words, kinds, strict=True)
        }
    )
    return Groups(table, code.astype(np.intp), frame["block"].to_numpy(np.int64), frame[value].to_numpy(np.float64))
