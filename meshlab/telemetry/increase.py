"""How much counters rose, by group and block of time: the one way from raw samples to counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts, group_rows, is_single, sum_cells
from meshlab.core.series import SeriesSet
from meshlab.stats.counters import first_scrapes, increments

__all__ = ["increase", "increase_by_block"]

_CHUNK: Final = 16_384
"""Samples that are worked on at a time: what lies between stays small, however many there are."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def increase(raw: SeriesSet, target: Ints, grid: BlockGrid) -> Floats:
    """How much each counter rose in all blocks together; shape (series,). See `increase_by_block`."""
    total = np.zeros(len(raw))
    for series, sid, _, rise in _rises(raw, target, grid, np.arange(len(raw)), np.arange(len(raw))):
        total[series] = np.bincount(sid, rise, len(series))
    return total


def increase_by_block(
    raw: SeriesSet,
    labels: pd.DataFrame,
    target: Ints,
    grid: BlockGrid,
    *,
    keep: NDArray[np.bool_] | None = None,
    quantity: str = "count",
    scale: float = 1.0,
    scraped_twice: bool = False,
) -> Counts:
    """How much counters rose, summed by what their labels have in common and by block.

    Parameters
    ----------
    raw : SeriesSet
        Samples of counters, with those of the look-back before the first block: they are the base.
    labels : DataFrame
        One row a series: what it is counted under.
    target : ndarray of int64, shape (series,)
        Which series were scraped from the same place, numbered from 0.
    grid : BlockGrid
    keep : ndarray of bool, shape (series,), optional
        The series that are counted.
    quantity : str
        ``count`` rounds each increment: a store may have interpolated it.
    scale : float
        What increments are multiplied by.
    scraped_twice : bool
        Whether series of the same labels are the same counter by several scrapers: the largest is taken, not the sum.

    Returns
    -------
    Counts
        No row for a block in which no counter of a group was scraped, zero where it stood still.
    """
    number, groups = group_rows(labels)
    chosen = np.arange(len(raw)) if keep is None else np.flatnonzero(keep)
    order = chosen[np.argsort(number[chosen], kind="stable")]
    most = min(int(np.diff(raw.starts)[order].sum()), len(groups) * grid.blocks)
    block, lengths = np.empty(most, grid.dtype), np.zeros(len(groups), np.int64)
    value: NDArray[np.float32] | Floats = np.empty(most, np.float32)
    at = 0
    for series, sid, blocks, rise in _rises(raw, target, grid, order, number):
        rise = np.rint(rise) if quantity == "count" else rise * scale
        first, last = number[series[[0, -1]]]
        group = number[series] - first
        if scraped_twice:
            key, total = sum_cells(sid * grid.blocks + blocks, rise, len(series) * grid.blocks)
            key, total = _largest(group[key // grid.blocks] * grid.blocks + key % grid.blocks, total)
        else:
            key, total = sum_cells(group[sid] * grid.blocks + blocks, rise, int(last - first + 1) * grid.blocks)
        if value.dtype == np.float32 and not is_single(total):
            value = np.r_[value[:at].astype(np.float64), np.empty(most - at)]
        until = at + len(key)
        block[at:until], value[at:until] = key % grid.blocks, total
        lengths[first : last + 1] = np.bincount(key // grid.blocks, minlength=last - first + 1)
        at = until
    if at < most // 2:
        block, value = block[:at].copy(), value[:at].copy()
    there = lengths > 0
    starts = np.r_[0, np.cumsum(lengths[there])].astype(np.int64)
    return Counts(groups[there].reset_index(drop=True), starts, block[:at], value[:at], grid, raw.query, quantity)


def _rises(
    raw: SeriesSet, target: Ints, grid: BlockGrid, order: NDArray[np.intp], number: Ints
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int32], Ints, Floats]]:
    """Increments within the grid, some series at a time, in an order; those of one number come together.

    Yields
    ------
    series : ndarray of int
        Which series these are.
    sid : ndarray of int32, shape (increments,)
        The place in `series` of each increment.
    block : ndarray of int64, shape (increments,)
    rise : ndarray of float64, shape (increments,)
    """
    starts, time = raw.starts, raw.time.astype("datetime64[ms]", copy=False).view(np.int64)
    base = first_scrapes(raw.sid, time, target)
    lengths = np.diff(starts)[order]
    new = np.r_[True, np.diff(number[order]) != 0][: len(order)]
    # Chunks begin where a group does.
    chunk = np.maximum.accumulate(np.where(new, (np.cumsum(lengths) - lengths) // _CHUNK, 0))
    for part in np.split(np.arange(len(order)), np.flatnonzero(np.diff(chunk)) + 1) if len(order) else ():
        series, length = order[part], lengths[part]
        sid = np.repeat(np.arange(len(series), dtype=np.int32), length)
        rows = np.repeat(starts[series] - np.cumsum(length) + length, length) + np.arange(len(sid))
        sid, moment, rise = increments(sid, time[rows], raw.value[rows], base[series])
        block = grid.block_of(moment)
        inside = block >= 0
        yield series, sid[inside], block[inside], rise[inside]


def _largest(key: Ints, value: Floats) -> tuple[Ints, Floats]:
    """The largest of the numbers of each key."""
    order = np.lexsort((value, key))
    key, value = key[order], value[order]
    last = np.r_[key[1:] != key[:-1], True][: len(key)]
    return key[last], value[last]
