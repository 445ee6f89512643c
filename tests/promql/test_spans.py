"""Durations that are computed, and what moves a selector."""

from __future__ import annotations

import pytest

from meshlab.errors import BadQuery, UnsupportedQuery
from meshlab.promql.syntax import parse


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("up[2m*3]", "up[6m]"),
        ("up[1h - 15m]", "up[45m]"),
        ("up[-(1m) + 3m]", "up[2m]"),
        ("up[(10m / 4) % 1m]", "up[30s]"),
        ("up[2 ^ 3]", "up[8s]"),
        ("up[10m+5m:30s*2]", "up[15m:1m]"),
        ("up[10m*2:]", "up[20m:]"),
        ("up[step()]", "up[15s]"),
        ("up[STEP() * 4 + range()]", "up[2m]"),
        ("up[min(5m, step())]", "up[15s]"),
        ("up[min_of(5m, step())]", "up[15s]"),
        ("up[15s+0s]", "up[15s]"),
        ("up offset max_of(step(), 1s)", "up offset 15s"),
        ("up offset -min_of(step(), 1s) + 2", "up offset -1s + 2"),
        ("up offset (1m + 30s)", "up offset 90s"),
        ("up offset -(2 * step())", "up offset -30s"),
        ("up offset step() * 2", "up offset 15s * 2"),
        ("up offset max(1m, 2m) @ start()", "up offset 2m @ start()"),
        ('up{a="[1m*2]"}[1m*2] # [1m*3]', 'up{a="[1m*2]"}[2m]'),
        ("sum(rate(up[1m*2] offset (1m*3))) by (job)", "sum(rate(up[2m] offset 3m)) by (job)"),
        ("up[90]", "up[90s]"),
        ("up[1.5]", "up[1500ms]"),
    ],
)
def test_a_duration_is_computed(written: str, meant: str) -> None:
    assert str(parse(written, 15_000, 60_000)) == str(parse(meant))


@pytest.mark.parametrize(
    "query",
    [
        "up[1m+]",
        "up[]",
        "up[job]",
        "up[1m/0]",
        "up[1m-2m]",
        "up offset (job)",
        "up offset (1m",
        "up @ (1 + 1)",
        "up[1m*up]",
    ],
)
def test_a_duration_that_is_none(query: str) -> None:
    with pytest.raises(BadQuery):
        parse(query)


def test_text_without_end_costs_no_time() -> None:
    for query in (
        "up[" + "1" * 20_000,
        "up offset (" + "1m" * 900,
        "up offset " + "(" * 900,
        "up[" + "1m+" * 900 + "]",
    ):
        with pytest.raises(BadQuery):
            parse(query)


@pytest.mark.parametrize("query", ['{"a.b"}', '{"a.b", c="d"}', 'sum by ("a.b") (up)', 'up{"a.b"="c"}'])
def test_names_in_quotes(query: str) -> None:
    parse(query)


def test_a_byte_in_a_string_is_not_taken_for_a_letter() -> None:
    with pytest.raises(UnsupportedQuery, match="byte"):
        parse(r'up{a="\xc3\xbc"}')
    parse(r'up{a="\\xc3", b=`\xc3`, c="\x41"}')
