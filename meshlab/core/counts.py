"""Counts in blocks of time, with their labels once a group: what every question about rates is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import Final, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from meshlab.core.blocks import BlockGrid
from meshlab.core.series import Query
from meshlab.core.subject import Subject
from meshlab.errors import ContractError

__all__ = ["BlockGrid", "Counts", "group_rows", "is_single", "sum_cells"]

_WHOLE: Final = "count"
"""The one quantity that is counted in whole numbers."""

_DENSE: Final = 8
"""Cells of a table for each number to be added, up to which the table is made."""

_AT_ONCE: Final = 1 << 16
"""Numbers that are compared at a time."""


@dataclass(frozen=True, eq=False)
class Counts:
    """What was counted by group and block of time. A block in which a group was not scraped is missing, never zero.

    Parameters
    ----------
    labels : DataFrame
        One row a group, one column a word, sorted by all of them in turn; each group has at least one block.
    starts : ndarray of int64, shape (groups + 1,)
        Where each group begins in `block` and `value`, plus the end.
    block : ndarray of int16 or int32, shape (counts,)
        Ascending within a group; kept as `BlockGrid.dtype`.
    value : ndarray of float32 or float64, shape (counts,)
        Kept in single precision where that holds every number exactly, else in double, which holds whole numbers up to
        2**53. Sums are to be made in double.
    grid : BlockGrid
    query : Query
        Where it comes from, with its completeness.
    quantity : str
        What is counted: ``count`` (whole numbers), or a sum such as ``sum_ms``.
    """

    labels: pd.DataFrame
    starts: NDArray[np.int64]
    block: NDArray[np.integer]
    value: NDArray[np.float32] | NDArray[np.float64]
    grid: BlockGrid
    query: Query = field(default_factory=lambda: Query(promql="", engine=""))
    quantity: str = _WHOLE

    def __post_init__(self) -> None:
        if len(self.starts) != len(self.labels) + 1 or not len(self.block) == len(self.value) == self.starts[-1]:
            raise ContractError("the parts of Counts differ in length")
        object.__setattr__(self, "block", self.block.astype(self.grid.dtype, copy=False))
        if self.value.dtype != np.float32 and is_single(self.value):
            object.__setattr__(self, "value", self.value.astype(np.float32))

    @classmethod
    def of(
        cls,
        labels: pd.DataFrame,
        sid: NDArray[np.integer],
        block: NDArray[np.integer],
        value: ArrayLike,
        grid: BlockGrid,
        *,
        query: Query | None = None,
        quantity: str = _WHOLE,
    ) -> Self:
        """Sum numbers by what their labels have in common, and by block.

        Parameters
        ----------
        labels : DataFrame
            Rows may be equal.
        sid : ndarray of int, shape (numbers,)
            Row of `labels` of each number.
        block : ndarray of int, shape (numbers,)
            Numbers outside of the grid (-1) are left out.
        value : array_like, shape (numbers,)
        grid : BlockGrid
        query : Query, optional
        quantity : str
        """
        number, groups = group_rows(labels)
        inside = (block >= 0) & (block < grid.blocks)
        key = number[sid[inside]] * grid.blocks + block[inside]
        key, total = sum_cells(key, np.asarray(value, np.float64)[inside], len(groups) * grid.blocks)
        group, block = np.divmod(key, max(grid.blocks, 1))
        lengths = np.bincount(group, minlength=len(groups))
        return cls(
            groups[lengths > 0].reset_index(drop=True),
            np.r_[0, np.cumsum(lengths[lengths > 0])].astype(np.int64),
            block,
            total,
            grid,
            query or Query(promql="", engine=""),
            quantity,
        )

    @classmethod
    def none(cls, words: Sequence[str], grid: BlockGrid, *, quantity: str = _WHOLE) -> Self:
        """Nothing was counted."""
        labels, nothing = pd.DataFrame(columns=list(words), dtype=str), np.empty(0, np.int64)
        return cls.of(labels, nothing, nothing, nothing, grid, quantity=quantity)

    @classmethod
    def joined(cls, parts: Sequence[Counts], query: Query) -> Counts:
        """Counts of one grid and the same words as one: what has the same labels is added up."""
        held = [part for part in parts if len(part)] or parts[:1]
        if len(held) == 1:
            return replace(held[0], query=query)
        first = np.cumsum([0, *(len(part) for part in held)])
        return cls.of(
            pd.concat([part.labels for part in held], ignore_index=True),
            np.concatenate([part.sid + low for part, low in zip(held, first, strict=False)]),
            np.concatenate([part.block for part in held]),
            np.concatenate([part.value for part in held]),
            held[0].grid,
            query=query,
            quantity=held[0].quantity,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        groups = f"{len(self)} group{'s' * (len(self) != 1)} by {', '.join(self.words)}"
        return f"<Counts: {groups} in {self.grid.blocks} blocks>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.totals().head(10).to_html(index=False)}"

    @property
    def words(self) -> list[str]:
        """Names of the label columns."""
        return [str(word) for word in self.labels.columns]

    @property
    def empty(self) -> bool:
        """Whether nothing was counted."""
        return not len(self)

    @property
    def sid(self) -> NDArray[np.int32]:
        """Row in `labels` of each count, ascending; shape (counts,)."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The long frame with labels as text; `tidy` is smaller."""
        frame = self.tidy()
        return frame.astype({word: str for word in self.words if frame[word].dtype == "category"})

    def tidy(self) -> pd.DataFrame:
        """The long frame, for people: one row a group and block.

        Returns
        -------
        DataFrame
            A category column a word (numbers stay numbers), ``block``, ``time`` (its end; datetime64[ms, UTC]) and
            the quantity (int64 for ``count``, else float64), in the order of groups and blocks.
        """
        lengths, columns = np.diff(self.starts), dict[str, object]()
        for word in self.words:
            column = self.labels[word]
            if pd.api.types.is_numeric_dtype(column):
                columns[word] = np.repeat(column.to_numpy(), lengths)
                continue
            table = pd.Categorical(column)
            codes = np.repeat(table.codes, lengths)
            columns[word] = pd.Categorical.from_codes(codes, dtype=table.dtype, validate=False)
        columns["block"] = self.block.astype(np.int64)
        columns["time"] = self.grid.ends_of(self.block)
        columns[self.quantity] = self.value.astype(np.int64 if self.quantity == _WHOLE else np.float64)
        return pd.DataFrame(columns, copy=False)

    def cells(self) -> NDArray[np.float32] | NDArray[np.float64]:
        """The table of groups and blocks, NaN where a block is missing.

        Returns
        -------
        ndarray, shape (groups, blocks)
            In single precision as long as it holds every number exactly, else in double.
        """
        cells = np.full((len(self), self.grid.blocks), np.nan, self.value.dtype)
        cells[self.sid, self.block] = self.value
        return cells

    def wide(self, by: Sequence[str] | None = None) -> pd.DataFrame:
        """`cells` as a frame.

        Parameters
        ----------
        by : sequence of str, optional
            The words that tell rows apart; all of them when not given.

        Returns
        -------
        DataFrame
            Indexed by the words, columns 0, 1, ...
        """
        counts = self.by(by or self.words)
        index = pd.MultiIndex.from_frame(counts.labels)
        return pd.DataFrame(counts.cells(), index=index, columns=pd.RangeIndex(self.grid.blocks), copy=False)

    def totals(self, by: Sequence[str] | None = None) -> pd.DataFrame:
        """Sums over time.

        Returns
        -------
        DataFrame
            One row a group: the words, the quantity, and ``first`` and ``last``: the ends of the first and of the last
            block in which something was counted (NaT: none).
        """
        counts = self if by is None else self.by(by)
        sid, some = counts.sid, counts.value > 0
        first = np.full(len(counts), self.grid.blocks)
        last = np.full(len(counts), -1)
        np.minimum.at(first, sid[some], counts.block[some])
        np.maximum.at(last, sid[some], counts.block[some])
        total = np.bincount(sid, counts.value, len(counts))
        ends = {name: self.grid.ends_of(block).where(last >= 0) for name, block in (("first", first), ("last", last))}
        total = total.astype(np.int64) if self.quantity == _WHOLE else total
        return counts.labels.assign(**{self.quantity: total}, **ends)

    def by(self, words: Sequence[str]) -> Counts:
        """The same counts by other words, or by fewer."""
        return self if list(words) == self.words else self.relabelled(self.labels[list(words)])

    def relabelled(self, labels: pd.DataFrame) -> Counts:
        """The same counts under other labels: what is now called the same is added up.

        Parameters
        ----------
        labels : DataFrame
            One row for each of this object's labels.
        """
        return Counts.of(labels, self.sid, self.block, self.value, self.grid, query=self.query, quantity=self.quantity)

    def select(self, keep: Subject | NDArray[np.bool_] | pd.Series[bool] | None = None, **equal: str) -> Counts:
        """Some of the groups; grid and query stay.

        Parameters
        ----------
        keep : Subject or array of bool, shape (groups,), optional
        **equal : str
            The value that a word must have.
        """
        if keep is None:
            keep = np.ones(len(self), np.bool_)
        mask = np.array(keep.mask(self.labels) if isinstance(keep, Subject) else keep, np.bool_)
        for word, value in equal.items():
            mask &= (self.labels[word] == value).to_numpy(np.bool_)
        return self if mask.all() else self._taken(np.flatnonzero(mask))

    def cells_where(self, keep: NDArray[np.bool_]) -> Counts:
        """Some of the counts; groups of which none is left are gone, grid and query stay.

        Parameters
        ----------
        keep : array of bool, shape (counts,)
        """
        sid, block, value = self.sid[keep], self.block[keep], self.value[keep]
        return Counts.of(self.labels, sid, block, value, self.grid, query=self.query, quantity=self.quantity)

    def nothing(self) -> Counts:
        """None of the groups; words, grid and query stay."""
        return self._taken(np.empty(0, np.intp))

    def split(self, words: Sequence[str]) -> dict[tuple[str, ...], Counts]:
        """The groups that have some words in common, by the words' values, sorted; all words stay."""
        number, found = group_rows(self.labels[list(words)])
        order, ends = np.argsort(number, kind="stable"), np.cumsum(np.bincount(number, minlength=len(found)))
        parts = np.split(order, ends[:-1]) if len(found) else []
        keys = found.itertuples(index=False, name=None)
        return {key: self._taken(rows) for key, rows in zip(keys, parts, strict=True)}

    def _taken(self, rows: NDArray[np.intp]) -> Counts:
        """Some groups, in ascending order."""
        labels, starts = self.labels.iloc[rows].reset_index(drop=True), np.zeros(len(rows) + 1, np.int64)
        lengths = np.diff(self.starts)[rows]
        np.cumsum(lengths, out=starts[1:])
        first = self.starts[:-1][rows]
        at: slice | NDArray[np.int64] = slice(0, 0)
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
            # Neighbours lie together: a view will do.
            at = slice(first[0], first[0] + starts[-1])
        elif len(rows):
            at = np.repeat(first - starts[:-1], lengths)
            at += np.arange(len(at))
        return replace(self, labels=labels, starts=starts, block=self.block[at], value=self.value[at])


