"""What a text format cannot bring into a Prometheus, and what is refused; agreement itself is a live test."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import numpy as np
import pytest

from meshlab.core.window import Window
from meshlab.errors import BadQuery, UnsupportedQuery
from meshlab.recordings.engine import Recording

START = 1_769_860_800
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(START + seconds, UTC)


def engine(*series: tuple[dict[str, str], list[float], list[float]], left_open: bool = False) -> Recording:
    return Recording.from_series(
        [(who, START + np.array(t, float), np.array(v, float)) for who, t, v in series], left_open=left_open
    )


UP = {"__name__": "up", "job": "x"}


def test_a_stale_marker_ends_a_series_and_is_in_no_range() -> None:
    gone = engine((UP, [0, 15, 30], [1, 1, STALE]))
    assert len(gone.query("up", at(29))) == 1
    assert len(gone.query("up", at(30))) == 0
    assert len(gone.query("up", at(31))) == 0
    assert gone.query("count_over_time(up[1m])", at(40)).value.tolist() == [2]
    assert len(gone.query("up[1m]", at(40)).sid) == 2
    window = Window.aligned(at(0), at(60), 5_000)
    assert gone.samples("up", window).value.tolist() == [1], "the sample at the start is not in the window"


def test_an_ordinary_nan_is_a_value() -> None:
    odd = engine((UP, [0, 15], [1, float("nan")]))
    assert np.isnan(odd.query("up", at(20)).value[0])


def test_a_sample_counts_for_five_minutes() -> None:
    one = engine((UP, [0], [1]))
    assert len(one.query("up", at(300))) == 1
    assert len(one.query("up", at(300.001))) == 0
    assert len(engine((UP, [0], [1]), left_open=True).query("up", at(300))) == 0


def test_ranges_are_closed_in_prometheus_2_and_left_open_in_prometheus_3() -> None:
    series = (UP, [0, 15, 30, 45, 60], [0, 1, 2, 3, 4])
    assert engine(series).query("count_over_time(up[1m])", at(60)).value.tolist() == [5]
    assert engine(series, left_open=True).query("count_over_time(up[1m])", at(60)).value.tolist() == [4]


def test_rate_by_hand() -> None:
    """Samples at 5..55 s, 10 apart, rising by 10: 50 in 50 s, extrapolated to the whole minute."""
    steady = engine((UP, [5, 15, 25, 35, 45, 55], [100, 110, 120, 130, 140, 150]))
    assert steady.query("rate(up[1m])", at(60)).value[0] == pytest.approx(1.0)
    assert steady.query("increase(up[1m])", at(60)).value[0] == pytest.approx(60.0)


def test_a_reset_is_no_fall() -> None:
    reset = engine((UP, [0, 15, 30, 45, 60], [10, 20, 5, 15, 25]))
    assert reset.query("increase(up[1m])", at(60)).value[0] == pytest.approx(35.0)
    assert reset.query("resets(up[1m])", at(60)).value[0] == 1


def test_buckets_are_merged_by_their_number() -> None:
    buckets = engine(
        *(({"__name__": "b", "le": le, "pod": pod}, [0], [n]) for le, pod, n in (("1", "a", 4), ("1.0", "b", 6))),
        *(({"__name__": "b", "le": "+Inf", "pod": pod}, [0], [10]) for pod in "ab"),
    )
    assert buckets.query("histogram_quantile(0.25, sum by (le) (b))", at(0)).value[0] == pytest.approx(0.5)


def test_empty_data_is_an_empty_answer() -> None:
    nothing = Recording.from_series([])
    window = Window.aligned(at(0), at(60), 15_000)
    for query in ("up", "rate(up[5m])", "sum(up)", "up + up", "histogram_quantile(0.9, up)", "topk(1, up)"):
        assert len(nothing.query_range(query, window)) == 0
    assert nothing.query_range("absent(up)", window).value.tolist() == [1] * 5
    assert nothing.span() is None


@pytest.mark.parametrize(
    ("query", "construct"),
    [
        ("limitk(1, up)", "limitk"),
        ("limit_ratio(0.5, up)", "limit_ratio"),
        ('up{a="b" or c="d"}', "or"),
        ("histogram_count(up)", "histogram_count"),
        ("info(up)", "info"),
        ('info(up, {zone=~".+"})', "info"),
        ('info(rate(up[5m]), {zone=~".*"})', "info"),
        ("increase(up[5m] anchored)", "anchored"),
        ("up smoothed", "smoothed"),
        ("sum(anchored) + 1", "anchored"),
        ("sum by (smoothed) (up)", "smoothed"),
        ('{ or = "x" }', "label called or"),
        ("rate(up @ start()[5m])", "@ before a range"),
        ("increase(up[1m+1s] anchored)", "anchored"),
        ("up >/ 5", ">/"),
        ('timeseries_gen(`{{series 1 "a" "b"}}`)', "timeseries_gen"),
        (r'up{pod="\xff"}', "byte"),
        ("max_over_time(vector(step())[5m:1m])", "step"),
    ],
)
def test_what_is_not_known_is_named(query: str, construct: str) -> None:
    with pytest.raises(UnsupportedQuery, match=construct):
        engine((UP, [0], [1])).query(query, at(0))


@pytest.mark.parametrize(
    "query",
    [
        "rate(",
        "up +",
        "nonsense(up)",
        "rate(up)",
        '"text"',
        "up[5m] + 1",
        "{}",
        "up[0]",
        "up[5m:0]",
        "up[-5m]",
        "up[5m anchored]",
        "up[1m-1m]",
        "up[1m/0]",
        "up @ (1+1)",
        "up offset (pod)",
        "up and fill(0) up",
    ],
)
def test_what_is_no_promql_is_refused(query: str) -> None:
    with pytest.raises(BadQuery):
        engine((UP, [0], [1])).query(query, at(0))


@pytest.mark.parametrize(
    ("query", "error", "said"),
    [
        ("up @ -10", UnsupportedQuery, "before 1970"),
        ("up @ 1e300", BadQuery, "out of bounds"),
        ("up @ NaN", BadQuery, "out of bounds"),
        ("up + 1e400", BadQuery, "out of range"),
        ("up[999999999y]", BadQuery, "out of range"),
        ("up[293y]", BadQuery, "out of range"),
        ("up offset -293y", BadQuery, "out of range"),
        ("max_over_time(up[1y:1ms])", UnsupportedQuery, "31,536,000,000 steps"),
        ("(" * 990 + "up" + ")" * 990, UnsupportedQuery, "nested this deeply"),
        ("(" * 50_000 + "up" + ")" * 50_000, UnsupportedQuery, "more than 1,000 operators"),
        ("up" + " + 1" * 50_000, UnsupportedQuery, "more than 1,000 operators"),
    ],
)
def test_absurd_expressions_are_refused_not_suffered(query: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        engine((UP, [0], [1])).query(query, at(0))


@pytest.mark.parametrize(
    "query",
    [
        "avg_over_time(up[10m:1e400])",
        "up offset -Inf - 10m",
        "up offset 1e19 - 2m",
        "up offset -9223372036854775808 - 2m",
    ],
)
def test_what_makes_the_parser_panic_is_refused(query: str) -> None:
    with pytest.raises(BadQuery, match=r"duration"):
        engine((UP, [0], [1])).query(query, at(0))


def test_text_is_no_operator() -> None:
    query = 'up{job=~"' + "|".join(f"a-{i}" for i in range(2_000)) + '|x"} # ' + "(" * 2_000
    assert len(engine((UP, [0], [1])).query(query, at(0))) == 1


def test_a_range_vector_has_no_range() -> None:
    with pytest.raises(BadQuery, match="range vector"):
        engine((UP, [0], [1])).query_range("up[5m]", Window.aligned(at(0), at(60), 15_000))


@pytest.mark.parametrize("selector", ["sum(up)", "up offset 5m", "up[5m]", "1", "up @ 5", "(up)"])
def test_raw_samples_are_asked_for_by_a_plain_selector(selector: str) -> None:
    with pytest.raises(BadQuery, match="not a plain selector"):
        engine((UP, [0], [1])).samples(selector, Window.aligned(at(0), at(60), 15_000))


def test_an_answer_tells_what_was_asked() -> None:
    window = Window.aligned(at(0), at(60), 15_000)
    found = engine((UP, [10], [1])).query_range("up", window)
    assert found.query.promql == "up"
    assert found.query.engine == "recording memory"
    assert (found.query.points_expected, found.query.points_got) == (5, 4)
    assert found.query.complete
