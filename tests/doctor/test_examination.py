"""What the doctor finds in stores of all sorts, and what it tells people to type."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from istio_series import START, Series, canary, times
from mesh_series import linkerd

from meshlab.core.readiness import State
from meshlab.core.series import SeriesSet
from meshlab.doctor import examination
from meshlab.doctor.budget import BudgetedEngine, BudgetExceeded
from meshlab.doctor.examination import Examination, examine
from meshlab.doctor.text import as_dict, as_text
from meshlab.errors import ParameterError, Unreachable
from meshlab.recordings.engine import Recording
from meshlab.telemetry.dialects.base import PLAIN

NOW = datetime.fromtimestamp(START + 305, UTC)


class Live:
    """A server whose data is in memory, and whose time has come to the end of it."""

    is_live = True
    description = "Prometheus 2.42.0 at http://prometheus:9090"

    def __init__(self, series: Iterable[Series], now: datetime = NOW) -> None:
        self._inner, self._now = Recording.from_series(series), now
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def span(self) -> None:
        return None

    def now(self) -> datetime:
        return self._now

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        self.asked.append(promql)
        return self._inner.query(promql, at or self._now)

    def status(self, path: str) -> dict[str, object]:
        return {"storageRetention": "15d"}


Look = Callable[..., Examination]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    def run(*series: Iterable[Series], here: datetime | None = None, now: datetime = NOW, **how: float) -> Examination:
        engine = Live([one for group in series for one in group], now)
        monkeypatch.setattr(examination, "open_source", lambda *_, **__: (engine, PLAIN))
        return examine("http://prometheus:9090", here=here, **how)  # type: ignore[arg-type]

    return run


def up(**more: str) -> Iterable[Series]:
    yield {"__name__": "up", "job": "envoy", "instance": "a:1", **more}, times(), [1.0] * 61


def answers(found: Examination) -> dict[str, examination.Asked]:
    return {asked.notebook: asked for asked in found.questions}


def test_a_canary_that_is_going_on(look: Look) -> None:
    found = look(canary(), up(), here=NOW)
    assert found.meshes == ("Istio",)
    assert (found.probe.scrape_ms, found.probe.range_text) == (5_000, "20s")
    assert str(found.services[0].subject) == "east/shop/catalog"
    assert found.services[0].requests > 2_000
    asked = answers(found)["canary-verdict"]
    assert asked.readiness.state is State.READY
    assert shlex.split(found.next) == [
        *["meshlab", "report", "canary-verdict", "--source", "http://prometheus:9090"],
        *["-p", "service=catalog", "-p", "namespace=shop"],
        *["-p", "baseline=v1", "-p", "canary=v2", "-p", "start=-30m"],
    ]
    assert found.can_answer
    assert found.queries <= 25
    assert found.problems == found.skipped == ()


def test_the_page_for_people(look: Look) -> None:
    text = as_text(look(canary(), up(), here=NOW - timedelta(hours=2)))
    lines = text.splitlines()
    assert lines[0] == "Prometheus 2.42.0 at http://prometheus:9090"
    assert (
        "  time            2026-01-31T12:05:05Z, 7,200 s ahead of this machine's clock; the store's time is used"
        in lines
    )
    assert "  history         keeps 15d" in text
    assert "  mesh            Istio" in lines
    assert "  scrape interval 5s" in lines
    assert "  rates           use ranges of 20s or more in rate()" in lines
    assert lines[lines.index("next") + 1].startswith("  meshlab report canary-verdict --source http://prometheus:9090 ")
    assert max(map(len, lines)) < 200


def test_nothing_to_compare_is_no_fault(look: Look) -> None:
    found = look(canary({"v1": (30, 1)}))
    asked = answers(found)["canary-verdict"]
    assert asked.readiness.state is State.WAITING
    assert "service=catalog" in asked.command
    assert answers(found)["scaling-behaviour"].readiness.state is State.READY
    assert found.next == answers(found)["retry-storm"].command, "what can be asked now comes first"
    assert found.can_answer


def test_what_burns_comes_first_and_names_the_command() -> None:
    found = examine("retry-storm")
    kinds = {each.kind for each in found.burning}
    assert {"errors", "retries"} <= kinds
    worst = max(found.burning, key=lambda each: each.severity)
    assert str(worst.subject).endswith(("/ledger", "/payments", "/checkout", "/storefront"))
    assert found.next == "meshlab report retry-storm --source retry-storm"
    assert found.queries <= 25
    text = as_text(found)
    assert text.index("burning") < text.index("services by requests") < text.index("questions") < text.index("next")


def test_the_service_whose_canary_fails_is_asked_about(look: Look) -> None:
    found = look(canary({"v1": (300, 1), "v2": (100, 40)}), canary({"v1": (300, 0)}, service="cart"), up())
    assert shlex.split(found.next)[2:] == [
        *["canary-verdict", "--source", "http://prometheus:9090", "-p", "service=catalog", "-p", "namespace=shop"],
        *["-p", "baseline=v1", "-p", "canary=v2", "-p", "start=-30m"],
    ]


def test_requests_without_a_name_are_counted_and_are_no_service(look: Look) -> None:
    nameless = [({**who, "destination_canonical_service": "unknown"}, at, v) for who, at, v in canary(service="cart")]
    found = look(canary(), nameless, up())
    assert [str(each.subject) for each in found.services] == ["east/shop/catalog"]
    assert found.nameless > 1_000
    assert "outside or without a name" in as_text(found)


def test_clusters_of_one_name_are_told_with_a_profile_to_paste(look: Look) -> None:
    stores = (
        [*canary({"v1": (30 * n, 1)}, cluster=name), *canary({"v1": (9, n)}, service="cart", cluster=name)]
        for n, name in ((1, "one"), (2, "two"))
    )
    found = look(*stores, up(cluster="one"), up(cluster="two"))
    assert found.labels == {"source_cluster": "cluster", "destination_cluster": "cluster"}
    assert 'destination_cluster = "cluster"' in as_text(found)
    assert {each.subject.cluster for each in found.services} == {"one", "two"}


def test_a_mesh_without_durations_is_told_how_to_switch_them_on(look: Look) -> None:
    found = look([s for s in canary() if s[0]["__name__"] == "istio_requests_total"])
    asked = answers(found)["canary-verdict"]
    assert asked.readiness.state is State.LACKING
    assert "istio_request_duration_milliseconds" in asked.readiness.missing[0].remedy
    assert answers(found)["scaling-behaviour"].readiness.state is State.LACKING
    assert found.next == answers(found)["retry-storm"].command, "requests alone are enough for it"
    assert "missing: request durations" in as_text(found)


def test_a_store_without_a_mesh_says_what_was_looked_for(look: Look) -> None:
    found = look(up())
    assert found.meshes == found.questions == ()
    assert "istio_requests_total" in found.problems[0]
    assert "scrape" in found.problems[0]
    assert not found.can_answer
    assert "problems" in as_text(found)


def test_flagger_s_pair_is_left_to_be_found(look: Look) -> None:
    pairs = [canary({"v1": (30, 1)}, service=name) for name in ("podinfo", "podinfo-primary")]
    found = look(*pairs)
    assert "service=podinfo" in found.next
    assert "baseline= " in f"{found.next} "
    assert "Flagger" in found.questions[0].readiness.reason


def test_replicas_are_in_the_way_until_one_is_chosen(look: Look) -> None:
    found = look(*(canary(prometheus_replica=name) for name in ("a", "b")))
    assert "prometheus_replica" in found.problems[0]
    assert 'replica_label = "prometheus_replica"' in found.problems[0]
    assert found.next == "" or not found.can_answer
    assert "next" not in as_text(found).splitlines()


def test_two_meshes_are_both_named(look: Look) -> None:
    found = look(canary(), linkerd(service="cart"))
    assert set(found.meshes) == {"Istio", "Linkerd"}
    assert {s.subject.service for s in found.services} == {"catalog", "cart"}


def test_few_questions_whatever_the_store_holds(look: Look) -> None:
    many = [canary(service=f"service-{i:03}") for i in range(60)]
    found = look(*many)
    assert found.queries <= 25
    assert len(found.services) == 60
    assert "and 50 more" in as_text(found)


def test_a_slow_store_is_not_looked_at_for_ever(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 3))
    monkeypatch.setattr("meshlab.doctor.budget.time.monotonic", lambda: next(clock))
    found = look(canary())
    assert "answers slowly" in found.skipped[0]
    assert not found.can_answer
    assert "skipped" in as_text(found)


def test_a_budget_is_a_budget() -> None:
    engine = BudgetedEngine(Live(canary()), most=2)  # type: ignore[arg-type]
    engine.query("up")
    engine.now()
    assert engine.now() == NOW, "the time is asked for once"
    engine.query("up")
    with pytest.raises(BudgetExceeded, match="2 queries"):
        engine.query("down")
    assert isinstance(BudgetExceeded("", ""), Unreachable)


def test_hostile_names_do_not_reach_the_shell_or_the_terminal(look: Look) -> None:
    nasty = "a; rm -rf $HOME\x1b[31m'\""
    found = look(canary(service=nasty))
    text = as_text(found)
    assert "\x1b" not in text
    assert f"service={nasty}".replace("\x1b", "") not in text.split("next")[1].replace("'", "")
    assert any(part.startswith("service=a; rm") for part in shlex.split(found.next))


def test_programs_get_the_same(look: Look) -> None:
    found = look(canary(), up(), here=NOW)
    told = json.loads(json.dumps(as_dict(found), allow_nan=False))
    assert told["meshes"] == ["Istio"]
    assert told["scrape_interval_s"] == 5
    assert told["questions"][0]["state"] == "ready"
    assert told["next"] == found.next
    assert told["store"]["skew_s"] == 0


def test_a_recording_is_looked_at_as_well() -> None:
    found = examine("canary-regression", cwd=Path(__file__).parents[2])
    assert found.store.retention == "10m recorded"
    assert found.next.startswith("meshlab report canary-verdict --source canary-regression -p service=catalog")
    assert "start=" not in found.next


def test_a_source_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="neither a profile nor a recording"):
        examine("nowhere", cwd=tmp_path)
