"""The HTTP engine and the recorder against a real Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from binaries import Generation
from hypothesis import given, settings
from hypothesis import strategies as st
from istio_series import START, canary
from real_prometheus import openmetrics, serving
from stored import read_folder

from meshlab.core.selector import equal, one_of, selector
from meshlab.core.window import Window
from meshlab.engines.base import LOOKBACK_MS
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import BadQuery, ParameterError, Refused, Unreachable
from meshlab.recordings.recorder import record

pytestmark = pytest.mark.live

HOSTILE = [
    "\\d+",
    "\x00\x1b",
    "c\r",
    "😀",
    "(?i)x",
    "[a]{2}^",
    'x"} or vector(1) #',
    'quote"',
    "back\\slash",
    "new\nline",
    "brace}",
    "dot.star*",
    "umlaut ü",
    "$(x)",
    "a|b",
    "<script>",
    "tab\t",
]
MOMENT = datetime.fromtimestamp(START + 5, UTC)
WINDOW = Window.aligned(datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(START + 300, UTC), 5_000)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, generation: Generation) -> Iterator[PrometheusEngine]:
    at = START + 5 * np.arange(61)
    hostile = [({"__name__": "hostile", "name": value}, at[:2], [i, i]) for i, value in enumerate(HOSTILE)]
    odd = [({"__name__": "odd", "value": "v", "time": "t"}, at[:4], [1.5, float("inf"), float("-inf"), float("nan")])]
    long = [({"__name__": "long"}, START + 5 * np.arange(13_000), np.arange(13_000) / 7)]
    text = openmetrics([*canary(), *hostile, *odd, *long])
    binaries = {"prometheus": generation.prometheus, "promtool": generation.promtool}
    with serving(tmp_path_factory.mktemp("prometheus"), text, **binaries) as url:
        yield PrometheusEngine(url)


def test_samples_are_the_ones_that_were_written(engine: PrometheusEngine) -> None:
    found = engine.samples('istio_requests_total{reporter="source",response_code="200"}', WINDOW)
    assert len(found) == 2
    assert len(found.sid) == 2 * 60, "the sample at the window's start is not in it"
    assert found.value[:3].tolist() == [130, 160, 190]
    assert found.query.points_got == 120
    assert found.query.complete


def test_numbers_that_are_none_and_labels_with_taken_names(engine: PrometheusEngine) -> None:
    frame = engine.query("odd[1m]", datetime.fromtimestamp(START + 15, UTC)).tidy()
    assert list(frame.columns) == ["__name__", "exported_time", "exported_value", "time", "value"]
    assert frame["value"].tolist()[:3] == [1.5, float("inf"), float("-inf")]
    assert np.isnan(frame["value"].iloc[3])
    assert str(frame["time"].dtype) == "datetime64[ms, UTC]"


def test_hostile_values_select_exactly_themselves(engine: PrometheusEngine) -> None:
    for i, value in enumerate(HOSTILE):
        for matcher in (equal("name", value), one_of("name", [value])):
            found = engine.query(selector("hostile", matcher), MOMENT)
            assert found.labels["name"].tolist() == [value]
            assert found.value.tolist() == [i]
    assert len(engine.query(selector("hostile", one_of("name", HOSTILE)), MOMENT)) == len(HOSTILE)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_any_value_is_read_by_prometheus_as_it_was_given(engine: PrometheusEngine, value: str) -> None:
    """absent() answers with the labels of the selector's own equality matchers."""
    found = engine.query(f"absent({selector('nothing', equal('name', value))})")
    assert found.labels.to_dict("list") == {"name": [value]}


def test_a_long_query_is_answered(engine: PrometheusEngine) -> None:
    values = [f"value-{i:05}" for i in range(5_000)]
    assert len(engine.query(selector("hostile", one_of("name", [*values, *HOSTILE])), MOMENT)) == len(HOSTILE)


