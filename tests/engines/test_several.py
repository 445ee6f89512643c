"""Several stores as one: full identity, doubts of each, and nothing that a name of a store can break."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from istio_series import START, canary, times

from meshlab.core.series import SeriesSet
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.engines.several import STORE, SeveralEngines
from meshlab.errors import ConfigError, ParameterError, Unreachable
from meshlab.recordings.engine import Recording
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.source import connect


def store(rate: float = 30) -> Recording:
    up = ({"__name__": "up", "job": "pods", "instance": "a:1"}, times(), [1.0] * 61)
    return Recording.from_series([*canary({"v1": (rate, 1), "v2": (rate / 3, 1)}), up])


class Broken:
    """A store that is down."""

    description, is_live, left_open = "a store", False, True

    def now(self) -> datetime:
        return store().now()

    def samples(self, selector: str, window: Span) -> SeriesSet:
        raise Unreachable("nobody answers", "look")

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        raise Unreachable("nobody answers", "look")


def both(first: Engine, second: Engine) -> SeveralEngines:
    return SeveralEngines({"east": first, "west": second})


SELECTOR = 'istio_requests_total{reporter="source"}'
SPAN = Span(int(START * 1000), int(START * 1000) + 300_000)


def test_every_series_bears_the_name_of_its_store() -> None:
    one, engine = store(), both(store(), store(60))
    answer = engine.samples(SELECTOR, SPAN)
    assert set(answer.labels[STORE]) == {"east", "west"}
    assert len(answer) == 2 * len(one.samples(SELECTOR, SPAN))
    east = engine.samples(f'istio_requests_total{{reporter="source", {STORE}="east"}}', SPAN)
    assert set(east.labels[STORE]) == {"east"}
    assert east.value.tolist() == one.samples(SELECTOR, SPAN).value.tolist()
    assert not len(engine.samples(f'istio_requests_total{{{STORE}="north"}}', SPAN))


def test_services_of_one_name_in_two_stores_are_two() -> None:
    mesh = Mesh.detect(both(store(), store(60)), "both")
    assert mesh.probe.clusters is not None
    assert mesh.probe.clusters.label == STORE
    window = mesh.window()
    with pytest.raises(ParameterError, match="west/shop/catalog"):
        mesh.find("catalog", window)
    for name, rate in (("east", 30), ("west", 60)):
        alone = Mesh.detect(store(rate), name)
        mine, theirs = (
            m.request_counts(
                m.window(),
                (),
                m.where(m.find(f"{place}/shop/catalog", window)),
                reporter=Reporter.SOURCE,
                block_ms=15_000,
            ).totals()
            for m, place in ((mesh, name), (alone, "east"))
        )
        assert mine["count"].sum() == theirs["count"].sum() > 0


def requests(mesh: Mesh, name: str) -> int:
    window = mesh.window()
    where = mesh.where(mesh.find(name, window))
    counts = mesh.request_counts(window, (), where, reporter=Reporter.SOURCE, block_ms=15_000)
    return int(counts.totals()["count"].sum())


def test_a_store_that_is_down_is_said_and_the_others_answer() -> None:
    engine = both(store(), Broken())  # type: ignore[arg-type]
    answer = engine.samples(SELECTOR, SPAN)
    assert set(answer.labels[STORE]) == {"east"}
    assert answer.query.failed == ("store west did not answer: nobody answers",)
    with pytest.raises(Unreachable):
        both(Broken(), Broken()).samples(SELECTOR, SPAN)  # type: ignore[arg-type]


def test_a_profile_names_stores_that_are_asked_together(tmp_path: Path) -> None:
    data = Path(__file__).parents[2] / "data"
    text = (
        '[profile.both]\nsources = ["canary-healthy", "canary-regression"]\n[profile.loop]\nsources = ["both", "x"]\n'
    )
    (tmp_path / "meshlab.toml").write_text(text)
    (tmp_path / "data").symlink_to(data)
    mesh = connect("both", cwd=tmp_path)
    services = mesh.services(mesh.window()).frame
    assert set(services["destination_cluster"]) == {"canary-healthy", "canary-regression"}
    with pytest.raises(ConfigError, match="has sources itself"):
        connect("loop", cwd=tmp_path)


@pytest.mark.parametrize("text", ["", 'url = "http://a"\nsources = ["x", "y"]', 'sources = ["x"]'])
def test_a_profile_has_an_address_or_several_sources(tmp_path: Path, text: str) -> None:
    (tmp_path / "meshlab.toml").write_text(f"[profile.one]\n{text}\n")
    with pytest.raises(ConfigError, match=r"url|sources"):
        connect("one", cwd=tmp_path)
