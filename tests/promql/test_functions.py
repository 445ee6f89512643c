"""Functions of instant vectors, scalars and labels."""

from __future__ import annotations

import math

import pytest

from meshlab.errors import BadQuery, UnsupportedQuery

G = {'g{p="a"}': "-1.5", 'g{p="b"}': "2.5"}
AT = 1_769_860_800  # Saturday, 2026-01-31 12:00:00 UTC


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("abs(g)", {"p=a": 1.5, "p=b": 2.5}),
        ("ceil(g)", {"p=a": -1, "p=b": 3}),
        ("floor(g)", {"p=a": -2, "p=b": 2}),
        ("round(g)", {"p=a": -1, "p=b": 3}),
        ("round(g, 0.4)", {"p=a": -1.6, "p=b": 2.4}),
        ("sgn(g)", {"p=a": -1, "p=b": 1}),
        ("sqrt(g)", {"p=a": math.nan, "p=b": 2.5**0.5}),
        ("clamp(g, -1, 2)", {"p=a": -1, "p=b": 2}),
        ("clamp(g, -Inf, Inf)", {"p=a": -1.5, "p=b": 2.5}),
        ("clamp(g, 1, 0)", {}),
        ("clamp_min(g, 0)", {"p=a": 0, "p=b": 2.5}),
        ("clamp_max(g, 0)", {"p=a": -1.5, "p=b": 0}),
        ("clamp_max(g, NaN)", {"p=a": math.nan, "p=b": math.nan}),
        ("exp(ln(g > 0))", {"p=b": 2.5}),
        ("scalar(g)", {"": math.nan}),
        ('scalar(g{p="a"})', {"": -1.5}),
        ("vector(7)", {"": 7}),
        ("time()", {"": AT}),
        ("timestamp(g offset -1m)", {"p=a": AT, "p=b": AT}),
        ("timestamp(g + 0)", {"p=a": AT, "p=b": AT}),
        ("absent(g)", {}),
        ('absent(h{a="1",b!="2",c=~"3"})', {"a=1": 1}),
        ('absent(h{a="1",a="2"})', {"": 1}),
        ('absent(sum(h{a="1"}))', {"": 1}),
        ("sort_desc(g)", {"__name__=g,p=a": -1.5, "__name__=g,p=b": 2.5}),
        ("hour()", {"": 12}),
        ("minute(vector(3725))", {"": 2}),
        ("day_of_week()", {"": 6}),
        ("day_of_month()", {"": 31}),
        ("day_of_year()", {"": 31}),
        ("month()", {"": 1}),
        ("year()", {"": 2026}),
        ("days_in_month(vector(951782400))", {"": 29}),
        ("day_of_year(vector(1735603200))", {"": 366}),
        ("minute(vector(-0.5))", {"": 0}),
        ("year(vector(NaN))", {"": math.nan}),
        ("deg(vector(pi()))", {"": 180}),
    ],
)
def test_by_hand(ask, query: str, expected: dict[str, float]) -> None:
    assert ask(G, query, at=0) == pytest.approx(expected, nan_ok=True)


TEXT = {'t{src="a-b.c",x="1"}': "1", 't{src="ÄÖ",x="2"}': "2"}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (r'"d", "$1", "src", "(.*)-.*"', ["a", ""]),
        (r'"d", "$2/${1}x", "src", "(.*)-(.*)"', ["b.c/ax", ""]),
        (r'"d", "$1x", "src", "(.*)-(.*)"', ["", ""]),
        (r'"d", "$tail", "src", ".*[.(](?P<tail>.)"', ["c", ""]),
        (r'"d", "$$1", "src", "a.*"', ["$1", ""]),
        (r'"d", "$9-$a_b", "src", "a.*"', ["-", ""]),
        (r'"d", "\\1", "src", "a.*"', ["\\1", ""]),
        (r'"d", "$1", "src", "(\\w+).*"', ["a", ""]),
        (r'"d", "$1", "src", "(\\pL+).*"', ["a", "ÄÖ"]),
        (r'"d", "$1", "src", "(?i)(äö)"', ["", "ÄÖ"]),
        (r'"d", "$1", "src", "\\Qa-b.\\E(.)"', ["c", ""]),
        (r'"d", "v", "none", ""', ["v", "v"]),
        (r'"d", "v", "src", "b"', ["", ""]),
    ],
)
def test_label_replace_is_re2s_own(ask, arguments: str, found: list[str]) -> None:
    got = ask(TEXT, f"label_replace(t, {arguments})", at=0)
    rows = sorted((dict(item.split("=", 1) for item in key.split(",")) for key in got), key=lambda row: row["x"])
    assert [row.get("d", "") for row in rows] == found


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ('label_join(t, "d", "/", "x", "src")', ["__name__=t,d=1/a-b.c,src=a-b.c,x=1", "__name__=t,d=2/ÄÖ,src=ÄÖ,x=2"]),
        ('label_join(t, "src", "-")', ["__name__=t,x=1", "__name__=t,x=2"]),
        ('label_replace(t, "__name__", "u", "src", "")', ["__name__=t,src=a-b.c,x=1", "__name__=t,src=ÄÖ,x=2"]),
        ('label_replace(t, "__name__", "u", "x", "1")', ["__name__=t,src=ÄÖ,x=2", "__name__=u,src=a-b.c,x=1"]),
    ],
)
def test_labels_change(ask, query: str, labels: list[str]) -> None:
    assert sorted(ask(TEXT, query, at=0)) == labels


