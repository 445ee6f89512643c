"""What is said beside an answer: Prometheus 3's warnings and infos; Prometheus 2 has none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from promql_series import START, load

from meshlab.core.series import Query
from meshlab.core.window import Window

BUCKETS = {'b_bucket{le="1"}': "5+0x4", 'b_bucket{le="2"}': "3+0x4", 'b_bucket{le="+Inf"}': "9+0x4"}
SERIES = {
    "c_total": "0+1x4",
    "c": "0+1x4",
    "g": "1+1x4",
    **BUCKETS,
    'm{le="x"}': "1+0x4",
    'm{le="+Inf"}': "2+0x4",
    "n": "1+0x4",
}
QUANTILE = "PromQL warning: quantile value should be between 0 and 1, got"
EDGE = 'PromQL warning: bucket label "le" is missing or has a malformed value of'
COUNTER = "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket:"
LIFTED = "PromQL info: input to histogram_quantile needed to be fixed for monotonicity"


def said(query: str, *, left_open: bool = True, over: bool = False) -> Query:
    recording = load(SERIES, left_open=left_open)
    if over:
        return recording.query_range(query, Window(START * 1000, (START + 60) * 1000, 15_000)).query
    return recording.query(query, datetime.fromtimestamp(START + 60, UTC)).query


@pytest.mark.parametrize(
    ("query", "warnings"),
    [
        ("quantile(1.5, g)", (f"{QUANTILE} 1.5",)),
        ("quantile(NaN, nothing)", (f"{QUANTILE} NaN",)),
        ("quantile_over_time(-1, g[1m])", (f"{QUANTILE} -1",)),
        ("quantile_over_time(2, nothing[1m])", ()),
        ("histogram_quantile(Inf, nothing)", (f"{QUANTILE} +Inf",)),
        ("histogram_quantile(0.5, m)", (f'{EDGE} "x" for metric name "m"',)),
        ("histogram_fraction(0, 1, n)", (f'{EDGE} "" for metric name "n"',)),
        ("sort(g)", ()),
        ("quantile(0.5, g) + histogram_quantile(1, m{le!='x'})", ()),
    ],
)
def test_warnings(query: str, warnings: tuple[str, ...]) -> None:
    assert said(query).warnings == warnings
    assert said(query).infos == ()
    assert said(query, left_open=False).warnings == ()


@pytest.mark.parametrize(
    ("query", "infos"),
    [
        ("rate(c[1m])", (f'{COUNTER} "c"',)),
        ("sum(increase(c[1m])) / sum(rate(c_total[1m]))", (f'{COUNTER} "c"',)),
        ("rate(nothing[1m])", ()),
        ("rate(c[5s])", ()),
        ("deriv(c[1m])", ()),
        ('rate({__name__=~"c|g"}[1m] offset 5m)', ()),
        ("rate(b_bucket[1m])", ()),
    ],
)
def test_infos(query: str, infos: tuple[str, ...]) -> None:
    assert said(query).infos == infos
    assert said(query).warnings == ()
    assert said(query, left_open=False).infos == ()


def test_a_sort_over_a_range_is_said_to_order_nothing() -> None:
    (warning,) = said("sum(sort_desc(g))", over=True).warnings
    assert "sort is ineffective for range queries" in warning


def test_counts_that_fall_are_said_once_with_their_extent() -> None:
    (info,) = said("histogram_quantile(0.5, b_bucket) + histogram_quantile(0.9, b_bucket)", over=True).infos
    assert info.startswith(LIFTED)
    assert "from buckets 2 to 2, with a max diff of 2, over 10 samples from 2026-01-31T12:00:00Z to" in info
    assert said("histogram_quantile(2, b_bucket)").infos == (), "no count is looked at"


def test_every_quantile_that_is_none_is_named() -> None:
    assert said("quantile(time() - 1769860800, g)", over=True).warnings == tuple(
        f"{QUANTILE} {phi}" for phi in (15, 30, 45, 60)
    )
    assert said("quantile(time(), g)").warnings == (f"{QUANTILE} 1.76986086e+09",)
