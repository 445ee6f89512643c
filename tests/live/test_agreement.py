"""On the same samples, the embedded evaluator and a real Prometheus give the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from agreement import QUERIES, START, WINDOW, dataset, disagreement
from real_prometheus import openmetrics, serving

from meshlab.dialects.istio import every_query
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import BadQuery
from meshlab.recordings.engine import Recording

pytestmark = pytest.mark.live

Pair = tuple[Recording, PrometheusEngine]
EMPTY_ON_PURPOSE = {'requests_total{job="nothing"}', "clamp(temperature, 10, -10)"}
LARGEST = 1e6


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, prometheus_binary: str, promtool_binary: str) -> Iterator[Pair]:
    series = list(dataset())
    folder = tmp_path_factory.mktemp("prometheus")
    with serving(folder, openmetrics(series), prometheus=prometheus_binary, promtool=promtool_binary) as url:
        yield Recording.from_series(series), PrometheusEngine(url)


@pytest.mark.parametrize("query", QUERIES)
def test_over_a_range(both: Pair, query: str) -> None:
    ours, theirs = (engine.query_range(query, WINDOW) for engine in both)
    assert bool(len(theirs)) != (query in EMPTY_ON_PURPOSE)
    assert disagreement(ours, theirs, LARGEST) == ""


@pytest.mark.parametrize("query", QUERIES)
def test_at_an_instant(both: Pair, query: str) -> None:
    at = datetime.fromtimestamp(START + 2000.5, UTC)
    assert disagreement(both[0].query(query, at), both[1].query(query, at), LARGEST) == ""


@pytest.mark.parametrize("query", every_query())
def test_all_that_the_istio_dialect_says(both: Pair, query: str) -> None:
    ours, theirs = (engine.query_range(query, WINDOW) for engine in both)
    assert len(theirs) > 0
    assert disagreement(ours, theirs, LARGEST) == ""


@pytest.mark.parametrize("query", ["requests_total[3m]", 'temperature{job="api"}[2m] offset 1m', "temperature[5m:1m]"])
def test_raw_samples(both: Pair, query: str) -> None:
    at = datetime.fromtimestamp(START + 2000.5, UTC)
    assert len(both[1].query(query, at)) > 0
    assert disagreement(both[0].query(query, at), both[1].query(query, at), LARGEST) == ""


@pytest.mark.parametrize("selector", ["requests_total", '{job="gap"}', "istio_requests_total"])
def test_samples_and_series_of_a_window(both: Pair, selector: str) -> None:
    ours, theirs = (engine.samples(selector, WINDOW) for engine in both)
    assert len(theirs.sid) > 0
    assert disagreement(ours, theirs, LARGEST) == ""
    tables = [engine.series(selector, WINDOW).labels for engine in both]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(
    "query",
    [
        "requests_total + on(job) errors_total",
        "temperature / on(job) limit",
        'rate({__name__=~"requests_total|errors_total"}[5m])',
        'label_replace(temperature, "instance", "same", "job", ".*")',
        'label_replace(temperature, "in-valid", "x", "job", ".*")',
        'count_values("in-valid", temperature)',
        "rate(",
        "rate(requests_total)",
        'requests_total{job=~"("}',
    ],
)
def test_both_refuse(both: Pair, query: str) -> None:
    for engine in both:
        with pytest.raises(BadQuery):
            engine.query_range(query, WINDOW)
