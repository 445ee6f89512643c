from __future__ import annotations

import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.errors import ParameterError
from meshlab.recordings.engine import Recording
from meshlab.selector import Matcher, Op, differs, equal, matches, one_of, selector

text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20)


@given(text)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_value_comes_through_the_parser_as_it_was(value: str) -> None:
    parsed = promql_parser.parse(selector("up", equal("job", value)))
    assert [m.value for m in parsed.matchers.matchers] == [value]


@given(st.lists(text.filter(bool), min_size=1, max_size=3, unique=True))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_one_of_is_literal(values: list[str]) -> None:
    series = [({"__name__": "up", "job": v}, [1], [1]) for v in [*values, "other.*"] if v]
    found = Recording.from_series({s[0]["job"]: s for s in series}.values()).query(
        selector("up", one_of("job", values))
    )
    assert set(found.labels["job"]) >= set(values) - {v for v in values if "\n" in v}
    assert set(found.labels["job"]) <= set(values)


def test_how_it_is_written() -> None:
    written = selector("up", equal("a", 'x"\\\n'), differs("b", "y"), matches("c", "z.*"), forced=[equal("d", "e")])
    assert written == 'up{a="x\\"\\\\\\n",b!="y",c=~"z.*",d="e"}'
    assert selector("up") == "up"
    assert selector("", equal("a", "b")) == '{a="b"}'


@pytest.mark.parametrize("name", ["", "a-b", "1a", 'a"', "a b", "ä"])
def test_names_are_checked(name: str) -> None:
    with pytest.raises(ParameterError):
        Matcher(name, Op.EQUAL, "x")
    if name:
        with pytest.raises(ParameterError):
            selector(name)


def test_nothing_selects_nothing() -> None:
    with pytest.raises(ParameterError, match="needs a metric or a matcher"):
        selector("")
