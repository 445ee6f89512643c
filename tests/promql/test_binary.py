"""Binary operators and how series find each other."""

from __future__ import annotations

import math

import pytest

from meshlab.errors import BadQuery

ERRORS = {
    'errors{method="get",code="500"}': "24",
    'errors{method="get",code="404"}': "30",
    'errors{method="put",code="501"}': "3",
    'errors{method="post",code="500"}': "6",
    'errors{method="post",code="404"}': "21",
    'requests{method="get"}': "600",
    'requests{method="del"}': "34",
    'requests{method="post",tier="gold"}': "120",
}
"""The example of Prometheus's own page on operators."""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            'errors{code="500"} / ignoring(code, tier) requests',
            {"method=get": 0.04, "method=post": 0.05},
        ),
        (
            "errors / on(method) group_left(tier) requests",
            {
                "code=500,method=get": 0.04,
                "code=404,method=get": 0.05,
                "code=500,method=post,tier=gold": 0.05,
                "code=404,method=post,tier=gold": 0.175,
            },
        ),
        (
            "requests - on(method) group_right errors{code='404'}",
            {"code=404,method=get": 570, "code=404,method=post": 99},
        ),
        ("errors > on(method) group_left requests * 0.1", {"__name__=errors,code=404,method=post": 21}),
        ('errors{code="404"} > bool 25', {"code=404,method=get": 1, "code=404,method=post": 0}),
        ('25 > errors{code="404"}', {"__name__=errors,code=404,method=post": 21}),
        ('requests{method="get"} - 1', {"method=get": 599}),
        ('1 - requests{method="get"}', {"method=get": -599}),
        ('-requests{method="get"}', {"method=get": -600}),
        (
            'requests and on(method) errors{code="404"}',
            {"__name__=requests,method=get": 600, "__name__=requests,method=post,tier=gold": 120},
        ),
        ("requests unless on(method) errors", {"__name__=requests,method=del": 34}),
        (
            'errors{method="put"} or on(method) requests{method="del"}',
            {"__name__=errors,code=501,method=put": 3, "__name__=requests,method=del": 34},
        ),
        ("sum(errors) / sum(requests)", {"": 84 / 754}),
        ("2 ^ 3 ^ 2", {"": 512}),
        ("-2 ^ 2", {"": -4}),
        ("-7 % 3", {"": -1}),
        ("0 / 0", {"": math.nan}),
        ("1 / -0", {"": -math.inf}),
        ("1 > bool 2", {"": 0}),
        ("1 atan2 2", {"": math.atan2(1, 2)}),
        ("0x1F + 017 + 1e3", {"": 31 + 15 + 1000}),
        ("errors / on(nothing) nothing", {}),
    ],
)
def test_by_hand(ask, query: str, expected: dict[str, float]) -> None:
    assert ask(ERRORS, query, at=0) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("requests / on(method) errors", "many-to-many matching not allowed"),
        ("errors / on(method) requests", "many-to-one matching must be explicit"),
        ("errors * on(method) group_left(code) requests", "grouping labels must ensure unique matches"),
    ],
)
def test_ambiguity_is_refused_in_prometheus_words(ask, query: str, message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        ask(ERRORS, query, at=0)


def test_two_metrics_of_one_name_each_are_ambiguous_even_where_their_results_differ(ask) -> None:
    series = {"a": "5", "b": "6", "c": "1"}
    with pytest.raises(BadQuery, match="many-to-one"):
        ask(series, '{__name__=~"a|b"} > c', at=0)
    with pytest.raises(BadQuery, match="same labelset"):
        ask(series, '{__name__=~"a|b"} + 1', at=0)
    assert ask(series, '{__name__=~"a|b"} > 5', at=0) == {"__name__=b": 6}


def test_what_never_meets_is_not_ambiguous(over) -> None:
    got = over({'g{p="a"}': "1 2 stale", 'g{p="b"}': "_ _ _ 4 5", "one": "10 10 10 10 10"}, "one + on() g")
    assert got[""][:2] == [11, 12]
    assert got[""][3:] == [14, 15]


def test_one_series_may_follow_another_under_the_same_labels(over) -> None:
    got = over({"a": "1 2 stale", "b": "_ _ _ 4 5"}, '{__name__=~"a|b"} * 10')
    assert got[""] == pytest.approx([10, 20, math.nan, 40, 50], nan_ok=True)


def test_in_prometheus_3_atan2_drops_the_name_too(ask) -> None:
    assert list(ask({"g": "1"}, "g atan2 1", at=0)) == ["__name__=g"]
    assert list(ask({"g": "1"}, "g atan2 1", at=0, left_open=True)) == [""]


def test_a_minus_refuses_series_that_become_alike_at_any_step(over) -> None:
    series = {"a": "1 stale", "b": "_ 2"}
    assert over(series, '{__name__=~"a|b"} * -1', until=15) == {"": [-1, -2]}
    with pytest.raises(BadQuery, match="same labelset"):
        over(series, '-{__name__=~"a|b"}', until=15)


SOLD = {'sold{shop="a"}': "5", 'sold{shop="b"}': "7"}
BOUGHT = {'bought{shop="b"}': "2", 'bought{shop="c"}': "9"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sold - fill(0) bought", {"shop=a": 5, "shop=b": 5, "shop=c": -9}),
        ("sold - fill_left(1) bought", {"shop=b": 5, "shop=c": -8}),
        ("sold - fill_right(1) bought", {"shop=a": 4, "shop=b": 5}),
        ("sold - fill_left(1) fill_right(2) bought", {"shop=a": 3, "shop=b": 5, "shop=c": -8}),
        ("sold > fill_right(5) bought", {"__name__=sold,shop=b": 7}),
        ("sold < fill(6) bought", {"__name__=sold,shop=a": 5, "shop=c": 6}),
        ("sold > bool fill(6) bought", {"shop=a": 0, "shop=b": 1, "shop=c": 0}),
        ("sold - fill(0) nothing", {"shop=a": 5, "shop=b": 7}),
        ("nothing - fill_left(0) sold", {"shop=a": -5, "shop=b": -7}),
        ("nothing - fill_right(0) sold", {}),
    ],
)
def test_a_missing_partner_is_filled(ask, query: str, expected: dict[str, float]) -> None:
    assert ask(SOLD | BOUGHT, query, at=0) == expected


