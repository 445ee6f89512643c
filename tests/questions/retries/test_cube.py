"""Counts as a table of blocks: nothing is lost, and what was not scraped stays missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from meshlab.questions.retries.cube import CHUNK, Sorted, cube, long, quantile, total, wide


def made_up(rows: int, seed: int, most: int = 1000) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "who": draw.choice(["a", "b", "", "b,c"], rows),
            "what": draw.choice(["200", "503"], rows),
            "block": draw.integers(0, 7, rows),
            "count": draw.integers(0, most, rows),
        }
    )
    return frame.groupby(["who", "what", "block"], as_index=False)["count"].sum()


@pytest.mark.parametrize("seed", range(5))
def test_every_count_is_where_its_words_and_block_say(seed: int) -> None:
    frame = made_up(30, seed)
    made = wide(frame, ("who", "what"), "count", 7)
    back = long(made, "count").sort_values(["who", "what", "block"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    some = long(made, "count", who="b", what="503").sort_values("block").reset_index(drop=True)
    wanted = frame[(frame["who"] == "b") & (frame["what"] == "503")].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, wanted, check_dtype=False)
    assert int(made.isna().to_numpy().sum()) == made.size - len(frame)


def test_single_precision_is_taken_only_where_it_is_exact() -> None:
    frame = pd.DataFrame({"who": ["a", "a"], "block": [0, 1], "count": [2**24, 2**24]})
    assert wide(frame, ("who",), "count", 2).to_numpy().dtype == np.float32
    frame["count"] += 1
    made = wide(frame, ("who",), "count", 2)
    assert made.to_numpy().dtype == np.float64
    assert (made.to_numpy() == 2**24 + 1).all()


def test_a_block_beyond_the_last_is_left_out() -> None:
    frame = pd.DataFrame({"who": ["a", "a"], "block": [0, 2], "count": [1, 5]})
    assert wide(frame, ("who",), "count", 2).to_numpy()[0, 0] == 1
    assert np.isnan(wide(frame, ("who",), "count", 2).to_numpy()[0, 1])


def test_of_nothing_nothing_is_made() -> None:
    made = wide(pd.DataFrame({"who": pd.Series(dtype=str), "block": [], "count": []}), ("who",), "count", 3)
    assert made.shape == (0, 3)
    assert cube(made).table.columns.tolist() == ["who"]
    assert total(cube(made).cells).shape == (0,)


def test_sums_by_edge_are_those_of_its_combinations_however_they_lie() -> None:
    draw = np.random.default_rng(1)
    edges, rows, blocks = 2 * CHUNK + 3, 2000, 5
    cells = draw.integers(0, 9, (rows, blocks)).astype(np.float32)
    cells[draw.random((rows, blocks)) < 0.3] = np.nan
    edge = draw.integers(-1, edges, rows)
    edge[edge == 7] = 8
    keep = draw.random(rows) < 0.5
    of = cube(pd.DataFrame(cells, index=pd.MultiIndex.from_arrays([[str(k) for k in range(rows)]], names=["who"])))
    summed, scraped = np.zeros((edges, blocks)), np.zeros((edges, blocks), np.bool_)
    for low in range(0, edges, CHUNK):
        part = Sorted(of, edge).part(low, min(low + CHUNK, edges), blocks)
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