def is_single(value: NDArray[np.floating]) -> bool:
    """Whether single precision holds every number exactly."""
    parts = np.array_split(value, 1 + len(value) // _AT_ONCE)
    with np.errstate(over="ignore"):
        return value.dtype == np.float32 or all(np.array_equal(part.astype(np.float32), part) for part in parts)


def group_rows(labels: pd.DataFrame) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Number the different rows of a label table in sorted order.

    Returns
    -------
    number : ndarray of int64, shape (rows,)
    groups : DataFrame
        The row behind each number.
    """
    columns = list(labels.columns)
    if len(labels) and columns:
        number = np.asarray(labels.groupby(columns, sort=True, dropna=False).ngroup(), np.int64)
    else:
        number = np.zeros(len(labels), np.int64)
    first = np.unique(number, return_index=True)[1]
    return number, labels.iloc[first].reset_index(drop=True)


def sum_cells(
    key: NDArray[np.int64], value: NDArray[np.float64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Sum numbers by key.

    Parameters
    ----------
    key : ndarray of int64, shape (numbers,)
        0 <= key < `size`.
    value : ndarray of float64, shape (numbers,)
    size : int

    Returns
    -------
    key : ndarray of int64
        Those that are there, ascending.
    total : ndarray of float64
    """
    if size <= _DENSE * max(len(key), 1):
        there = np.zeros(size, np.bool_)
        there[key] = True
        found = np.flatnonzero(there)
        return found, np.asarray(np.bincount(key, value, size), np.float64)[found]
    found, at = np.unique(key, return_inverse=True)
    return found, np.asarray(np.bincount(at, value, len(found)), np.float64)
