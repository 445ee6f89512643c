"""Selectors: hostile text stays text."""

from __future__ import annotations

import re

import promql_parser
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meshlab.core.selector import Matcher, Op, differs, equal, matches, one_of, selector
from meshlab.errors import ParameterError
from meshlab.recordings.engine import Recording

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
HOSTILE = 'x"} or vector(1) #\\'
PARSED = {"Equal": Op.EQUAL, "NotEqual": Op.DIFFERS, "Re": Op.MATCHES, "NotRe": Op.MATCHES_NOT}


def read_back(text: str) -> list[tuple[str, str]]:
    """Name and value of each matcher, as another parser reads them."""
    node = promql_parser.parse(text)
    assert isinstance(node, promql_parser.VectorSelector), "the selector must stay one selector"
    return [(m.name, m.value) for m in node.matchers.matchers]


@given(TEXT, TEXT)
@example(HOSTILE, "\n\r\t\x00`'")
@settings(derandomize=True, deadline=None, max_examples=200)
def test_any_text_survives_another_parser(first: str, second: str) -> None:
    text = selector("m", equal("a", first), differs("b", second), forced=[equal("tenant", first)])
    assert read_back(text) == [("a", first), ("b", second), ("tenant", first)]


@given(st.lists(TEXT, min_size=1, max_size=4), TEXT)
@example([".*", "a|b", HOSTILE], "c")
@settings(derandomize=True, deadline=None, max_examples=200)
def test_one_of_matches_its_values_and_nothing_else(values: list[str], other: str) -> None:
    [(_, pattern)] = read_back(selector("m", one_of("a", values)))
    assert all(re.fullmatch(pattern, value) for value in values)
    assert bool(re.fullmatch(pattern, other)) == (other in values)


@given(st.lists(TEXT.filter(bool), min_size=1, max_size=3, unique=True))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_one_of_selects_literally_in_a_recording(values: list[str]) -> None:
    names = {*values, "other.*"}
    memory = Recording.from_series([({"__name__": "up", "job": name}, [1], [1]) for name in sorted(names)])
    assert set(memory.query(selector("up", one_of("job", values))).labels["job"]) == set(values)


def test_how_it_reads() -> None:
    assert selector("up") == "up"
    assert selector("up", equal("job", "x")) == 'up{job="x"}'
    assert selector("", matches("__name__", "istio_.*")) == '{__name__=~"istio_.*"}'
    assert selector("up", forced=[Matcher("ns", Op.MATCHES_NOT, "kube.*")]) == 'up{ns!~"kube.*"}'


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a.b", 'a="1",b', "a\n", "é"])
def test_a_wrong_label_name_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match="no label name"):
        equal(name, "x")


@pytest.mark.parametrize("metric", ["1m", "a-b", "m[5m]", "m{}", "up or down", "up\n"])
def test_a_wrong_metric_name_is_refused(metric: str) -> None:
    with pytest.raises(ParameterError, match="no metric name"):
        selector(metric)


def test_what_would_select_everything_is_refused() -> None:
    with pytest.raises(ParameterError, match="needs a metric or a matcher"):
        selector("")
    with pytest.raises(ParameterError, match="no value is given for service"):
        one_of("service", [])


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"'\\ud800' of a is no Unicode text"):
        equal("a", "\ud800")
