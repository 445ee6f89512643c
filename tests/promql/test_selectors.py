"""What a selector sees: matchers, offset, @, look-back, subqueries."""

from __future__ import annotations

import numpy as np
import pytest

from meshlab.errors import BadQuery, UnsupportedQuery

PODS = {
    'up{job="api"}': "1 1 1 1 1",
    'up{job="api-v2"}': "2 2 2 2 2",
    'up{job="line\nend"}': "3 3 3 3 3",
    "up": "4 4 4 4 4",
}


@pytest.mark.parametrize(
    ("matchers", "values"),
    [
        ('job="api"', [1]),
        ('job!="api"', [2, 3, 4]),
        ('job=""', [4]),
        ('job!=""', [1, 2, 3]),
        ('job=~"api"', [1]),
        ('job=~"api.*"', [1, 2]),
        ('job=~"|api"', [1, 4]),
        ('job!~"api|"', [2, 3]),
        ('job=~"a(pi)?-v[[:digit:]]"', [2]),
        ('job=~"(?i)API"', [1]),
        ('job=~"api-v\\\\d"', [2]),
        ('job=~"api-v\\\\pN"', [2]),
        ('job=~"api$"', [1]),
        ('job=~"line.end"', []),
        ('job=~"(?s)line.end"', [3]),
        ('job=~"line\\nend"', [3]),
        ('nothing="",job="api"', [1]),
        ('nothing!="",job="api"', []),
    ],
)
def test_matchers_are_anchored_re2(ask, matchers: str, values: list[float]) -> None:
    assert sorted(ask(PODS, f"up{{{matchers}}}").values()) == values


def test_in_prometheus_3_a_dot_is_any_character(ask) -> None:
    assert list(ask(PODS, 'up{job=~"line.end"}', left_open=True).values()) == [3]


@pytest.mark.parametrize("pattern", ["(", "a++", "(?=a)", "(a)\\\\1", "a{5000}"])
def test_what_re2_does_not_read_is_refused(ask, pattern: str) -> None:
    with pytest.raises(BadQuery, match=r"is not (valid PromQL|a valid regular expression)"):
        ask(PODS, f'up{{job=~"{pattern}"}}')


@pytest.mark.parametrize("pattern", ["\\\\Qapi-v\\\\Etwo", "[[a]", "[\\\\d-x]"])
def test_what_the_parser_does_not_read_is_named(ask, pattern: str) -> None:
    with pytest.raises(UnsupportedQuery, match="the pattern"):
        ask(PODS, f'up{{job=~"{pattern}"}}')


def test_a_value_repeats_for_five_minutes(over) -> None:
    assert np.isfinite(over({"g": "7"}, "g", until=330, step=30)["__name__=g"]).sum() == 11


def test_a_marker_ends_a_series_until_it_returns(over) -> None:
    assert over({"g": "1 stale _ 4"}, "g")["__name__=g"] == pytest.approx([1, np.nan, np.nan, 4, 4], nan_ok=True)


def test_series_with_times_of_their_own_stay_apart(over) -> None:
    got = over({'g{p="a"}': "1+1x4", 'g{p="b"}': "_ 20 _ 40 50", 'g{p="c"}': "1+2x4"}, "sum without (x) (g)")
    assert got["p=a"] == [1, 2, 3, 4, 5]
    assert got["p=b"] == pytest.approx([np.nan, 20, 20, 40, 50], nan_ok=True)
    assert got["p=c"] == [1, 3, 5, 7, 9]


def test_offset_and_at(ask) -> None:
    g = {"g": "0+1x40"}
    assert list(ask(g, "g offset 30s").values()) == [2]
    assert list(ask(g, "g offset -30s").values()) == [6]
    assert list(ask(g, "g @ 1769860830").values()) == [2]
    assert list(ask(g, "g @ 1769860830 offset 15s").values()) == [1]
    assert list(ask(g, "sum_over_time(g[30s] @ 1769860830)").values()) == [3]


def test_at_start_and_end_are_the_whole_querys(over) -> None:
    g = {"g": "0+1x4"}
    assert over(g, "g @ end()")["__name__=g"] == [4] * 5
    assert over(g, "g @ start()")["__name__=g"] == [0] * 5
    assert over(g, "max_over_time((g @ end())[15s:5s])")[""] == [4] * 5


def test_a_subquery_lies_on_multiples_of_its_step(ask) -> None:
    # At :55 a step of 10 s looks at :30, :40 and :50 of [25, 55].
    assert ask({"g": "0+15x9"}, "count_over_time(g[30s:10s])", at=55) == {"": 3}
    assert ask({"g": "0+15x9"}, "sum_over_time(timestamp(g)[30s:10s])", at=55) == {"": 3 * 1_769_860_800 + 30 + 30 + 45}
    assert ask({"g": "0+15x9"}, "count_over_time(g[30s:10s])", at=60) == {"": 4}
    assert ask({"g": "0+15x9"}, "count_over_time(g[30s:10s])", at=60, left_open=True) == {"": 3}


def test_a_subquery_without_a_step_looks_every_minute(ask) -> None:
    assert ask({"g": "0+15x20"}, "count_over_time(g[4m:])", at=240) == {"": 5}


def test_subqueries_nest_and_may_have_no_point(ask) -> None:
    assert ask({"g": "0+1x20"}, "max_over_time(max_over_time(g[1m:15s])[1m:15s])", at=120) == {"": 8}
    assert ask({"g": "0+1x20"}, "max_over_time(max_over_time(g[1m:15s])[10s:1m])", at=150) == {}
