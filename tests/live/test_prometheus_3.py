"""What only Prometheus 3 has: native histograms, and names of any characters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from agreement import disagreement
from binaries import Generation
from remote_write import histogram_request, write_request, written_to

from meshlab.core.window import Window
from meshlab.engines.http import PrometheusEngine
from meshlab.recordings.engine import Recording
from meshlab.recordings.recorder import record

pytestmark = pytest.mark.live

START = 1_769_860_800
AT = START + 15 * np.arange(40.0)
MOMENT = datetime.fromtimestamp(START + 300, UTC)
WINDOW = Window(START * 1000, (START + 585) * 1000, 15_000)
UTF8 = [
    ({"__name__": "http.server.requests", "größe": "x", "job": "a"}, AT, np.arange(40.0)),
    ({"__name__": "http.server.requests", "größe": "y", "service.name": "shop"}, AT, 2 * np.arange(40.0)),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, newer: Generation) -> Iterator[str]:
    native = histogram_request({"__name__": "latency", "job": "a"}, AT, np.arange(40))
    folder = tmp_path_factory.mktemp("prometheus")
    with written_to(folder, write_request(UTF8), native, prometheus=newer.prometheus) as url:
        yield url


def test_it_tells_when_it_drops_names(url: str) -> None:
    engine = PrometheusEngine(url)
    assert engine.left_open
    assert engine.delayed_names is False


def test_a_native_histogram_is_said_to_be_unread(url: str) -> None:
    engine = PrometheusEngine(url)
    for found in (
        engine.query("latency", MOMENT),
        engine.query_range("latency", WINDOW),
        engine.samples("latency", WINDOW),
    ):
        assert len(found.sid) == 0
        assert not found.query.complete
        assert "latency{job='a'}" in found.query.failed[0]
    both = engine.query('{__name__=~"latency|http.+"}', MOMENT)
    assert len(both.sid) == 2
    assert len(both.query.failed) == 1


@pytest.mark.parametrize(
    ("promql", "value"),
    [
        ("histogram_count(latency)", 40),
        ("histogram_sum(latency)", 50),
        ("histogram_avg(rate(latency[2m]))", 1.25),
        ("histogram_fraction(0, 1, latency)", 0.5),
        ("histogram_quantile(1, latency)", 2),
    ],
)
def test_numbers_of_a_native_histogram_are_answers(url: str, promql: str, value: float) -> None:
    found = PrometheusEngine(url).query(promql, MOMENT)
    assert found.value.tolist() == pytest.approx([value])
    assert found.query.complete


def test_the_command_line_does_not_ask_to_try_again(url: str) -> None:
    command = [sys.executable, "-m", "meshlab", "query", "latency", "--source", url, "--at", MOMENT.isoformat()]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 3
    assert "native histograms of latency" in said.stderr
    assert "histogram_quantile(0.9, ...)" in said.stderr
    assert "try again" not in said.stderr


@pytest.mark.parametrize(
    "promql",
    [
        '{"http.server.requests"}',
        '{"http.server.requests", "größe"="x"}',
        '{"http.server.requests", "service.name"=~"s.*"}',
        'sum by ("größe") (rate({"http.server.requests"}[2m]))',
        'sum without ("service.name", job) ({"http.server.requests"})',
        'label_replace({"http.server.requests"}, "a b", "$1", "größe", "(.*)")',
        '{"http.server.requests"} / on ("größe") group_left ("service.name") {"http.server.requests"}',
    ],
)
def test_names_of_any_characters(url: str, promql: str, tmp_path: Path) -> None:
    engine = PrometheusEngine(url)
    recorded = Recording.open(record(engine, ['{"http.server.requests"}'], WINDOW, tmp_path / "any", what="a test"))
    assert recorded.delayed_names is False
    theirs, ours = (one.query_range(promql, WINDOW) for one in (engine, recorded))
    assert len(theirs.sid) > 0
    assert disagreement(ours, theirs, 1.0) == ""


def test_series_and_samples_of_names_of_any_characters(url: str) -> None:
    engine = PrometheusEngine(url)
    found = engine.samples('{"http.server.requests"}', WINDOW)
    assert list(found.labels.columns) == ["__name__", "größe", "job", "service.name"]
    assert len(found.sid) == 2 * 39
    assert len(engine.series('{"größe"="y"}', WINDOW)) == 1