def test_it_says_what_it_is(engine: PrometheusEngine) -> None:
    engine.now()
    assert re.fullmatch(r"Prometheus \d+\.\d+\.\d+\S* at http://127\.0\.0\.1:\d+", engine.description)


def test_a_range_of_more_points_than_a_server_gives_is_joined(engine: PrometheusEngine) -> None:
    window = Window.aligned(datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(START + 64_990, UTC), 5_000)
    assert window.points > 11_001
    found = engine.query_range("long", window)
    assert len(found) == 1
    assert len(np.unique(found.time)) == len(found.time) == window.points
    assert found.value[-1] == pytest.approx((window.points - 1) / 7)
    assert found.query.points_expected == found.query.points_got == window.points
    half = window.start_ms + 6_000 * 5_000
    parts = Window(window.start_ms, half, 5_000), Window(half + 5_000, window.end_ms, 5_000)
    two = [engine.query_range("long", part) for part in parts]
    assert found.value.tobytes() == b"".join(part.value.tobytes() for part in two)
    assert found.time.tobytes() == b"".join(part.time.tobytes() for part in two)


def test_raw_samples_over_many_hours_come_once(engine: PrometheusEngine) -> None:
    span = Window.aligned(datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(START + 64_990, UTC), 5_000)
    found = engine.samples("long", span)
    assert (np.diff(found.time.astype(np.int64)) == 5_000).all()
    assert found.value.tolist() == (np.arange(1, 12_999) / 7).tolist(), "every float as it was written"


def test_series_scalars_and_the_clock(engine: PrometheusEngine, generation: Generation) -> None:
    table = engine.series("istio_requests_total", WINDOW)
    assert len(table) == 8
    assert len(table.sid) == 0
    assert engine.query("1 / 0").value.tolist() == [float("inf")]
    assert abs((engine.now() - datetime.now(UTC)).total_seconds()) < 5
    assert engine.left_open is generation.newer
    assert engine.span() is None


def test_an_empty_answer_is_an_answer(engine: PrometheusEngine) -> None:
    assert len(engine.query_range("nothing_at_all", WINDOW).tidy()) == 0
    assert len(engine.samples("nothing_at_all", WINDOW)) == 0


def test_errors_are_told_apart(engine: PrometheusEngine) -> None:
    with pytest.raises(BadQuery, match="parse error"):
        engine.query("rate(")
    with pytest.raises(BadQuery, match="many-to-many"):
        engine.query("istio_requests_total + on(reporter) istio_requests_total", datetime.fromtimestamp(START, UTC))
    with pytest.raises(Refused, match=r"text/(html|plain)"):
        PrometheusEngine(f"{engine.url}/graph/nowhere").query("up")
    with pytest.raises(Unreachable, match=r"nothing answers at http://127.0.0.1:1 \(connection refused\)"):
        PrometheusEngine("http://127.0.0.1:1").query("up")


def test_a_recording_holds_what_the_engine_held(
    engine: PrometheusEngine, generation: Generation, tmp_path: Path
) -> None:
    out = record(engine, ['{__name__=~"istio_.*"}', "istio_requests_total"], WINDOW, tmp_path / "shop", what="a test")
    stored = read_folder(out)
    whole = engine.samples('{__name__=~"istio_.*"}', WINDOW.with_lead(LOOKBACK_MS))
    pd.testing.assert_frame_equal(stored.series.labels, whole.labels)
    assert stored.series.value.tobytes() == whole.value.tobytes()
    assert (stored.series.time == whole.time).all()
    assert stored.manifest["ranges"] == ("left-open" if generation.newer else "closed")
    assert stored.manifest.get("names") == ("at once" if generation.newer else None)
    before = (out / "manifest.json").read_bytes()
    with pytest.raises(ParameterError, match="has no series that match nothing_at_all"):
        record(engine, ["nothing_at_all"], WINDOW, out, what="a test")
    assert (out / "manifest.json").read_bytes() == before
