"""Every called service is judged as its own part of the mesh."""

from __future__ import annotations

from pathlib import Path

import pytest

import meshlab
from meshlab.core.evidence import Evidence
from meshlab.core.results import Result
from meshlab.errors import ParameterError
from meshlab.questions.base import Case
from meshlab.questions.security import Security
from meshlab.reports.sweep.pool import executors
from meshlab.reports.sweep.sweep import sweep

ROOT = Path(__file__).parents[3]
question = Security()


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    mesh = meshlab.connect(str(ROOT / "data" / "mtls-migration"))
    return question.collect(mesh, mesh.window())


@pytest.fixture(scope="module")
def cases(evidence: Evidence) -> dict[str, Case]:
    return {case.about: case for case in question.cases(evidence, question.settings())}


def judged(case: Case) -> Result:
    return question.answer(case.evidence, case.settings, case.subject)


def test_each_service_has_its_own_part_and_nothing_is_lost(evidence: Evidence, cases: dict[str, Case]) -> None:
    for name in ("destination", "source"):
        total = evidence.counts[name].value.sum()
        assert sum(case.evidence.counts[name].value.sum() for case in cases.values()) == total
    ends = {pod for case in cases.values() for pod in case.evidence.frames["certificates"]["pod"]}
    seen = evidence.counts["destination"].labels.drop_duplicates(["destination_workload", "destination_cluster"])
    called = set(seen["destination_workload"]) | set(
        seen["destination_workload"].astype(str) + "-" + seen["destination_cluster"].astype(str)
    )
    # Who is never called (batch, and the west of two services) has no row of its own.
    pods = set(evidence.frames["certificates"]["pod"])
    assert ends == {pod for pod in pods if pod.rpartition("-")[0] in called}
    assert pods - ends >= {"batch-0"}


def test_plaintext_is_the_called_services_and_nobody_elses(evidence: Evidence, cases: dict[str, Case]) -> None:
    results = {name: judged(case) for name, case in cases.items() if not case.unjudged}
    plain = {name for name, result in results.items() if len(result.tables["strict"])}
    assert {name.rpartition("/")[2] for name in plain} == {"inventory"}
    whole = question.answer(evidence)
    assert whole.subject == "mesh"
    for name, result in results.items():
        assert result.subject == name
        pods = set(result.tables["certificates"]["workload"])
        service = name.rpartition("/")[2]
        assert all(pod.startswith(service) for pod in pods), name


def test_a_namespace_is_all_that_is_asked_about(evidence: Evidence) -> None:
    assert list(question.cases(evidence, question.settings(namespace="nowhere"))) == []


def test_an_earlier_result_is_one_subjects() -> None:
    with pytest.raises(ParameterError, match="one subject"):
        question.settings_of_all(against="result.json")
    assert question.settings_of_all(recent_s=5.0, namespace="shop").recent_s == 5


def test_a_sweep_writes_a_row_and_tables_for_each_service(tmp_path: Path, cases: dict[str, Case]) -> None:
    swept = sweep(
        "security", source="mtls-migration", out=tmp_path, cwd=ROOT, pages="all", executor=executors("threads", 1)
    )
    told = {record["subject"]: record["verdict"] for record in swept.records}
    assert set(told) == set(cases)
    assert told["east/shop/ingress"] == "NOT_MEASURED"
    assert {name.rpartition("/")[2] for name, word in told.items() if word == "WARN"} >= {"inventory", "payments"}
    assert "FAIL" not in told.values()
    assert not [record["error"] for record in swept.records if record["error"]]