@pytest.mark.parametrize(
    "query",
    [
        'label_replace(t, "d", "", "src", "(")',
        'label_replace(nothing, "d", "", "src", "(")',
        'label_replace(t, "d", "", "src", "(?=a)")',
        'label_replace(t, "d-e", "", "src", "")',
        'label_join(t, "d", "", "s r c")',
        'sum(label_replace(t, "x", "", "", "")) + on(x) label_replace(t, "x", "", "", "")',
        'label_replace(label_replace(t, "x", "", "", ""), "src", "", "", "")',
    ],
)
def test_refused(ask, query: str) -> None:
    with pytest.raises(BadQuery):
        ask(TEXT, query, at=0)


def test_a_tenth_group_is_not_known(ask) -> None:
    with pytest.raises(UnsupportedQuery, match="tenth group"):
        ask(TEXT, f'label_replace(t, "d", "$10", "src", "{"(.?)" * 10}")', at=0)


def test_timestamp_of_a_selector_is_the_samples_own(over) -> None:
    got = over({"g": "1 _ 3"}, "timestamp(g) - time()", until=45)[""]
    assert got == [0, -15, 0, -15]


def test_scalar_holds_where_there_is_just_one(over) -> None:
    got = over({'g{p="a"}': "1 1 1", 'g{p="b"}': "_ 2 stale"}, "scalar(g)", until=30)[""]
    assert got == pytest.approx([1, math.nan, 1], nan_ok=True)


def test_start_end_step_and_range_are_the_whole_querys(over) -> None:
    series = {"up": "1 1 1 1 1"}
    assert over(series, "start() - 1769860800") == {"": [0] * 5}
    assert over(series, "end() - 1769860800") == {"": [60] * 5}
    assert over(series, "step() + vector(0)") == {"": [15] * 5}
    assert over(series, "up * range()") == {"": [60] * 5}
    assert over(series, "count_over_time(up[step()*2])")[""][2] == 3


def test_the_less_and_the_more_of_two_numbers(ask) -> None:
    assert ask({}, "min_of(2, -1)") == {"": -1}
    assert ask({}, "max_of(2, -1)") == {"": 2}
    assert ask({}, "max_of(-Inf, Inf)") == {"": math.inf}
    assert ask({}, "min_of(Inf, Inf)") == {"": math.inf}
    assert ask({}, "min_of(NaN, -Inf)") == {"": -math.inf}
    assert ask({}, "step() + range()") == {"": 0}


@pytest.mark.parametrize(
    ("call", "zero"),
    [
        ("clamp(g, 0, 0)", "0"),
        ("clamp_min(g, 0)", "0"),
        ("clamp_max(g, 0)", "-0"),
        ("clamp_max(g, -0)", "-0"),
        ("clamp(g, -0, -0)", "-0"),
        ("clamp_max(-g, -0)", "-0"),
        ("clamp_min(-g, -0)", "0"),
    ],
)
def test_of_the_two_zeros_minus_zero_is_the_less(ask, call: str, zero: str) -> None:
    assert ask({"g": "-0.0"}, f'count_values("v", {call})', at=0) == {f"v={zero}": 1}