def test_a_missing_partner_of_many_is_filled(ask) -> None:
    series = {'part{shop="a",day="1"}': "3", 'part{shop="a",day="2"}': "4", 'part{shop="b",day="1"}': "5"} | BOUGHT
    many = {"day=1,shop=a": 3.0, "day=2,shop=a": 4.0, "day=1,shop=b": 7.0}
    assert ask(series, "part + on (shop) group_left fill_right(0) bought", at=0) == many
    assert ask(series, "part + on (shop) group_left fill(0) bought", at=0) == many | {"shop=c": 9}
    assert ask(series, "bought + on (shop) group_right fill(0) part", at=0) == many | {"shop=c": 9}


@pytest.mark.parametrize(
    "query", ["sold and fill(0) bought", "sold + fill(0) 1", "1 + on(shop) 2", "sold + on (shop) 2"]
)
def test_matching_is_for_two_vectors(ask, query: str) -> None:
    with pytest.raises(BadQuery):
        ask(SOLD | BOUGHT, query, at=0)


def test_two_on_one_side_are_ambiguous_with_fill_too(ask) -> None:
    with pytest.raises(BadQuery, match="duplicate"):
        ask(SOLD, "nothing + on () fill(0) sold", at=0)
    with pytest.raises(BadQuery, match="explicit"):
        ask(SOLD, "sold + on () fill(0) nothing", at=0)


def test_type_and_unit_go_with_the_name(ask) -> None:
    series = {'c{__type__="counter",__unit__="s",job="x"}': "1 2", 'g{__type__="gauge",job="x"}': "10 20"}
    assert ask(series, "c + g", at=15) == {"job=x": 22}
    assert ask(series, "-c", at=15) == {"job=x": -2}
    assert ask(series, "rate(c[1m])", at=15).keys() == {"job=x"}
    assert ask(series, "c unless g", at=15) == {}
    assert ask(series, "c > 0", at=15) == {"__name__=c,__type__=counter,__unit__=s,job=x": 2}
