"""What other policies would have done, what ends it now, and what is configured: in the judge's own result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

import meshlab
from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Result, Verdict
from meshlab.errors import ParameterError
from meshlab.questions.retries import Retries

question = Retries()
DATA = Path(__file__).parents[3] / "data"

ROUTES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ledger, namespace: shop}
spec:
  hosts: [ledger]
  http:
  - route: [{destination: {host: ledger.shop.svc.cluster.local}}]
    timeout: 15s
    retries: {attempts: 2, perTryTimeout: 1s, retryOn: "5xx,reset,connect-failure"}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: payments, namespace: shop}
spec:
  hosts: [payments]
  http:
  - route: [{destination: {host: payments.shop.svc.cluster.local}}]
    timeout: 15s
    retries: {attempts: 2, perTryTimeout: 1s, retryOn: "5xx,reset,connect-failure"}
"""


@cache
def asked(name: str) -> Evidence:
    mesh = meshlab.connect(str(DATA / name))
    return question.collect(mesh, mesh.window())


def without(evidence: Evidence, *names: str) -> Evidence:
    frames = {name: frame.iloc[:0] if name in names else frame for name, frame in evidence.frames.items()}
    counts = {name: part.nothing() if name in names else part for name, part in evidence.counts.items()}
    return replace(evidence, frames=frames, counts=counts)


@cache
def judged(name: str, own: bool = True) -> Result:
    return question.answer(asked(name) if own else without(asked(name), "proxies", "breakers"))


def with_routes(file: Path) -> Result:
    settings = question.settings(routes_file=str(file))
    return question.answer(replace(asked("retry-storm"), documents=question.documents(settings)), settings)


def findings(result: Result) -> Mapping[str, Finding]:
    return {finding.code: finding for finding in result.findings}


@pytest.mark.parametrize("own", [True, False], ids=["proxies", "both ends"])
def test_the_policy_in_force_is_measured(own: bool) -> None:
    table = judged("retry-storm", own).tables["effective_policy"]
    assert list(table["destination_service"]) == ["checkout", "payments", "ledger"]
    assert list(table["retries"]) == [2, 2, 2]
    # The lab's time-out of a try; the called side sees its caller go a little later.
    assert table["per_try_s"].to_numpy(float) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("own", [True, False], ids=["proxies", "both ends"])
def test_the_policies_say_what_the_lab_has_shown(own: bool) -> None:
    result = judged("retry-storm", own)
    table = result.tables["policies"].set_index("policy")
    assert not table.loc["as it is", "recovered"]
    assert table.loc["no retries", "recovered"]
    assert table.loc["budget of 20 %", "recovered"]
    # The budget's own recording came back so many seconds after the trigger.
    load = json.loads((DATA / "retry-budget" / "manifest.json").read_text())["truth"]["load_by_second"]
    sent, good = np.array(load["sent"], float), np.array(load["answered"]["2xx"], float)
    ok = [
        second
        for second in range(90, len(sent) - 5)
        if good[second : second + 5].sum() >= 0.9 * sent[second : second + 5].sum()
    ]
    measured = ok[0] + 5 - 90
    assert measured / 2 <= table.loc["budget of 20 %", "recovery_s"] <= measured * 2
    peak = result.tables["timeline"]["attempts_per_s"].max()
    assert peak / 1.25 <= table.loc["as it is", "peak_per_s"] <= peak * 1.25
    found = findings(result)["ML-RET-011"]
    assert found.verdict is Verdict.WARN
    assert found.key == "retries.policies.stuck"
    assert result.verdict is Verdict.FAIL


