"""What is found out about a store before it is asked: scrapes, lag, clusters of one name, warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from istio_series import START, Series, canary, engine, labels, times

from meshlab.core.results import Verdict
from meshlab.core.series import SeriesSet
from meshlab.core.window import Span
from meshlab.errors import ParameterError
from meshlab.questions.base import question
from meshlab.recordings.engine import Recording
from meshlab.telemetry.mesh import Mesh

END = datetime.fromtimestamp(START + 300, UTC)
WARNING = "remote_read: connection refused"


class Live:
    """A server whose data is in memory; what it warns of comes with every answer."""

    is_live, description = True, "Prometheus at http://prometheus:9090"

    def __init__(self, series: Iterable[Series], now: datetime, *warnings: str) -> None:
        self.inner, self._now, self._warnings = Recording.from_series(series), now, warnings

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def span(self) -> None:
        return None

    def now(self) -> datetime:
        return self._now

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        return self._warned(self.inner.query(promql, at or self._now))

    def samples(self, selector: str, window: Span) -> SeriesSet:
        return self._warned(self.inner.samples(selector, window))

    def _warned(self, answer: SeriesSet) -> SeriesSet:
        return answer.with_query(replace(answer.query, warnings=self._warnings))


def up(**more: str) -> Series:
    return {"__name__": "up", "job": "pods", "instance": "a:1", **more}, times(), [1.0] * 61


def placed(where: dict[str, tuple[int, int]], *, crossing: bool = False, label: str = "cluster") -> list[Series]:
    """Two services in places that a label names, by places with their rates; calls cross them or stay in theirs."""
    out = [up(**{label: place}) for place in where]
    for place, (first, second) in where.items():
        for service, rate in (("catalog", first), ("cart", second)):
            for reporter in ("source", "destination"):
                # Where calls cross, both sides of an edge are not in one place.
                seen = rate if reporter == "source" or not crossing else sum(r for r, _ in where.values()) - rate
                who = labels("istio_requests_total", version="v1", reporter=reporter, service=service)
                out.append(
                    ({**who, label: place, "pod": f"{who['pod']}-{place}"}, times(), [seen * n for n in range(61)])
                )
    return out


@pytest.mark.parametrize("every", [5, 15, 30, 60])
def test_the_scrape_interval_is_that_of_the_counters(every: int) -> None:
    series = [(who, START + every * (at - START) / 5, value) for who, at, value in canary()]
    probe = Mesh.detect(Recording.from_series(series), "a test").probe
    assert probe.scrape_ms == probe.longest_gap_ms == 1_000 * every


@pytest.mark.parametrize(("late_s", "behind"), [(4, False), (60, False), (400, True), (3_000, True)])
def test_windows_end_where_a_store_that_is_behind_has_its_newest_sample(late_s: int, behind: bool) -> None:
    mesh = Mesh.detect(Live(canary(), END + timedelta(seconds=late_s)), "a test")
    assert mesh.probe.lag_ms == (1_000 * late_s if behind else 0)
    assert mesh.window("-4m").end == (END if behind else END + timedelta(seconds=late_s // 5 * 5))


def test_clusters_of_one_name_are_told_apart_by_the_label_that_no_call_crosses() -> None:
    mesh = Mesh.detect(engine(placed({"one": (10, 20), "two": (40, 5)})), "a test")
    assert mesh.probe.clusters is not None
    assert (mesh.probe.clusters.label, mesh.probe.clusters.values) == ("cluster", ("one", "two"))
    window = mesh.window()
    with pytest.raises(ParameterError, match=r"one/shop/catalog.*two/shop/catalog"):
        mesh.find("catalog", window)
    services = mesh.services(window).frame.set_index(["destination_cluster", "destination_service"])["requests"]
    assert services["two", "catalog"] > 3 * services["one", "catalog"]


@pytest.mark.parametrize(
    ("store", "why"),
    [
        (placed({"one": (10, 20), "two": (40, 5)}, crossing=True, label="zone"), "calls cross zones"),
        (placed({"one": (10, 20), "two": (10, 20)}, label="replica_of"), "replicas count the same"),
        (placed({"one": (10, 20)}), "there is one"),
    ],
)
def test_labels_that_tell_no_clusters_apart(store: list[Series], why: str) -> None:
    probe = Mesh.detect(engine(store), "a test").probe
    assert probe.clusters is None, why


def test_what_a_store_warns_of_is_said_first_and_forbids_a_pass() -> None:
    settings = question("security").settings()
    for warnings in ((), (WARNING,)):
        mesh = Mesh.detect(Live([*canary(), up()], END, *warnings), "a test")
        evidence = question("security").collect(mesh, mesh.window("-4m"), settings)
        result = question("security").answer(evidence, settings)
        assert result.doubts == tuple(f"the store warns: {text}" for text in warnings)
        doubted = [finding for finding in result.findings if finding.key.endswith(".incomplete")]
        assert [finding.verdict for finding in doubted] == [Verdict.INCONCLUSIVE] * len(warnings)
        assert not warnings or result.verdict is not Verdict.PASS


def test_a_remark_on_the_expression_is_no_doubt() -> None:
    mesh = Mesh.detect(Live([*canary(), up()], END, "PromQL warning: a bucket has no le"), "a test")
    assert mesh.probe.doubts == ()


def test_a_server_whose_mesh_has_gone_still_answers_promql_and_questions_about_the_past() -> None:
    live = Live([*canary(), up()], END + timedelta(days=3))
    with pytest.raises(ParameterError, match="holds no metrics of a mesh"):
        Mesh.detect(live, "a test")
    mesh = Mesh.detect(live, "a test", required=False)
    assert not mesh.dialects
    past = mesh.window(START, START + 300)
    assert len(mesh.query("count(up)", START, START + 300))
    assert mesh.at(past).name == "Istio"
    with pytest.raises(ParameterError, match="holds no metrics of a mesh"):
        mesh.at(mesh.window("-10m"))
