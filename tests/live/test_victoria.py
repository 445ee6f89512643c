"""VictoriaMetrics beside Prometheus and a recording: the same samples, frames and verdict."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from binaries import Generation
from real_prometheus import openmetrics, serving
from real_victoria import serving_victoria

from meshlab.config import Kind, Limits, Profile
from meshlab.core.window import Window
from meshlab.engines.base import Engine
from meshlab.engines.connection import Connection
from meshlab.engines.http import PrometheusEngine
from meshlab.errors import BadQuery, EngineError, TooMuch
from meshlab.questions.canary import Canary, CanarySettings
from meshlab.recordings.engine import Recording
from meshlab.telemetry.mesh import Mesh

pytestmark = pytest.mark.live

DATA = Path(__file__).parents[2] / "data" / "canary-regression"
SETTINGS = CanarySettings(service="catalog", baseline="v1", canary="v2")
START = 1_769_860_800
EVERY = 15

Three = tuple[Recording, PrometheusEngine, PrometheusEngine]


def odd_series() -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
    """Values and names that formats stumble over, and a series that is long.

    VictoriaMetrics keeps some 15 decimal digits of the largest value of a block: numbers here fit.
    """
    at = START + EVERY * np.arange(8)
    yield {"__name__": "odd"}, at, np.array([1.5, np.inf, -np.inf, 0.25, -7, 1e6, 3, 7])
    yield {"__name__": "unknown"}, at, np.array([1, np.nan, 3, np.nan, 5, 6, 7, 8])
    for i, text in enumerate(['q"uote', "back\\slash", "new\nline", "],[", '"values":[', "{}", "ü😀", "a,b"]):
        yield {"__name__": "hostile", "name": text}, at, np.full(8, i)
    yield {"__name__": "long"}, START + EVERY * np.arange(40_000), np.arange(40_000) / 8


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, generation: Generation) -> Iterator[Three]:
    recording = Recording.open(DATA)
    span = recording.span()
    assert span
    window = Window.aligned(*span, 5_000).with_lead(300_000)
    series = []
    for selector in ('{__name__=~"istio_.*"}', "up"):
        found = recording.samples(selector, window)
        edges = found.starts
        for row, labels in enumerate(found.labels.to_dict("records")):
            at = slice(edges[row], edges[row + 1])
            seconds = found.time[at].astype(np.int64) / 1000
            series.append(({str(k): v for k, v in labels.items() if v}, seconds, found.value[at]))
    series += list(odd_series())
    folder = tmp_path_factory.mktemp("stores")
    binaries = {"prometheus": generation.prometheus, "promtool": generation.promtool}
    with (
        serving(folder / "prometheus", openmetrics(series), **binaries) as prometheus,
        serving_victoria(folder / "victoria", series, binary=generation.victoria) as victoria,
    ):
        yield recording, PrometheusEngine(prometheus), PrometheusEngine(victoria)


def test_it_introduces_itself(three: Three, generation: Generation) -> None:
    _, prometheus, victoria = three
    assert prometheus.kind is Kind.PROMETHEUS
    assert victoria.kind is Kind.VICTORIAMETRICS
    assert victoria.description.startswith("VictoriaMetrics at http://127.0.0.1:")
    assert victoria.left_open
    assert prometheus.left_open == generation.newer


def window_of(engine: Engine) -> Window:
    span = engine.span()
    assert span
    return Window.aligned(*span, 5_000)


def test_the_canary_s_frames_and_verdict_are_the_same(three: Three) -> None:
    window = window_of(three[0])
    frames, results = [], []
    for engine in three:
        mesh = Mesh.detect(_at(engine, window), "store")
        evidence = Canary().collect(mesh, window, SETTINGS)
        frames.append(evidence.frames)
        results.append(Canary().answer(evidence, SETTINGS).to_dict())
    a_row_a_pod = {"restarts"}
    for name, frame in frames[0].items():
        assert len(frame) == 2 if name in a_row_a_pod else len(frame) > 20, name
        pd.testing.assert_frame_equal(frame, frames[1][name])
        pd.testing.assert_frame_equal(frame, frames[2][name])
    assert results[0] == results[1] == results[2]
    assert results[0]["verdict"] == "FAIL"


def test_services_and_their_requests(three: Three) -> None:
    """Prometheus extrapolates an increase to the range's ends; VictoriaMetrics counts what it saw: a scrape or two."""
    window = window_of(three[0])
    _, theirs, found = (Mesh.detect(_at(engine, window), "store").services(window).frame for engine in three)
    names = [name for name in theirs.columns if name != "requests"]
    one, other = (frame.sort_values(names).reset_index(drop=True) for frame in (theirs, found))
    pd.testing.assert_frame_equal(one[names], other[names])
    np.testing.assert_allclose(one["requests"], other["requests"], rtol=3 * 5 / window.duration_s, atol=3)


def test_raw_samples(three: Three) -> None:
    _, prometheus, victoria = three
    window = Window.aligned(
        datetime.fromtimestamp(START - 60, UTC), datetime.fromtimestamp(START + 40_100 * EVERY, UTC), 60_000
    )
    for selector in ("odd", "hostile", "long", '{__name__=~"istio_.*"}', 'hostile{name="new\\nline"}', "nothing"):
        one, other = (engine.samples(selector, window) for engine in (prometheus, victoria))
        pd.testing.assert_frame_equal(one.tidy(), other.tidy())
        assert other.query.complete
        assert other.query.infos == ()
    assert len(victoria.samples("long", window).sid) == 40_000
    assert victoria.samples("unknown", window).value.tolist() == [1, 3, 5, 6, 7, 8], "it keeps no NaN"
    edge = Window((START + EVERY) * 1000, (START + 3 * EVERY) * 1000, EVERY * 1000)
    assert victoria.samples("hostile", edge).time[:2].astype(np.int64).tolist() == [
        (START + 2 * EVERY) * 1000,
        (START + 3 * EVERY) * 1000,
    ], "without the window's start, with its end"


def test_a_grid_stays_where_it_was_asked_for(three: Three) -> None:
    """Without nocache VictoriaMetrics moves start and end, and 30,000 points are its limit."""
    _, prometheus, victoria = three
    window = Window((START + 7 * EVERY) * 1000, (START + 39_000 * EVERY) * 1000, EVERY * 1000)
    one, other = (engine.query_range("long * 2", window) for engine in (prometheus, victoria))
    assert other.time.tolist() == window.grid().tolist()
    assert one.value.tolist() == other.value.tolist()
    assert other.query.complete


def test_what_it_refuses_is_said(three: Three) -> None:
    victoria = three[2]
    window = Window.aligned(datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(START + 600, UTC), 15_000)
    for ask in (victoria.samples, victoria.query_range, victoria.series):
        with pytest.raises(BadQuery):
            ask("m{", window)
    small = PrometheusEngine(Connection(Profile(url=victoria.url, limits=Limits(series=3))))
    with pytest.raises(TooMuch, match="3 series"):
        small.samples("hostile", window)
    with pytest.raises(EngineError):
        victoria.query("rate(m)[")


def _at(engine: Engine, window: Window) -> Engine:
    """The engine at a time when the recorded window has just ended."""
    return engine if isinstance(engine, Recording) else _Then(engine, window)


class _Then:
    """A server whose present is the end of a window."""

    def __init__(self, engine: Engine, window: Window) -> None:
        self._engine, self._window = engine, window

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def now(self) -> datetime:
        return self._window.end