@pytest.mark.parametrize("own", [True, False], ids=["proxies", "both ends"])
def test_what_ends_it_now(own: bool) -> None:
    result = judged("retry-storm", own)
    table = result.tables["mitigations"].set_index("mitigation")
    assert table.loc["nothing", "probability"] == 0.0
    assert table.loc["retries off", "probability"] == 1.0
    # Retries were switched off 270 s after the start: 90 % of the load was answered 8 s later.
    assert 4.0 <= table.loc["retries off", "recovery_s"] <= 16.0
    # Measured: a half and a quarter of the load keep it alive, a tenth does not.
    assert table.loc["load cut to 50 %", "probability"] < 0.1
    assert table.loc["load cut to 25 %", "probability"] < 0.1
    assert table.loc["load cut to 10 %", "probability"] > 0.5
    assert findings(result)["ML-RET-012"].key == "retries.mitigation.retries_off"


def test_a_storm_that_a_budget_ended_is_not_simulated() -> None:
    found = findings(judged("retry-budget"))
    for code in ("ML-RET-011", "ML-RET-012"):
        assert found[code].verdict is None
        assert "saturated only while it was slowed down" in found[code].statement
    assert judged("retry-budget").verdict is Verdict.WARN


def test_nothing_to_stop_and_nothing_known_are_told_apart() -> None:
    calm = findings(judged("canary-healthy"))["ML-RET-011"]
    assert calm.verdict is Verdict.PASS
    unknown = findings(question.answer(without(asked("retry-storm"), "destination", "proxies")))
    assert unknown["ML-RET-011"].verdict is None
    assert unknown["ML-RET-012"].verdict is None
    nothing = findings(question.answer(without(asked("retry-storm"), "source", "destination", "proxies")))
    assert nothing["ML-RET-001"].key == "retries.source.missing"


def test_without_durations_it_is_not_known() -> None:
    # The time that a request takes is part of the calibration.
    found = findings(question.answer(without(asked("retry-storm"), "durations")))
    assert found["ML-RET-011"].verdict is None
    assert found["ML-RET-001"].verdict is Verdict.FAIL


def test_routes_are_linted_and_taken_for_the_policy_in_force(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(ROUTES)
    result = with_routes(file)
    table = result.tables["effective_policy"].set_index("destination_service")
    assert table.loc["ledger", "basis"] == "its YAML"
    assert table.loc["ledger", "per_try_s"] == 1.0
    assert table.loc["checkout", "basis"] != "its YAML"
    faults = result.tables["flaws"].set_index("fault")
    assert "may become 9 attempts" in faults.loc["RETRIES_AT_SEVERAL_LAYERS", "statement"]
    assert findings(result)["ML-RET-013"].verdict is Verdict.WARN
    assert findings(judged("retry-storm"))["ML-RET-013"].verdict is None


def test_routes_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="routes"):
        with_routes(tmp_path / "none.yaml")


def test_a_budget_that_is_configured_in_a_way_that_does_not_work_is_no_limit(tmp_path: Path) -> None:
    alone = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ledger, namespace: shop}
spec:
  host: ledger.shop.svc.cluster.local
  trafficPolicy: {retryBudget: {percent: 20}}
"""
    limits = []
    for text in (
        ROUTES + alone,
        ROUTES + alone.replace("{retryBudget", "{connectionPool: {http: {maxRetries: 3}}, retryBudget"),
    ):
        file = tmp_path / "routes.yaml"
        file.write_text(text)
        result = with_routes(file)
        limits.append(result.tables["effective_policy"].set_index("destination_service").loc["ledger", "limit"])
    assert limits == ["none known", "budget of 20 %, 3 at least"]


def test_the_proposal_is_the_policy_that_recovers_and_is_marked() -> None:
    result = judged("retry-storm")
    assert len(result.tables["proposal"]) == 3
    for row in result.tables["proposal"].itertuples(index=False):
        assert row.policy == "budget of 20 %"
        rule, route = yaml.safe_load_all(row.istio)
        assert rule["spec"]["trafficPolicy"]["retryBudget"] == {"percent": 20, "minRetryConcurrency": 3}
        assert route["spec"]["http"][0]["retries"]["attempts"] == 2
        for one in (rule, route, yaml.safe_load(row.gateway)):
            assert one["metadata"]["annotations"] == {"meshlab.io/proposal": "true"}
            assert one["metadata"]["name"] == row.destination_service
