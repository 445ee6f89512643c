"""Aggregations over series."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.errors import BadQuery

G = {
    'g{job="a",pod="1"}': "1",
    'g{job="a",pod="2"}': "3",
    'g{job="b",pod="3"}': "10",
    'g{job="b",pod="4"}': "nan",
}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum by (job) (g)", {"job=a": 4, "job=b": math.nan}),
        ("avg by (job) (g)", {"job=a": 2, "job=b": math.nan}),
        ("min by (job) (g)", {"job=a": 1, "job=b": 10}),
        ("max by (job) (g)", {"job=a": 3, "job=b": 10}),
        ("count by (job) (g)", {"job=a": 2, "job=b": 2}),
        ("group by (job) (g)", {"job=a": 1, "job=b": 1}),
        ("stdvar by (job) (g)", {"job=a": 1, "job=b": math.nan}),
        ("stddev by (job) (g)", {"job=a": 1, "job=b": math.nan}),
        ("sum without (pod) (g)", {"job=a": 4, "job=b": math.nan}),
        ("max(g)", {"": 10}),
        ("sum by (nothing) (g{job='a'})", {"": 4}),
        ("sum by (__name__) (g{job='a'})", {"__name__=g": 4}),
        ("topk(1, g)", {"__name__=g,job=b,pod=3": 10}),
        ("topk(4, g{job='b'})", {"__name__=g,job=b,pod=3": 10, "__name__=g,job=b,pod=4": math.nan}),
        ("bottomk by (job) (1, g)", {"__name__=g,job=a,pod=1": 1, "__name__=g,job=b,pod=3": 10}),
        ("topk(0, g)", {}),
        ("quantile by (job) (0.5, g)", {"job=a": 2, "job=b": math.nan}),
        ("quantile(1, g)", {"": 10}),
        ('count_values("v", g)', {"v=1": 1, "v=3": 1, "v=10": 1, "v=NaN": 1}),
        ('count_values by (job) ("v", g > 0)', {"job=a,v=1": 1, "job=a,v=3": 1, "job=b,v=10": 1}),
        ('count_values without (pod, v) ("v", g{job="a"})', {"job=a": 2}),
    ],
)
def test_by_hand(ask, query: str, expected: dict[str, float]) -> None:
    assert ask(G, query, at=0) == pytest.approx(expected, nan_ok=True)


def test_an_absent_series_is_in_no_group(over) -> None:
    series = {'g{p="a"}': "1 2 stale", 'g{p="b"}': "_ 5 6"}
    assert over(series, "count(g)", until=30)[""] == [1, 2, 1]
    assert over(series, "avg(g)", until=30)[""] == [1, 3.5, 6]
    assert over(series, "quantile(0.5, g)", until=30)[""] == [1, 3.5, 6]


def test_values_are_written_as_go_writes_them(ask) -> None:
    series = {'g{p="a"}': "-0.0", 'g{p="b"}': "0", 'g{p="c"}': "1e21", 'g{p="d"}': "inf", 'g{p="e"}': "1e-7"}
    found = ask(series, 'count_values("v", g)', at=0)
    assert set(found) == {"v=-0", "v=0", "v=1000000000000000000000", "v=+Inf", "v=0.0000001"}


def test_one_infinite_member_alone(ask) -> None:
    assert ask({"g": "inf"}, "stddev(g)", at=0) == {"": 0}, "as Prometheus 2 does"
    assert np.isnan(ask({"g": "inf"}, "stddev(g)", at=0, left_open=True)[""])


@pytest.mark.parametrize("query", ["topk(NaN, g)", "bottomk(Inf, g)", 'count_values("a-b", g)', 'count_values("ä", g)'])
def test_refused(ask, query: str) -> None:
    with pytest.raises(BadQuery):
        ask(G, query, at=0)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-50, 50)), min_size=1, max_size=12))
def test_sums_over_any_label_add_up(rows: list[tuple[str, int]]) -> None:
    from datetime import UTC, datetime

    from meshlab.recordings.engine import Recording

    at = 1_769_860_800
    recording = Recording.from_series(
        [({"__name__": "g", "job": job, "pod": str(i)}, [at], [value]) for i, (job, value) in enumerate(rows)]
    )
    total = sum(value for _, value in rows)
    for by in ("job", "pod", "nothing", "job, pod"):
        for way in ("by", "without"):
            found = recording.query(f"sum(sum {way} ({by}) (g))", datetime.fromtimestamp(at, UTC))
            assert found.value.tolist() == [total]


@pytest.mark.parametrize("left_open", [False, True])
def test_equal_members_do_not_vary_at_all(ask, left_open: bool) -> None:
    series = {f'g{{a="{i}"}}': "0.1" for i in range(10)}
    assert ask(series, "stddev(g)", at=0, left_open=left_open) == {"": 0}


def test_nothing_small_is_lost_where_the_large_cancels(ask) -> None:
    series = {'g{pod="a"}': "3", 'g{pod="b"}': "1e100", 'g{pod="c"}': "4", 'g{pod="d"}': "-1e100"}
    assert ask(series, "sum(g)", at=0, left_open=True) == {"": 7}
    assert ask(series, "avg(g)", at=0, left_open=True) == {"": 1.75}
    assert ask(series, "sum without (pod) (g)", at=0, left_open=True) == {"": 7}
