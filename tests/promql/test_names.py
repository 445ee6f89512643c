"""A metric's name that was dropped: Prometheus 3 has a switch, and a recording does not know how it stood."""

from __future__ import annotations

import pytest

from meshlab.errors import BadQuery, UnsupportedQuery

TWO = {'a_total{job="x"}': "0 15 30", 'b_total{job="x"}': "0 30 60"}
ONE = {'a_total{job="x"}': "0 15 30", 'a_total{job="y"}': "0 30 60"}


@pytest.mark.parametrize(
    "query",
    [
        'label_replace(rate({job="x"}[1m]), "name", "$1", "__name__", "(.+)")',
        'label_join(rate(a_total[1m]), "name", "-", "__name__", "job")',
        'label_replace(-a_total, "__name__", "c", "", "")',
        'sum by (__name__) (rate({job="x"}[1m]))',
        "sum by (__name__) (a_total or rate(b_total[1m]))",
        "rate(a_total[1m]) + on (__name__) rate(b_total[1m])",
        "rate(a_total[1m]) + on (job) group_left (__name__) b_total",
        'sum(rate({job="x"}[1m])) by (job)',
    ],
)
def test_where_the_switch_decides_nothing_is_said(ask, query: str) -> None:
    with pytest.raises(UnsupportedQuery, match="promql-delayed-name-removal"):
        ask(TWO, query, at=30, left_open=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum by (__name__) (a_total)", {"__name__=a_total": 90}),
        ("sum by (__name__) (a_total > 0)", {"__name__=a_total": 90}),
        ("sum by (__name__, job) (rate(a_total[45s]))", {"job=x": 2 / 3, "job=y": 4 / 3}),
        ("sum by (__name__) (last_over_time(a_total[1m]))", {"__name__=a_total": 90}),
        ('count(label_replace(a_total, "n", "$1", "__name__", "(.*)")) by (n)', {"n=a_total": 2}),
    ],
)
def test_where_it_does_not_the_answer_is_given(ask, query: str, expected: dict[str, float]) -> None:
    assert ask(ONE, query, at=30, left_open=True) == pytest.approx(expected)


def test_prometheus_2_has_no_such_switch(ask) -> None:
    assert ask(ONE, 'label_replace(rate(a_total[1m]), "n", "$1", "__name__", "(.+)")', at=30).keys() == {
        "job=x",
        "job=y",
    }
    with pytest.raises(BadQuery, match="same labelset"):
        ask(TWO, 'sum(rate({job="x"}[1m])) by (job)', at=30)


def test_alike_at_the_end_is_alike_in_both(ask) -> None:
    for query in ('rate({job="x"}[1m])', 'abs({job="x"})', '-{job="x"}'):
        with pytest.raises(BadQuery, match="same labelset"):
            ask(TWO, query, at=30, left_open=True)


def test_any_text_is_a_label_in_prometheus_3(ask) -> None:
    query = 'label_replace(a_total{job="x"}, "a.b", "$1", "job", "(.*)")'
    assert ask(ONE, query, at=0, left_open=True) == {"__name__=a_total,a.b=x,job=x": 0}
    with pytest.raises(BadQuery, match="invalid label name"):
        ask(ONE, query, at=0)
