"""Stores that take exact metric names only: patterns become names, and nothing is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from limited import connection

from meshlab.config import Kind
from meshlab.core.window import Window
from meshlab.engines.exact_names import expanded, split
from meshlab.engines.http import PrometheusEngine
from meshlab.engines.selectors import groupings, selectors
from meshlab.engines.transport import Transport
from meshlab.errors import UnsupportedQuery

NAMES = ["a_total", "b_total", "c"]


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ('a_total{x="1"}', 'a_total{x="1"}'),
        ('{__name__="c",x="1"}', '{__name__="c",x="1"}'),
        ('count({__name__=~".+_total",y="1"})', 'count((a_total{y="1"} or on (__name__) b_total{y="1"}))'),
        (
            'count by (z) (last_over_time({__name__=~".+_total"}[5m]))',
            "count by (z) ((last_over_time(a_total[5m]) or on (__name__) last_over_time(b_total[5m])))",
        ),
        ('rate({__name__=~"c|d"}[5m])', "rate(c[5m])"),
        ('{__name__=~"d.*"}', "no_metric_of_such_a_name"),
    ],
)
def test_a_pattern_becomes_names(asked: str, sent: str) -> None:
    assert expanded(asked, NAMES) == sent


def test_what_would_lose_series_is_refused() -> None:
    with pytest.raises(UnsupportedQuery, match="exact metric names only"):
        expanded('rate({__name__=~".+_total"}[5m])', NAMES)


def test_a_selector_is_split() -> None:
    assert split('{__name__=~".+_total",x="1"}', NAMES) == ['a_total{x="1"}', 'b_total{x="1"}']


def test_where_selectors_and_groupings_stand() -> None:
    text = 'sum by (x, le) (rate(a{b="}"}[5m:1m])) > bool 5 or on () {__name__=~"q|z", c!="3"} and time() - d @ start()'
    assert [text[s.start : s.end] for s in selectors(text)] == ['a{b="}"}', '{__name__=~"q|z", c!="3"}', "d"]
    assert [(g.word, g.labels) for g in groupings(text)] == [("by", ("x", "le")), ("on", ())]
    assert [s.understood for s in selectors('{"a.b", c="d"}')] == [False]


def test_a_store_that_refuses_patterns_is_asked_by_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def answer(_: Transport, path: str, form: Mapping[str, str], **__: object) -> bytes:
        if path.endswith("__name__/values"):
            return json.dumps({"status": "success", "data": NAMES}).encode()
        words = form.get("query", form.get("match[]", ""))
        asked.append(words)
        if "__name__=~" in words:
            text = "unsupported: regex matcher on __name__; exact matcher on __name__ required"
            return json.dumps({"status": "error", "errorType": "bad_data", "error": text}).encode()
        metric = [{"__name__": "a_total"}]
        series = [{"metric": each, "values": [[30, "1"]]} for each in metric if "a_total" in words]
        data: object = metric if path.endswith("series") else {"resultType": "matrix", "result": series}
        return json.dumps({"status": "success", "data": data}).encode()

    monkeypatch.setattr(Transport, "ask", answer)
    engine = PrometheusEngine(connection("http://store:9090", kind=Kind.PROMETHEUS))
    window = Window(0, 60_000, 15_000)
    found = engine.samples('{__name__=~".+_total"}', window)
    assert found.labels["__name__"].tolist() == ["a_total"]
    assert found.query.promql == '{__name__=~".+_total"}'
    engine.series('{__name__=~".+_total"}', window)
    assert asked[-1] == ["a_total", "b_total"]
