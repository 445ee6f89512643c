"""Labels that the scrape has renamed are what they were, in a recording and in a live store."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from istio_series import Series, canary, engine
from mesh_series import linkerd, rising

from meshlab.core.window import Span, Window
from meshlab.recordings.engine import Recording
from meshlab.telemetry import renaming
from meshlab.telemetry.dialects.base import MeshOptions, Reporter
from meshlab.telemetry.kubernetes import Autoscalers, Exporter
from meshlab.telemetry.mesh import Mesh

FEDERATION = {"namespace": "monitoring", "job": "federate", "instance": "prometheus:9090", "pod": "prometheus-0"}


class Live:
    """A recording that is asked as a server is, and remembers what it was asked."""

    is_live, left_open, description = True, False, "a server"

    def __init__(self, store: Recording) -> None:
        self._store, self.asked = store, list[str]()

    def query(self, promql: str, at: datetime | None = None) -> object:
        self.asked.append(promql)
        return self._store.query(promql, at)

    def query_range(self, promql: str, window: Window) -> object:
        return self._store.query_range(promql, window)

    def samples(self, selector: str, window: Span) -> object:
        self.asked.append(selector)
        return self._store.samples(selector, window)

    def series(self, selector: str, window: Span) -> object:
        return self._store.series(selector, window)

    def span(self) -> None:
        return None

    def now(self) -> datetime:
        return self._store.now()


def federated(series: Iterable[Series]) -> list[Series]:
    """The same series behind a Prometheus that keeps its own labels."""
    made = []
    for labels, *rest in series:
        theirs = {f"exported_{n}" if n in FEDERATION else n: v for n, v in labels.items()}
        made.append(({**theirs, **FEDERATION}, *rest))
    return made


def autoscaler(**namespace: str) -> list[Series]:
    who = {"horizontalpodautoscaler": "catalog", "job": "kube-state-metrics", **namespace}
    prefix = "kube_horizontalpodautoscaler"
    bounds = [rising({"__name__": f"{prefix}_spec_{name}_replicas", **who}, 0) for name in ("min", "max")]
    return [rising({"__name__": f"{prefix}_info", "scaletargetref_name": "catalog", **who}, 0), *bounds]


def detected(series: Iterable[Series], *, live: bool) -> tuple[Mesh, Live]:
    store = engine(series)
    server = Live(store)
    return Mesh.detect(server if live else store, "a test"), server  # type: ignore[arg-type]


def counted(mesh: Mesh, reporter: Reporter) -> dict[object, int]:
    by = ["source_namespace", "destination_namespace", "destination_instance"]
    frame = mesh.request_counts(mesh.window("-4m"), by, reporter=reporter, block_ms=15_000).frame
    return frame.groupby(by)["count"].sum().to_dict()


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("reporter", Reporter)
def test_a_federated_mesh_is_the_mesh_itself(reporter: Reporter, live: bool) -> None:
    plain, behind = detected(linkerd(), live=live)[0], detected(federated(linkerd()), live=live)[0]
    assert counted(behind, reporter) == counted(plain, reporter)
    window = behind.window("-4m")
    assert behind.find("catalog", window) == plain.find("catalog", window)
    pd.testing.assert_frame_equal(behind.services(window).frame, plain.services(window).frame)


@pytest.mark.parametrize("live", [False, True])
def test_an_autoscaler_is_in_its_own_namespace(live: bool) -> None:
    renamed = autoscaler(namespace="monitoring", exported_namespace="shop")
    for series in (autoscaler(namespace="shop"), renamed):
        mesh = detected([*canary(), *series], live=live)[0]
        autoscalers = Autoscalers(Exporter(mesh, "shop"))
        window = mesh.window("-4m")
        for frame in (autoscalers.bounds(window).frame, autoscalers.scaled(window).frame):
            assert frame[["namespace", "workload"]].to_numpy().tolist() == [["shop", "catalog"]]
        assert Autoscalers(Exporter(mesh, "monitoring")).bounds(window).empty


@pytest.mark.parametrize("live", [False, True])
def test_two_ways_of_scraping_one_metric_are_told_apart_by_the_series(live: bool) -> None:
    there = autoscaler(namespace="monitoring", exported_namespace="shop")
    here = [({**who, "horizontalpodautoscaler": "cart"}, *rest) for who, *rest in autoscaler(namespace="shop")]
    elsewhere = [({**who, "namespace": "bank"}, *rest) for who, *rest in here]
    mesh = detected([*canary(), *there, *here, *elsewhere], live=live)[0]
    bounds = Autoscalers(Exporter(mesh, "shop")).bounds(mesh.window("-4m")).frame
    assert bounds[["namespace", "autoscaler"]].to_numpy().tolist() == [["shop", "cart"], ["shop", "catalog"]]


def test_a_store_without_such_labels_costs_one_question_and_is_left_alone() -> None:
    mesh, server = detected(canary(), live=True)
    assert mesh.engine is server
    assert sum("exported_namespace" in asked for asked in server.asked) == 1


def test_the_store_is_asked_by_the_label_that_it_has() -> None:
    mesh, server = detected(federated(linkerd()), live=True)
    server.asked.clear()
    mesh.engine.samples('response_total{direction="inbound",namespace="shop"}', mesh.window("-1m"))
    found = mesh.engine.query("sum by (namespace, direction) (rate(response_total[1m]))", mesh.window("-1m").end)
    assert server.asked == [
        'response_total{direction="inbound",exported_namespace="shop"}',
        "sum by (namespace, exported_namespace, direction) (rate(response_total[1m]))",
    ]
    assert set(found.labels["namespace"]) == {"shop"}
    assert "scraper_namespace" not in found.labels
    assert "exported_namespace" not in found.labels


def test_what_a_person_writes_is_in_the_stores_own_words() -> None:
    mesh = detected(federated(linkerd()), live=False)[0]
    frame = mesh.query('response_total{namespace="monitoring"}', "-1m")
    assert set(frame["exported_namespace"]) == {"shop"}


def test_the_scrapers_labels_stay_and_can_be_asked_for() -> None:
    mesh = detected(federated(linkerd()), live=False)[0]
    raw = mesh.engine.samples("response_total", mesh.window("-1m"))
    assert set(raw.labels["scraper_namespace"]) == {"monitoring"}
    assert not raw.labels.duplicated().any()
    assert isinstance(mesh.engine, renaming.RenamedEngine)
    asked = mesh.engine._asked("max without (scraper_namespace) (rate(response_total[1m]))")
    assert asked.promql == "max without (namespace) (rate(response_total[1m]))"


def test_a_label_that_only_looks_renamed_is_left_alone() -> None:
    labels = pd.DataFrame({"exported_to": ["x"], "namespace": ["shop"]})
    assert renaming.original(labels, ["namespace"]).to_dict("records") == labels.to_dict("records")


def test_a_profile_that_names_the_renamed_label_is_understood() -> None:
    store = engine(federated(linkerd()))
    options = MeshOptions(labels={"destination_namespace": "exported_namespace"})
    mesh = Mesh.detect(store, "a test", options=options)
    assert mesh.dialect.options.labels == {"destination_namespace": "namespace"}
    counts = mesh.request_counts(mesh.window("-4m"), ["destination_namespace"], reporter="destination", block_ms=15_000)
    assert set(counts.frame["destination_namespace"]) == {"shop"}


def test_an_engine_can_be_sent_to_another_process() -> None:
    made = renaming.RenamedEngine(engine(canary()), {"m": {"namespace": True}})
    again = pickle.loads(pickle.dumps(made))
    assert again.renames == made.renames
    assert np.array_equal(again.now(), made.now())
