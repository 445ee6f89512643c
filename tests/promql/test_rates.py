"""Rates by hand: the arithmetic of extrapolatedRate, in both conventions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.core.window import Window
from meshlab.recordings.engine import Recording


def test_increase_reaches_to_the_edges_of_the_window(ask) -> None:
    # Samples at 0, 15, 30, 45 in [-10, 50]: 30 in 45 s; 10 s before the first (< 16.5) and 5 s after the last.
    assert ask({"c": "100+10x3"}, "increase(c[1m])", at=50)[""] == pytest.approx(30 * 60 / 45)
    assert ask({"c": "100+10x3"}, "rate(c[1m])", at=50)[""] == pytest.approx(30 / 45)


def test_half_a_distance_where_the_edge_is_far(ask) -> None:
    # 45 s after the last sample: only half of the 15 s between samples is added at each side.
    assert ask({"c": "100+10x3"}, "increase(c[2m])", at=90)[""] == pytest.approx(30 * (45 + 7.5 + 7.5) / 45)


def test_a_counter_was_never_below_zero(ask) -> None:
    # From 5 by 10 a sample: zero was 7.5 s before the first sample, not 10 s; delta knows no zero.
    assert ask({"c": "5+10x3"}, "increase(c[1m])", at=50)[""] == pytest.approx(30 * (45 + 7.5 + 5) / 45)
    assert ask({"c": "5+10x3"}, "delta(c[1m])", at=50)[""] == pytest.approx(30 * (45 + 10 + 5) / 45)


def test_the_two_conventions_differ_where_a_counter_begins(ask) -> None:
    # The window begins 45 s before the first sample, and zero was 15 s before it: 15 is near enough for
    # Prometheus 2, while Prometheus 3 has already settled for half a distance.
    series = {"c": "10+10x3"}
    assert ask(series, "increase(c[90s])", at=45)[""] == pytest.approx(30 * (45 + 15) / 45)
    assert ask(series, "increase(c[90s])", at=45, left_open=True)[""] == pytest.approx(30 * (45 + 7.5) / 45)


def test_resets_are_counted_within_a_series_only(ask) -> None:
    series = {'c{p="a"}': "100+10x4", 'c{p="b"}': "0+10x2 5 15"}
    assert ask(series, "increase(c[1m])") == pytest.approx({"p=a": 40, "p=b": 35})
    assert ask(series, "resets(c[1m])") == {"p=a": 0, "p=b": 1}
    assert ask(series, "changes(c[1m])") == {"p=a": 4, "p=b": 4}


def test_irate_takes_the_last_two(ask) -> None:
    assert ask({"c": "0 0 0 30 90"}, "irate(c[1m])") == {"": 4}
    assert ask({"c": "0 0 0 90 30"}, "irate(c[1m])") == {"": 2}
    assert ask({"c": "0 0 0 90 30"}, "idelta(c[1m])") == {"": -60}


def test_one_sample_is_no_rate(ask) -> None:
    assert ask({"c": "_ _ _ _ 5"}, "rate(c[1m])") == {}
    assert ask({"c": "_ _ _ _ 5"}, "changes(c[1m])") == {"": 0}


def test_gaps_and_series_that_end(over) -> None:
    got = over({"c": "0+15x2 _ _ _ _ 105+15x2"}, "rate(c[31s])", until=150)[""]
    assert np.isfinite(got).tolist() == [False, True, True, True, False, False, False, False, True, True, True]


def test_a_line_through_the_window(ask) -> None:
    assert ask({"g": "0+30x4"}, "deriv(g[1m])")[""] == pytest.approx(2)
    assert ask({"g": "0+30x4"}, "predict_linear(g[1m], 60)")[""] == pytest.approx(240)
    assert ask({"g": "7+0x4"}, "deriv(g[1m])") == {"": 0}
    assert np.isnan(ask({"g": "inf inf inf"}, "deriv(g[1m])", at=30)[""])


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 50), min_size=0, max_size=40), min_size=1, max_size=4),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
)
def test_rate_is_what_the_loop_of_prometheus_computes(
    steps: list[list[int]], spacing: int, shared: bool, left_open: bool
) -> None:
    """The whole-array form against extrapolatedRate word for word, with resets, own and shared timelines."""
    start, range_s = 1_769_860_800, 30
    series = []
    for number, rises in enumerate(steps):
        value, at = [], []
        total = 0.0
        for i, rise in enumerate(rises):
            total = 0.0 if rise == 50 else total + rise
            value.append(total)
            at.append(start + spacing * i + (0 if shared else number * 0.217))
        series.append(({"__name__": "c", "n": str(number)}, np.array(at), np.array(value)))
    recording = Recording.from_series(series, left_open=left_open)
    window = Window((start - 10) * 1000, (start + 380) * 1000, 10_000)
    found = recording.query_range("rate(c[30s])", window)
    got = {
        (found.labels["n"][sid], int(t)): v
        for sid, t, v in zip(found.sid, found.time.astype(np.int64), found.value, strict=True)
    }
    expected = {}
    for labels, at_s, value in series:
        ms = np.rint(at_s * 1000).astype(np.int64)
        for now in window.grid().astype(np.int64):
            inside = (ms <= now) & ((ms > now - range_s * 1000) if left_open else (ms >= now - range_s * 1000))
            rate = _extrapolated_rate(ms[inside], value[inside], int(now), range_s, left_open)
            if rate is not None:
                expected[labels["n"], int(now)] = rate
    assert got == pytest.approx(expected, rel=1e-12, abs=1e-15)


def _extrapolated_rate(t: np.ndarray, v: np.ndarray, now: int, range_s: int, left_open: bool) -> float | None:
    if len(t) < 2:
        return None
    result = v[-1] - v[0] + sum(a for a, b in pairwise(v) if b < a)
    to_start, to_end = (t[0] - (now - range_s * 1000)) / 1000, (now - t[-1]) / 1000
    sampled = (t[-1] - t[0]) / 1000
    between = sampled / (len(t) - 1)
    if left_open and to_start >= between * 1.1:
        to_start = between / 2
    if result > 0 and v[0] >= 0:
        to_start = min(to_start, sampled * (v[0] / result))
    reach = sampled + (to_start if left_open or to_start < between * 1.1 else between / 2)
    reach += to_end if to_end < between * 1.1 else between / 2
    return float(result * (reach / sampled / range_s))
