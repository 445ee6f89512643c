"""How much counters rose, by group and block of time: the one way from raw samples to counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts, group_rows, is_single, sum_cells
from meshlab.core.series import Query
from meshlab.stats.counters import increments
from meshlab.telemetry.targets import Targets

__all__ = ["LOST_PARTS", "increase", "increase_by_block", "lost_parts_text"]

LOST_PARTS: Final = "a part of a sum of counters went away"
"""How the text in ``Query.failed`` begins where increments are unknown."""

_CHUNK: Final = 16_384
"""Samples that are worked on at a time: what lies between stays small, however many there are."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def increase(targets: Targets, grid: BlockGrid) -> Floats:
    """How much each counter rose in all blocks together; shape (series,). See `increase_by_block`."""
    series_count = len(targets.raw)
    total = np.zeros(series_count)
    for series, sid, _, rise in _rises(targets, grid, np.arange(series_count), np.arange(series_count)):
        total[series] = np.bincount(sid, rise, len(series))
    return total


def increase_by_block(
    targets: Targets,
    labels: pd.DataFrame,
    grid: BlockGrid,
    *,
    keep: NDArray[np.bool_] | None = None,
    quantity: str = "count",
    scale: float = 1.0,
) -> Counts:
    """How much counters rose, summed by what their labels have in common and by block.

    Parameters
    ----------
    targets : Targets
        Samples of counters, each once (`scraped_twice.distinct`), with those of the look-back before the first block:
        they are the base.
    labels : DataFrame
        One row a series: what it is counted under.
    grid : BlockGrid
    keep : ndarray of bool, shape (series,), optional
        The series that are counted.
    quantity : str
        ``count`` rounds each increment: a store may have interpolated it.
    scale : float
        What increments are multiplied by.

    Returns
    -------
    Counts
        No row for a block in which no counter of a group was scraped, zero where it stood still. Where a part of a sum
        went away, its increment is left out and ``query.failed`` says so.
    """
    # Found out before room is made for the counts.
    raw, _ = targets.raw, targets.unknown
    number, groups = group_rows(labels)
    chosen = np.arange(len(raw)) if keep is None else np.flatnonzero(keep)
    order = chosen[np.argsort(number[chosen], kind="stable")]
    most = min(int(np.diff(raw.starts)[order].sum()), len(groups) * grid.blocks)
    block, lengths = np.empty(most, grid.dtype), np.zeros(len(groups), np.int64)
    value: NDArray[np.float32] | Floats = np.empty(most, np.float32)
    at = 0
    for series, sid, blocks, rise in _rises(targets, grid, order, number):
        rise = np.rint(rise) if quantity == "count" else rise * scale
        first, last = number[series[[0, -1]]]
        group = number[series] - first
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
    query = _with_lost_parts(raw.query, targets, chosen, grid)
    return Counts(groups[there].reset_index(drop=True), starts, block[:at], value[:at], grid, query, quantity)


def _with_lost_parts(query: Query, targets: Targets, chosen: NDArray[np.intp], grid: BlockGrid) -> Query:
    """The query with what is unknown of some series within the grid, where parts of sums went away."""
    rows = targets.unknown
    rows = rows[np.isin(targets.raw.sid[rows], chosen)] if len(rows) else rows
    rows = rows[grid.block_of(targets.raw.time[rows].astype("datetime64[ms]").view(np.int64)) >= 0]
    if not len(rows):
        return query
    sums = len(np.unique(targets.groups[targets.raw.sid[rows]]))
    return replace(query, failed=(*query.failed, lost_parts_text(sums, len(rows))))


def lost_parts_text(sums: int, increments: int) -> str:
    """What is unknown where parts of sums went away, in words."""
    return (
        f"{LOST_PARTS}: {sums} sum{'s' * (sums != 1)} fell to what no restart explains, and {increments} "
        f"increment{'s' * (increments != 1)} of {'them' if sums != 1 else 'it'} are unknown and not counted"
    )


def _rises(
    targets: Targets, grid: BlockGrid, order: NDArray[np.intp], number: Ints
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
    raw, since, lost = targets.raw, targets.since, targets.unknown
    starts, time = raw.starts, raw.time.astype("datetime64[ms]", copy=False).view(np.int64)
    unknown = np.zeros(len(time), np.bool_) if len(lost) else None
    if unknown is not None:
        unknown[lost] = True
    lengths = np.diff(starts)[order]
    new = np.r_[True, np.diff(number[order]) != 0][: len(order)]
    # Chunks begin where a group does.
    chunk = np.maximum.accumulate(np.where(new, (np.cumsum(lengths) - lengths) // _CHUNK, 0))
    for part in np.split(np.arange(len(order)), np.flatnonzero(np.diff(chunk)) + 1) if len(order) else ():
        series, length = order[part], lengths[part]
        sid = np.repeat(np.arange(len(series), dtype=np.int32), length)
        rows = np.repeat(starts[series] - np.cumsum(length) + length, length) + np.arange(len(sid))
        sid, moment, rise = increments(
            sid, time[rows], raw.value[rows], since[series], None if unknown is None else unknown[rows]
        )
        block = grid.block_of(moment)
        inside = block >= 0
        yield series, sid[inside], block[inside], rise[inside]
