"""Two replicas of one Prometheus in one store: refused, or one is counted."""

from __future__ import annotations

import mesh_series
import numpy as np
import pytest
from istio_series import START, Series, canary, engine

from meshlab.core.window import Window
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects.base import MeshOptions, Reporter
from meshlab.telemetry.dialects.replicas import replica_label, replicas
from meshlab.telemetry.mesh import Mesh

BLOCK = 15_000


def replica(name: str, series: list[Series], late_s: float = 0.0, **more: str) -> list[Series]:
    """The same counters, scraped a little later: what rises within a scrape is seen in part."""
    out = []
    for who, at, value in series:
        rise = np.diff(value, append=value[-1])
        out.append(({**who, "prometheus_replica": name, **more}, at + late_s, np.floor(value + rise * late_s / 5)))
    return out


def mesh(*series: list[Series], label: str = "") -> Mesh:
    return Mesh.detect(engine(*series), "a test", options=MeshOptions(replica_label=label))


def total(m: Mesh, reporter: Reporter = Reporter.SOURCE) -> int:
    frame = m.request_counts(m.window(), [], reporter=reporter, block_ms=BLOCK).frame
    return int(frame["count"].sum())


@pytest.mark.parametrize("late_s", [0.0, 1.7])
def test_doubled_series_are_refused_with_the_label_that_tells_them_apart(late_s: float) -> None:
    one = list(canary())
    m = mesh(replica("a", one), replica("b", one, late_s))
    window = m.window(step="15s")
    for ask in (
        lambda: total(m),
        lambda: m.latency_buckets(window, [], reporter=Reporter.DESTINATION, block_ms=BLOCK),
        lambda: m.services(window),
        lambda: m.request_rates(window, ["code"]),
    ):
        with pytest.raises(
            ParameterError, match=r'apart by the label prometheus_replica.*replica_label = "prometheus_'
        ):
            ask()


@pytest.mark.parametrize("late_s", [0.0, 1.7])
def test_with_the_label_set_each_request_counts_once(late_s: float) -> None:
    one = list(canary())
    m = mesh(replica("a", one), replica("b", one, late_s), label="prometheus_replica")
    assert total(m) == 42 * 60
    single = Mesh.detect(engine(one), "a test")
    window = single.window(step="15s")
    both, alone = (m.request_rates(window, ["code"]).frame for m in (m, single))
    late = both["time"] >= "2026-01-31 12:02:00+00:00"
    assert both[late]["rate_per_s"].to_numpy() == pytest.approx(alone[late]["rate_per_s"].to_numpy(), rel=0.02)
    services = m.services(window).frame["requests"].sum()
    assert services == pytest.approx(42 * 60, rel=0.04)


def test_the_fuller_replica_counts_and_its_gaps_are_not_filled() -> None:
    one = list(canary())
    holes = [(w, np.r_[t[:20], t[30:]], np.r_[v[:20], v[30:]]) for w, t, v in replica("a", one)]
    more = [(w, np.r_[t[:40], t[45:]], np.r_[v[:40], v[45:]]) for w, t, v in replica("b", one)]
    m = mesh(holes, more, label="prometheus_replica")
    frame = m.request_counts(m.window(), [], reporter=Reporter.SOURCE, block_ms=BLOCK).frame
    assert frame["count"].sum() == 42 * 60
    assert 13 not in set(frame["block"]), "b was not scraped from 12:03:15 to 12:03:45"
    assert {7, 8} <= set(frame["block"]), "a was not scraped then, b was"


def test_one_address_in_two_clusters_is_no_replica() -> None:
    east = [({**w, "cluster": "east", "instance": "10.0.0.1:15020"}, t, v) for w, t, v in canary()]
    west = canary({"v1": (29, 1), "v2": (11, 1)})
    both = mesh(east, [({**w, "cluster": "west", "instance": "10.0.0.1:15020"}, t, v) for w, t, v in west])
    assert total(both) == 2 * 42 * 60


def test_clusters_of_like_load_are_no_replicas() -> None:
    rng = np.random.default_rng(5)
    series = []
    for cluster in ("east", "west"):
        for who, at, value in canary({"v1": (300, 3), "v2": (100, 3)}):
            rise = rng.poisson(np.diff(value, prepend=value[0]))
            series.append(({**who, "cluster": cluster}, at, 100 + np.cumsum(rise)))
    assert total(mesh(series)) > 0


@pytest.mark.parametrize("make", [mesh_series.linkerd, mesh_series.routes, mesh_series.envoy])
def test_replicas_are_seen_in_every_mesh(make: object) -> None:
    one = list(make())  # type: ignore[operator]
    doubled = replica("a", one), replica("b", one, 1.0)
    with pytest.raises(ParameterError, match="prometheus_replica"):
        total(mesh(*doubled))
    assert total(mesh(*doubled, label="prometheus_replica")) == total(Mesh.detect(engine(one), "a test"))


def test_labels_that_could_tell_replicas_apart() -> None:
    one = list(canary())
    store = engine(replica("a", one), replica("b", one), [({"__name__": "up", "pod": "x"}, np.array([START]), [1.0])])
    window = Window.parse(str(START), str(START + 300), now=store.now())
    labels = store.series('{__name__=~".+"}', window).labels
    assert replicas(labels) == "prometheus_replica"
    assert replicas(engine(one).series("istio_requests_total", window).labels) == ""
    raw = store.samples("istio_requests_total", window)
    assert replica_label(raw) == "prometheus_replica"
    assert replica_label(engine(one).samples("istio_requests_total", window)) == ""
