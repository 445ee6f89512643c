"""Every called service is judged as its own part of the mesh."""

from __future__ import annotations

from pathlib import Path

import pytest

import meshlab
from meshlab.core.evidence import Evidence
from meshlab.core.results import Result
from meshlab.errors import ParameterError
from meshlab.questions import security as question
from meshlab.questions.base import Ask
from meshlab.reports.sweep.sweep import executors, sweep

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    mesh = meshlab.connect(str(ROOT / "data" / "mtls-migration"))
    return question.collect(mesh, mesh.window(), None)


@pytest.fixture(scope="module")
def asks(evidence: Evidence) -> dict[str, Ask]:
    return {str(ask.subject): ask for ask in question.fleet.asks(evidence, {})}


def judged(ask: Ask) -> Result:
    return question.judge(ask.evidence, ask.scope, subject=ask.subject)


def test_each_service_has_its_own_part_and_nothing_is_lost(evidence: Evidence, asks: dict[str, Ask]) -> None:
    for name in ("seen", "sent"):
        total = evidence.frames[name]["count"].sum()
        assert sum(ask.evidence.frames[name]["count"].sum() for ask in asks.values()) == total
    ends = {pod for ask in asks.values() for pod in ask.evidence.frames["certificates"]["pod"]}
    seen = evidence.frames["seen"].drop_duplicates(["destination_workload", "destination_cluster"])
    called = set(seen["destination_workload"]) | set(
        seen["destination_workload"].astype(str) + "-" + seen["destination_cluster"].astype(str)
    )
    # Who is never called (batch, and the west of two services) has no row of its own.
    pods = set(evidence.frames["certificates"]["pod"])
    assert ends == {pod for pod in pods if pod.rpartition("-")[0] in called}
    assert pods - ends >= {"batch-0"}


def test_plain_text_is_the_called_services_and_nobody_elses(asks: dict[str, Ask]) -> None:
    results = {name: judged(ask) for name, ask in asks.items() if ask.scope is not None}
    plain = {name for name, result in results.items() if len(result.tables["strict"])}
    assert {name.rpartition("/")[2] for name in plain} == {"inventory"}
    whole = question.judge(next(iter(asks.values())).evidence)
    assert whole.subject == "mesh"
    for name, result in results.items():
        assert result.subject == name
        pods = set(result.tables["certificates"]["workload"])
        service = name.rpartition("/")[2]
        assert all(pod.startswith(service) for pod in pods), name


def test_a_namespace_is_all_that_is_asked_about(evidence: Evidence) -> None:
    assert list(question.fleet.asks(evidence, {"namespace": "nowhere"})) == []


def test_an_earlier_result_is_one_subjects() -> None:
    with pytest.raises(ParameterError, match="one subject"):
        question.fleet.policy({"against": "result.json"})
    assert question.fleet.policy({"recent_s": 5.0, "namespace": "shop"}).recent_s == 5


def test_a_sweep_writes_a_row_and_tables_for_each_service(tmp_path: Path, asks: dict[str, Ask]) -> None:
    swept = sweep(
        "security", source="mtls-migration", out=tmp_path, cwd=ROOT, pages="all", executor=executors("threads", 1)
    )
    told = {record["subject"]: record["verdict"] for record in swept.records}
    assert set(told) == set(asks)
    assert told["east/shop/ingress"] == "NOT_MEASURED"
    assert {name.rpartition("/")[2] for name, word in told.items() if word == "WARN"} >= {"inventory", "payments"}
    assert "FAIL" not in told.values()
    assert not [record["error"] for record in swept.records if record["error"]]
