"""What a profile demands stands in every selector, or nothing is asked."""

from __future__ import annotations

import pytest
from agreement import QUERIES
from hypothesis import given
from hypothesis import strategies as st

from meshlab.core.selector import differs, equal, matches, parse_matcher
from meshlab.engines.enforced_matchers import with_matchers
from meshlab.engines.tokens import longest_range_ms, pinned, tokens
from meshlab.errors import BadQuery, UnsupportedQuery

EAST = (equal("cluster", 'ea"st}'),)


@pytest.mark.parametrize(
    ("promql", "becomes"),
    [
        ("up", "up{F}"),
        ("up{}", "up{F}"),
        ('up{a="b",}', 'up{a="b",F}'),
        ('{__name__="up"}', '{__name__="up",F}'),
        ("sum by (up, b) (rate(m[5m]))", "sum by (up, b) (rate(m{F}[5m]))"),
        ("sum(m) without (n) + sum", "sum(m{F}) without (n) + sum{F}"),
        ("a / on (x) group_left (y) b", "a{F} / on (x) group_left (y) b{F}"),
        ("m offset 5m @ end()", "m{F} offset 5m @ end()"),
        ("max_over_time(rate(m[5m:30s])[1h:])", "max_over_time(rate(m{F}[5m:30s])[1h:])"),
        ('count_values("m", m) # m', 'count_values("m", m{F}) # m'),
        ("m{a='{n}'} > bool Inf", "m{a='{n}',F} > bool Inf"),
        ("1 + vector(2) * time()", "1 + vector(2) * time()"),
        ('label_replace(m, "a", "$1", "m", "(.*)")', 'label_replace(m{F}, "a", "$1", "m", "(.*)")'),
    ],
)
def test_every_selector_gets_them(promql: str, becomes: str) -> None:
    assert with_matchers(promql, EAST) == becomes.replace("F", r'cluster="ea\"st}"')
    assert with_matchers(promql, ()) == promql


@pytest.mark.parametrize("promql", QUERIES)
def test_every_query_of_the_agreement_tests_can_be_confined(promql: str) -> None:
    found = with_matchers(promql, (*EAST, differs("team", "x")))
    assert found.count('team!="x"') == found.count("cluster=") >= promql.count("{")


def test_what_cannot_be_confined_is_not_asked() -> None:
    with pytest.raises(UnsupportedQuery, match="cannot be put into"):
        with_matchers('up{a="x" or b="y"}', EAST)
    with pytest.raises(BadQuery, match="is not valid PromQL"):
        with_matchers("up{", EAST)


@given(st.text())
def test_the_words_of_a_text_are_the_text(text: str) -> None:
    assert "".join(word for _, word in tokens(text)) == text


def test_start_and_end_become_instants() -> None:
    assert pinned("m @ start() - m @end ( )", 1_000, 2_500) == "m @ 1.000 - m @2.500  "
    assert pinned('m{a="@ end()"} + start', 1_000, 2_500) == 'm{a="@ end()"} + start'


def test_how_far_an_expression_looks_back() -> None:
    assert longest_range_ms("rate(m[5m]) / max_over_time(n[1h:30s]) # [2d]") == 3_600_000
    assert longest_range_ms('m{a="[2d]"}') == 0


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00")))
def test_a_matcher_is_read_as_it_is_written(value: str) -> None:
    for matcher in (equal("a", value), matches("a", value), differs("a", value)):
        assert parse_matcher(str(matcher)) == matcher
