"""histogram_quantile: bucketQuantile of Prometheus 2.42, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.errors import BadQuery

B = {'b{le="1"}': "10", 'b{le="2"}': "30", 'b{le="5"}': "40", 'b{le="+Inf"}': "50"}


@pytest.mark.parametrize(
    ("phi", "expected"),
    [
        ("0.1", 0.5),
        ("0.2", 1),
        ("0.4", 1.5),
        ("0.7", 3.5),
        ("0.9", 5),
        ("1", 5),
        ("0", 0),
        ("-0.1", -math.inf),
        ("1.1", math.inf),
        ("NaN", math.nan),
    ],
)
def test_interpolated_inside_a_bucket(ask, phi: str, expected: float) -> None:
    assert ask(B, f"histogram_quantile({phi}, b)", at=0) == pytest.approx({"": expected}, nan_ok=True)


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ({"1": "10", "2": "20"}, math.nan),
        ({"+Inf": "10"}, math.nan),
        ({"1": "0", "+Inf": "0"}, math.nan),
        ({"1": "nan", "2": "nan", "+Inf": "nan"}, 2),
        ({"-1": "10", "+Inf": "10"}, -1),
        ({"0": "8", "1": "10", "+Inf": "10"}, 0),
        ({"1": "4", "1.0": "6", "2": "15", "2e0": "5", "+Inf": "20", "Inf": "0"}, 1),
        ({"1": "10", "2": "4", "3": "20", "+Inf": "20"}, 1),
        ({"1": "5", "2": "10", "+Inf": "10", "ten": "9", "": "9", "1_0": "9", "0x1p1": "9", "1e999": "9"}, 1),
    ],
)
def test_odd_buckets(ask, buckets: dict[str, str], expected: float) -> None:
    series = {f'b{{le="{le}"}}' if le else "b": value for le, value in buckets.items()}
    assert ask(series, "histogram_quantile(0.5, b)", at=0) == pytest.approx({"": expected}, nan_ok=True)


def test_each_histogram_by_itself_whatever_its_buckets(over) -> None:
    series = {
        'b{p="x",le="1"}': "10 20",
        'b{p="x",le="+Inf"}': "20 20",
        'b{p="y",le="1"}': "5 stale",
        'b{p="y",le="4"}': "10 30",
        'b{p="y",le="+Inf"}': "10 30",
    }
    assert over(series, "histogram_quantile(0.5, b)", until=15) == {"p=x": [1, 0.5], "p=y": [1, 2]}


def test_a_histogram_begins_and_ends(over) -> None:
    series = {f'b{{le="{le}"}}': "_ 1 stale" for le in ("1", "2", "+Inf")}
    got = over(series, "histogram_quantile(0.5, b)", until=30)[""]
    assert got == pytest.approx([math.nan, 0.5, math.nan], nan_ok=True)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=9), st.floats(0, 1))
def test_a_quantile_lies_in_its_bucket(rises: list[int], phi: float) -> None:
    from meshlab.promql.histograms import histogram_quantile
    from meshlab.promql.notes import Notes
    from meshlab.promql.values import Vector

    edges = [*range(1, len(rises)), math.inf]
    counts = np.cumsum(rises).astype(float)
    labels = [{"le": str(edge) if edge < math.inf else "+Inf"} for edge in edges]
    buckets = Vector(labels, counts[:, None], np.ones((len(edges), 1), np.bool_))
    found = histogram_quantile(np.array([phi]), buckets, np.array([0]), Notes(spoken=True), left_open=True)
    value = found.value[0, 0]
    if counts[-1] == 0:
        assert math.isnan(value)
        return
    bucket = int(np.argmax(counts >= phi * counts[-1]))
    low, high = (edges[bucket - 1] if bucket else 0), min(edges[bucket], edges[-2])
    assert math.isnan(value) or min(low, high) - 1e-9 <= value <= high + 1e-9
    assert not math.isnan(value) or rises[0] == 0, "0 of 0 in the first bucket is all that has no place"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("0", "1", 0.2),
        ("0", "1.5", 0.4),
        ("0.5", "1.5", 0.3),
        ("1", "2", 0.4),
        ("-Inf", "2", 0.6),
        ("2", "Inf", 0.4),
        ("2", "100", 0.2),
        ("-3", "-1", 0),
        ("2", "2", 0),
        ("5", "1", 0),
        ("NaN", "1", math.nan),
    ],
)
def test_the_share_between_two_values(ask, low: str, high: str, expected: float) -> None:
    assert ask(B, f"histogram_fraction({low}, {high}, b)", at=0) == pytest.approx({"": expected}, nan_ok=True)


def test_a_share_needs_the_last_bucket_and_something_counted(ask) -> None:
    for series in ({'b{le="1"}': "10"}, {'b{le="1"}': "0", 'b{le="+Inf"}': "0"}):
        assert math.isnan(ask(series, "histogram_fraction(0, 1, b)", at=0)[""])
    assert ask({'b{le="junk"}': "1"}, "histogram_fraction(0, 1, b)", at=0) == {}


def test_the_lowest_bucket_of_negative_values_begins_nowhere(ask) -> None:
    series = {'b{le="-1"}': "10", 'b{le="0"}': "20", 'b{le="+Inf"}': "40"}
    assert ask(series, "histogram_fraction(-1, 0, b)", at=0) == {"": 0.25}
    # All that lies below its edge counts as lying below any value in it: nothing is made up inside.
    assert ask(series, "histogram_fraction(-2, 0, b)", at=0) == {"": 0.25}
    assert ask(series, "histogram_fraction(-4, -2, b)", at=0) == {"": 0}
    assert ask(series, "histogram_fraction(-Inf, -1, b)", at=0) == {"": 0.25}


def test_differences_that_rounding_makes_are_none(ask) -> None:
    series = {'b{le="1"}': "10", 'b{le="2"}': "10.000000000000004", 'b{le="+Inf"}': "10"}
    assert ask(series, "histogram_quantile(1, b)", at=0, left_open=True) == {"": 1}
    assert ask(series, "histogram_quantile(1, b)", at=0) == {"": 2}


def test_several_quantiles_at_once(ask) -> None:
    assert ask(B, 'histogram_quantiles(b, "q", 0.2, 0.4, 1, 2)', at=0) == {
        "q=0.2": 1,
        "q=0.4": 1.5,
        "q=1.0": 5,
        "q=2.0": math.inf,
    }
    with pytest.raises(BadQuery):
        ask(B, 'histogram_quantiles(b, "q", 0.2, 0.2)', at=0)


def test_histograms_that_differ_by_their_names_alone_are_ambiguous(ask) -> None:
    series = {'a_bucket{le="1"}': "1", 'a_bucket{le="+Inf"}': "1", 'b_bucket{le="1"}': "1", 'b_bucket{le="+Inf"}': "1"}
    with pytest.raises(BadQuery, match="same labelset"):
        ask(series, 'histogram_quantile(0.5, {__name__=~".*_bucket"})', at=0)
