"""The *_over_time family."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.core.window import Window
from meshlab.errors import BadQuery
from meshlab.recordings.engine import Recording


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("avg_over_time(g[1m])", 3.6),
        ("sum_over_time(g[1m])", 18),
        ("min_over_time(g[1m])", 1),
        ("max_over_time(g[1m])", 9),
        ("count_over_time(g[1m])", 5),
        ("last_over_time(g[1m])", 1),
        ("present_over_time(g[1m])", 1),
        ("stdvar_over_time(g[1m])", 8.64),
        ("stddev_over_time(g[1m])", 8.64**0.5),
        ("quantile_over_time(0.5, g[1m])", 3),
        ("quantile_over_time(0.9, g[1m])", 7.0),
        ("quantile_over_time(-1, g[1m])", -math.inf),
        ("quantile_over_time(2, g[1m])", math.inf),
        ("first_over_time(g[1m])", 1),
        ("mad_over_time(g[1m])", 2),
        ("ts_of_first_over_time(g[1m]) - 1769860800", 0),
        ("ts_of_last_over_time(g[1m]) - 1769860800", 60),
        ("ts_of_min_over_time(g[1m]) - 1769860800", 60),
        ("ts_of_max_over_time(g[1m]) - 1769860800", 45),
        ("double_exponential_smoothing(g[1m], 0.5, 0.5)", 5.75),
        ("holt_winters(g[1m], 0.5, 0.5)", 5.75),
    ],
)
def test_by_hand(ask, function: str, expected: float) -> None:
    [value] = ask({"g": "1 4 3 9 1"}, function).values()
    assert value == pytest.approx(expected)


def test_the_first_and_the_last_keep_the_name(ask) -> None:
    assert ask({"g": "1 2"}, "last_over_time(g[1m])", at=15) == {"__name__=g": 2}
    assert ask({"g": "1 2"}, "first_over_time(g[1m])", at=15) == {"__name__=g": 1}
    assert ask({"g": "1 2"}, "max_over_time(g[1m])", at=15) == {"": 2}


def test_nan_loses_against_numbers_and_spoils_sums(ask) -> None:
    assert ask({"g": "nan 4 nan"}, "max_over_time(g[1m])", at=30) == {"": 4}
    assert ask({"g": "nan 4 nan"}, "min_over_time(g[1m])", at=30) == {"": 4}
    assert np.isnan(ask({"g": "nan 4 nan"}, "avg_over_time(g[1m])", at=30)[""])
    assert ask({"g": "nan 4 2"}, "quantile_over_time(1, g[1m])", at=30) == {"": 4}


def test_one_infinity_does_not_spoil_later_windows(over) -> None:
    got = over({"g": "inf 1 2 3 4"}, "sum_over_time(g[30s])")[""]
    assert got == [math.inf, math.inf, math.inf, 6, 9]


def test_small_values_survive_beside_large_ones(over) -> None:
    assert over({"g": "1e18 1 2 3 4"}, "sum_over_time(g[16s])")[""][2:] == [3, 5, 7]


def test_a_mean_does_not_overflow(ask) -> None:
    assert ask({"g": "1e308 1e308 1e308"}, "avg_over_time(g[1m])", at=30)[""] == pytest.approx(1e308)


def test_absence_in_a_range(over) -> None:
    got = over({"g": "1 _ _ _ 1"}, 'absent_over_time(g{a="x",b=~"y"}[20s])')
    assert got == {"a=x": [1] * 5}
    assert over({"g": "1 _ _ _ 1"}, "absent_over_time(g[20s])")[""] == pytest.approx(
        [np.nan, np.nan, 1, 1, np.nan], nan_ok=True
    )


def test_marker_samples_are_in_no_window(ask) -> None:
    assert ask({"g": "1 stale 3"}, "count_over_time(g[1m])", at=30) == {"": 2}
    assert ask({"g": "stale stale"}, "rate(g[1m])", at=30) == {}
    assert ask({"g": "stale", 'g{a="b"}': "1 2"}, "sum_over_time(g[1m])", at=30) == {"a=b": 3}


FUNCTIONS = {
    "sum_over_time": np.sum,
    "avg_over_time": np.mean,
    "min_over_time": np.min,
    "max_over_time": np.max,
    "stddev_over_time": np.std,
    "count_over_time": len,
}


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 99), max_size=30, unique=True), min_size=1, max_size=3),
    st.integers(1, 40),
    st.booleans(),
)
def test_every_window_by_itself(times: list[list[int]], range_s: int, left_open: bool) -> None:
    start = 1_769_860_800
    rng = np.random.default_rng(range_s)
    series = [
        ({"__name__": "g", "n": str(n)}, start + np.array(sorted(at), float), rng.normal(0, 10, len(at)))
        for n, at in enumerate(times)
    ]
    recording = Recording.from_series(series, left_open=left_open)
    window = Window((start - 5) * 1000, (start + 115) * 1000, 5_000)
    for name, function in FUNCTIONS.items():
        found = recording.query_range(f"{name}(g[{range_s}s])", window)
        got = {
            (found.labels["n"][sid], int(t)): v
            for sid, t, v in zip(found.sid, found.time.astype(np.int64), found.value, strict=True)
        }
        expected = {}
        for labels, at, value in series:
            for now in window.grid().astype(np.int64):
                low = at > now / 1000 - range_s if left_open else at >= now / 1000 - range_s
                inside = value[low & (at <= now / 1000)]
                if len(inside):
                    expected[labels["n"], int(now)] = float(function(inside))
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-9), name


def test_squares_that_overflow_are_nan_in_prometheus_2_and_infinite_in_3(ask) -> None:
    huge = {"g": f"1 {'1' + '0' * 200} 5"}
    for function in ("stddev_over_time", "stdvar_over_time"):
        assert ask(huge, f"{function}(g[1m])") == pytest.approx({"": np.nan}, nan_ok=True)
        assert ask(huge, f"{function}(g[1m])", left_open=True) == {"": np.inf}


def test_a_constant_does_not_vary_at_all(ask) -> None:
    assert ask({"g": "0.1+0x9"}, "stddev_over_time(g[5m])", at=135) == {"": 0}


def test_the_latest_of_equal_extremes_counts(ask) -> None:
    series = {"g": "5 nan 5 2 2 nan", "n": "nan nan nan"}
    assert ask(series, "ts_of_max_over_time(g[5m]) - 1769860800", at=75) == {"": 30}
    assert ask(series, "ts_of_min_over_time(g[5m]) - 1769860800", at=75) == {"": 60}
    assert ask(series, "ts_of_min_over_time(n[5m]) - 1769860800", at=75) == {"": 30}


@pytest.mark.parametrize("factors", ["0, 0.5", "1, 0.5", "0.5, 0", "0.5, 1.1"])
def test_a_smoothing_factor_lies_between_0_and_1(ask, factors: str) -> None:
    with pytest.raises(BadQuery, match="factor"):
        ask({"g": "1 2 3"}, f"double_exponential_smoothing(g[1m], {factors})")
    assert ask({"g": "1 2 3"}, f"double_exponential_smoothing(nothing[1m], {factors})") == {}


def test_smoothing_needs_two_samples(ask) -> None:
    assert ask({"g": "1", "h": "1 2 3 4 5"}, 'double_exponential_smoothing({__name__=~"g|h"}[1m], 0.9, 0.9)') == {
        "": pytest.approx(5)
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [("3 1e100 4 -1e100", 7), ("-1e300 8 1e300", 8), ("1e200 1 -1e200 -1e5 1e5", 1), ("-1 1 -1 1", 0)],
)
def test_what_is_small_is_not_lost_where_the_large_cancels(ask, values: str, expected: float) -> None:
    assert ask({"g": values}, "sum_over_time(g[5m])") == {"": expected}
    assert ask({"g": values}, "avg_over_time(g[5m])") == {"": expected / len(values.split())}


def test_a_mean_beyond_the_largest_number_is_one(ask) -> None:
    series = {"g": "1.5e308 1.5e308 -1.5e308", "h": "inf 1 -inf"}
    assert ask(series, "avg_over_time(g[1m])") == {"": pytest.approx(0.5e308)}
    assert math.isnan(ask(series, "sum_over_time(h[1m])")[""])
