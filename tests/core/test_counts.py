from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.core.counts import BlockGrid, Counts
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.errors import ContractError

GRID = BlockGrid(start_ms=60_000, block_ms=15_000, blocks=6)
WORDS = ("destination_service", "code")
NONE = np.empty(0, np.int64)


@st.composite
def numbers(draw: st.DrawFn) -> tuple[pd.DataFrame, Counts]:
    """A long frame of random numbers, some of them outside of the grid, and Counts of the same."""
    series = draw(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["200", "503", ""])), min_size=1))
    rows = draw(st.lists(st.tuples(st.integers(0, len(series) - 1), st.integers(-1, 6), st.integers(0, 9))))
    sid, block, value = np.array(rows, np.int64).reshape(-1, 3).T
    labels = pd.DataFrame(series, columns=list(WORDS), dtype=str)
    frame = labels.iloc[sid].assign(block=block, count=value)
    counts = Counts.of(labels, sid, block, value, GRID)
    return frame[frame["block"].between(0, 5)].reset_index(drop=True), counts


def long(counts: Counts) -> pd.DataFrame:
    return counts.frame.drop(columns="time")


@settings(max_examples=40)
@given(numbers())
def test_sums_equal_those_of_the_long_frame(given: tuple[pd.DataFrame, Counts]) -> None:
    frame, counts = given
    expected = frame.groupby([*WORDS, "block"])["count"].sum().reset_index()
    pd.testing.assert_frame_equal(long(counts), expected, check_dtype=len(frame) > 0)
    cells = expected.pivot(index=list(WORDS), columns="block", values="count").reindex(columns=range(6))
    pd.testing.assert_frame_equal(counts.wide(), cells, check_names=False, check_dtype=False, check_column_type=False)
    for by in (["code"], ["code", "destination_service"], []):
        keys = [*by, "block"]
        expected = frame.groupby(keys)["count"].sum().reset_index()
        pd.testing.assert_frame_equal(long(counts.by(by)), expected, check_dtype=len(frame) > 0)
    totals = frame.groupby("code")["count"].sum()
    assert counts.totals(["code"]).set_index("code")["count"].to_dict() == totals.to_dict()


@settings(max_examples=40)
@given(numbers(), st.sampled_from("abc"))
def test_narrowing_changes_nothing(given: tuple[pd.DataFrame, Counts], service: str) -> None:
    counts = given[1]
    narrow = counts.select(destination_service=service)
    expected = long(counts)[long(counts)["destination_service"] == service].reset_index(drop=True)
    pd.testing.assert_frame_equal(long(narrow), expected)
    mask = counts.labels["destination_service"] != service
    rest = counts.select(mask)
    assert rest.value.sum() + narrow.value.sum() == counts.value.sum()
    pd.testing.assert_frame_equal(long(Counts.joined([rest, narrow], counts.query)), long(counts))
    parts = counts.split(["destination_service"])
    assert list(parts) == sorted(parts)
    pd.testing.assert_frame_equal(long(parts.get((service,), narrow)), long(narrow))
    assert sum(part.value.sum() for part in parts.values()) == counts.value.sum()


def test_a_missing_block_has_no_row_and_zero_has_one() -> None:
    labels = pd.DataFrame({"code": ["200", "503"]})
    counts = Counts.of(labels, np.array([0, 0, 1]), np.array([1, 3, 3]), [0.0, 5.0, 2.0], GRID)
    assert list(counts.tidy()["block"]) == [1, 3, 3]
    assert counts.cells().tolist()[0] == pytest.approx([np.nan, 0, np.nan, 5, np.nan, np.nan], nan_ok=True)
    totals = counts.totals()
    assert list(totals["count"]) == [5, 2]
    assert list(totals["first"]) == [pd.Timestamp("1970-01-01T00:02:00Z")] * 2
    nothing = Counts.of(labels, np.array([0]), np.array([2]), [0.0], GRID).totals()
    assert nothing["first"].isna().all()
    assert nothing["last"].isna().all()


def test_samples_belong_to_the_block_that_they_end() -> None:
    grid = BlockGrid.over(Window(60_000, 150_000, 10_000), 25_000)
    assert grid == BlockGrid(60_000, 25_000, 3)
    moments = np.array([60_000, 60_001, 85_000, 85_001, 135_000, 135_001])
    assert grid.block_of(moments).tolist() == [-1, 0, 0, 1, 2, -1]
    assert [str(end) for end in grid.ends] == [f"1970-01-01 00:0{end}+00:00" for end in ("1:25", "1:50", "2:15")]
    assert BlockGrid.over(Window(0, 10_000, 5_000), 60_000).blocks == 0


def test_sums_and_edges_of_buckets_stay_numbers() -> None:
    labels = pd.DataFrame({"code": ["200", "200"], "le": [np.inf, 2.5]})
    counts = Counts.of(labels, np.array([0, 1]), np.array([0, 0]), [1.5, 0.5], GRID, quantity="sum_ms")
    tidy = counts.tidy()
    assert tidy.dtypes.astype(str).to_dict() == {
        "code": "category",
        "le": "float64",
        "block": "int64",
        "time": "datetime64[ms, UTC]",
        "sum_ms": "float64",
    }
    assert list(tidy["le"]) == [2.5, np.inf]
    assert counts.cells().dtype == np.float32
    assert Counts.of(labels, np.array([0]), np.array([0]), [0.1], GRID).cells().dtype == np.float64


def test_a_subject_selects_its_services() -> None:
    labels = pd.DataFrame([("east", "shop", "a"), ("east", "shop", "b"), ("west", "shop", "a")], columns=list(IDENTITY))
    counts = Counts.of(labels, np.arange(3), np.zeros(3, np.int64), [1, 2, 4], GRID)
    assert counts.select(Subject("east", "shop", "a")).value.sum() == 1
    assert counts.select(Subject("east", "shop", "a", ("a", "b"))).value.sum() == 3
    assert list(counts.split(IDENTITY)) == [("east", "shop", "a"), ("east", "shop", "b"), ("west", "shop", "a")]


def test_nothing_at_all_keeps_its_columns() -> None:
    none = Counts.of(pd.DataFrame({"code": []}, dtype=str), NONE, NONE, NONE, GRID)
    assert none.empty
    assert none.wide().shape == (0, 6)
    assert list(none.tidy()) == ["code", "block", "time", "count"]
    assert list(none.totals()) == ["code", "count", "first", "last"]
    assert none.split(["code"]) == {}
    assert Counts.joined([none, none], none.query).empty


def test_notebooks_show_the_totals_and_no_markup_of_labels() -> None:
    labels = pd.DataFrame({"<i>code": ["<b>200"]})
    counts = Counts.of(labels, np.array([0]), np.array([0]), [3], GRID)
    assert repr(counts) == "<Counts: 1 group by <i>code in 6 blocks>"
    assert "<b>" not in counts._repr_html_()
    assert "<i>" not in counts._repr_html_()
    assert "<td>3</td>" in counts._repr_html_()


def test_counts_travel_to_other_processes() -> None:
    counts = Counts.of(pd.DataFrame({"code": ["200"]}), np.array([0]), np.array([0]), [1], GRID)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(counts)).tidy(), counts.tidy())


def test_parts_of_other_lengths_are_refused() -> None:
    with pytest.raises(ContractError):
        Counts(pd.DataFrame({"code": ["200"]}), np.array([0, 2]), np.zeros(1, np.int32), np.zeros(1), GRID)
    with pytest.raises(ContractError):
        BlockGrid(0, 0, 1)
