"""By whose rules a recording is evaluated: the engine that its manifest tells of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from promql_series import START, load, said

from meshlab.core.window import Window
from meshlab.errors import BadQuery, UnsupportedQuery
from meshlab.promql.rules import Rules

NEWEST = Rules(left_open=True)
OF_3_5 = Rules(left_open=True, version=(3, 5), delayed_names=False)
MANY = {'m{a="x",b="1"}': "1", 'm{a="x",b="2"}': "5", 'o{a="x"}': "3"}


@pytest.mark.parametrize(
    ("manifest", "rules"),
    [
        ({}, Rules()),
        ({"ranges": "closed", "engine": "Prometheus 2.42.0"}, Rules(version=(2, 42))),
        ({"ranges": "left-open", "engine": "Prometheus 3.5.3+ds1"}, Rules(True, (3, 5))),
        ({"ranges": "left-open", "engine": "VictoriaMetrics"}, Rules(True)),
        ({"ranges": "left-open", "names": "delayed"}, Rules(True, delayed_names=True)),
        ({"ranges": "left-open", "engine": "Prometheus 3.10.1", "names": "at once"}, Rules(True, (3, 10), False)),
    ],
)
def test_a_manifest_tells(manifest: dict[str, object], rules: Rules) -> None:
    assert Rules.of(manifest) == rules
    assert Rules.of(rules.said()) == rules


def test_what_changed_within_prometheus_3_follows_the_version() -> None:
    for name in ("matches_before_filtering", "joins_negated"):
        holds = {
            version: getattr(replace(NEWEST, version=version), name) for version in (None, (3, 9), (3, 10), (3, 5))
        }
        assert holds == {None: True, (3, 9): True, (3, 10): True, (3, 5): False}
        assert not getattr(Rules(), name)


def test_partners_that_are_filtered_away_make_a_match_ambiguous_since_3_9() -> None:
    one_to_one, grouped = "m > on (a) o", '{__name__=~"m|n"} + 0 > on (a) group_left (b) o'
    alike = {'m{a="x",b="1"}': "1", 'm{a="x",b="2"}': "5", 'o{a="x",b="3"}': "3"}
    for query, series in ((one_to_one, MANY), (grouped, alike)):
        for rules in (OF_3_5, Rules()):
            assert list(said(load(series, rules=rules), query, 0).values()) == [5]
        with pytest.raises(BadQuery, match="multiple matches"):
            said(load(series, rules=NEWEST), query, 0)


def test_a_match_without_surplus_partners_is_no_matter() -> None:
    for rules in (NEWEST, OF_3_5, Rules()):
        assert said(load(MANY, rules=rules), "m > on (a) group_left () o", 0) == {"__name__=m,a=x,b=2": 5}
        assert said(load(MANY, rules=rules), 'm{b="1"} > on (a) o', 0) == {}


def test_the_unary_minus_joins_series_that_take_turns_since_3_9() -> None:
    window = Window(START * 1000, (START + 600) * 1000, 600_000)
    turns = {'a{job="x"}': "2", 'b{job="x"}': "_ " * 40 + "4"}
    assert load(turns, rules=NEWEST).query_range('-{job="x"}', window).value.tolist() == [-2, -4]
    for rules in (OF_3_5, Rules()):
        with pytest.raises(BadQuery, match="same labelset"):
            load(turns, rules=rules).query_range('-{job="x"}', window)


def test_a_switch_that_is_known_to_be_off_drops_names_at_once() -> None:
    series = {'a_total{job="x"}': "0 15 30", 'b_total{job="x"}': "0 30 60"}
    query = 'label_replace(rate(a_total[1m]), "n", "$1", "__name__", "(.+)")'
    assert list(said(load(series, rules=OF_3_5), query, 30)) == ["job=x"]
    with pytest.raises(BadQuery, match="same labelset"):
        said(load(series, rules=OF_3_5), 'sum(rate({job="x"}[1m]))', 30)
    for delayed in (None, True):
        with pytest.raises(UnsupportedQuery, match="promql-delayed-name-removal"):
            said(load(series, rules=replace(OF_3_5, delayed_names=delayed)), query, 30)


@pytest.mark.parametrize(
    ("query", "of_2", "of_3"),
    [
        ('absent(n{a!="b",a="c"})', "a=c", ""),
        ('absent(n{a="c",a!="b"})', "", ""),
        ('absent(n{a!="b",d="e"})', "d=e", "d=e"),
    ],
)
def test_labels_of_what_is_absent(query: str, of_2: str, of_3: str) -> None:
    assert [list(said(load(MANY, rules=rules), query, 0)) for rules in (Rules(), NEWEST)] == [[of_2], [of_3]]
