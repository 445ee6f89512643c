"""Links to the proving query."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from meshlab.config import Kind
from meshlab.core.series import Query
from meshlab.core.window import Window
from meshlab.engines.links import link

HOUR = Window(1_769_860_800_000, 1_769_864_400_000, 15_000)
QUERY = Query('sum(rate(m{a="x&y #1"}[5m]))', "", window=HOUR)


def test_the_graph_of_a_window() -> None:
    parts = urlsplit(link("http://prometheus:9090/", QUERY))
    assert (parts.netloc, parts.path) == ("prometheus:9090", "/graph")
    assert {name: value[0] for name, value in parse_qs(parts.query).items()} == {
        "g0.expr": QUERY.promql,
        "g0.tab": "0",
        "g0.range_input": "1h",
        "g0.end_input": "2026-01-31 13:00:00",
    }


def test_other_pages() -> None:
    assert link("http://vm:8428", QUERY, Kind.VICTORIAMETRICS).startswith("http://vm:8428/vmui/#/?g0.expr=")
    made = link("https://grafana/explore?q={query}&from={start_ms}&to={end_ms}", QUERY)
    assert made.endswith("%22x%26y%20%231%22%7D%5B5m%5D%29%29&from=1769860800000&to=1769864400000")
    assert link("", QUERY) == ""
    assert "g0.end_input=2026-01-31+12%3A00%3A00" in link("http://p", Query("m", "", at_ms=HOUR.start_ms))
