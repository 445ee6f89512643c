"""Counts by edge and block: nothing is lost, and what was not scraped stays missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from meshlab.core.counts import BlockGrid, Counts
from meshlab.questions.retries.cells import CHUNK, Sorted, by_block, quantile, total


def counted(cells: np.ndarray) -> Counts:
    """A group a row."""
    row, block = np.nonzero(np.isfinite(cells))
    labels = pd.DataFrame({"who": [f"{k:06}" for k in range(len(cells))]})
    return Counts.of(labels, row, block, cells[row, block], BlockGrid(0, 1000, cells.shape[1]))


def test_a_block_in_which_nothing_was_scraped_is_missing() -> None:
    cells = np.array([[1.0, np.nan, np.nan], [2.0, 0.0, np.nan]])
    np.testing.assert_array_equal(by_block(counted(cells)), [3.0, 0.0, np.nan])
    assert np.isnan(by_block(counted(cells).nothing())).all()


@pytest.mark.parametrize("gaps", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["counts", "cells"])
def test_sums_by_edge_are_those_of_its_groups_however_they_lie(kind: str, gaps: float) -> None:
    draw = np.random.default_rng(1)
    edges, rows, blocks = 2 * CHUNK + 3, 2000, 5
    cells = draw.integers(0, 9, (rows, blocks)).astype(np.float32)
    cells[:, 1:][draw.random((rows, blocks - 1)) < gaps] = np.nan
    edge = draw.integers(-1, edges, rows)
    edge[edge == 7] = 8
    keep = draw.random(rows) < 0.5
    of = Sorted(counted(cells) if kind == "counts" else cells, edge)
    summed, scraped = np.zeros((edges, blocks)), np.zeros((edges, blocks), np.bool_)
    for low in range(0, edges, CHUNK):
        part = of.chunk(low, min(low + CHUNK, edges), blocks)
        summed[low : low + CHUNK], scraped[low : low + CHUNK] = part.sums(keep), part.scraped()
    for at in (0, 7, 8, CHUNK - 1, CHUNK, edges - 1):
        mine = cells[(edge == at) & keep]
        np.testing.assert_array_equal(summed[at], np.nansum(mine, axis=0))
        np.testing.assert_array_equal(scraped[at], np.isfinite(cells[edge == at]).any(axis=0))
    assert not summed[7].any()
    assert not scraped[7].any()


def test_totals_are_exact_in_single_precision() -> None:
    # Added up one after the other in single precision this would stand still at 2 ** 24.
    cells = np.full((CHUNK + 1, 3000), 2**23 + 1, np.float32)
    some = np.arange(3000) % 2 == 0
    assert (total(cells) == 3000 * (2**23 + 1)).all()
    assert (total(cells, some) == 1500 * (2**23 + 1)).all()


@pytest.mark.parametrize("q", [0.25, 0.5, 0.75])
def test_quantiles_are_those_of_each_rows_own_numbers(q: float) -> None:
    values = np.random.default_rng(2).normal(size=(6, 9))
    values[1, 3:7] = values[4, 0] = np.nan
    values[2] = np.nan
    found = quantile(values, q)
    for row, mine in zip(values, found, strict=True):
        numbers = row[np.isfinite(row)]
        assert np.isnan(mine) if not len(numbers) else mine == pytest.approx(np.quantile(numbers, q))
