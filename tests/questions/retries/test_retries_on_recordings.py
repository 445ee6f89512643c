"""What the lab set and its workers counted is what the judge finds, with the proxies' own counters and without."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import meshlab
from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Result, Verdict
from meshlab.questions.retries import Retries

question = Retries()
DATA = Path(__file__).parents[3] / "data"

pytestmark = pytest.mark.parametrize("own", [True, False], ids=["proxies", "both ends"])


@cache
def asked(name: str, first_s: int = 0) -> Evidence:
    mesh = meshlab.connect(str(DATA / name))
    window = mesh.window()
    if first_s:
        window = meshlab.Window(window.start_ms, window.start_ms + 1000 * first_s, window.step_ms)
    return question.collect(mesh, window)


def withheld(evidence: Evidence) -> Evidence:
    """As Istio exports by default."""
    frames = {"breakers": evidence.frames["breakers"].iloc[:0]}
    return replace(evidence, frames=frames, counts={**evidence.counts, "proxies": evidence.counts["proxies"].nothing()})


@cache
def judged(name: str, own: bool, first_s: int = 0) -> Result:
    evidence = asked(name, first_s)
    return question.answer(evidence if own else withheld(evidence))


def findings(result: Result) -> Mapping[str, Finding]:
    return {finding.code: finding for finding in result.findings}


def truth(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / name / "manifest.json").read_text())["truth"]
    return found


def counted(name: str) -> dict[str, float]:
    """What the load sent and each workload's copies got, by their own counts, without the time before the window.

    Workers count from their start until the last request is done. Before the window every request was answered, and
    arrived once everywhere: so many are taken off. What is sent and tried after the window, while the last requests
    are waited for, stays on both sides of each ratio.
    """
    told = truth(name)
    before = told["counts"]["life"]["answered"]["200"] - told["counts"]["window"]["answered"]["200"]
    sums: dict[str, float] = {"": told["counts"]["life"]["sent"] - before}
    for who, worker in told["workers"].items():
        workload = who.rsplit("-", 1)[0].removesuffix("-east").removesuffix("-west")
        sums[workload] = sums.get(workload, -before) + worker["arrivals"]
    return sums


@pytest.mark.parametrize("first_s", [0, 180])
def test_a_metastable_storm_is_found_with_its_origin(own: bool, first_s: int) -> None:
    result = judged("retry-storm", own, first_s)
    found = findings(result)
    assert result.verdict is Verdict.FAIL
    assert found["ML-RET-001"].key == "retries.state.metastable"
    assert found["ML-RET-001"].value == pytest.approx(1.0, abs=0.05)
    assert found["ML-RET-004"].subject == "payments -> ledger"
    order = result.tables["edges"].query("amplifier > 0").sort_values("amplifier")
    assert list(order["destination_service"]) == ["ledger", "payments", "checkout"]


def test_cutting_the_load_is_not_the_trigger_going_on(own: bool) -> None:
    # From 150 s on a tenth of everything: the origin takes in less than usual, because it is asked less.
    evidence = asked("retry-storm", 240)
    cut = {
        name: replace(counts, value=np.where(counts.block < 15, counts.value, 0.1 * counts.value))
        for name, counts in evidence.counts.items()
    }
    evidence = replace(evidence, counts=cut)
    found = findings(question.answer(evidence if own else withheld(evidence)))
    assert found["ML-RET-001"].key == "retries.state.metastable"
    assert "It lasted 150 s after its trigger cleared" in found["ML-RET-001"].statement


def test_the_phases_are_those_that_the_lab_made(own: bool) -> None:
    result = judged("retry-storm", own)
    phases = result.tables["incident"]
    start = np.datetime64(asked("retry-storm").window.start_ms, "ms")
    seconds = {
        row.phase: (np.datetime64(row.begin.tz_localize(None), "ms") - start) / np.timedelta64(1, "s")
        for row in phases.drop_duplicates("phase").itertuples(index=False)
    }
    event = truth("retry-storm")["events"][0]
    block_s = 10.0
    assert seconds["triggered"] == pytest.approx(event["at_s"], abs=block_s)
    assert seconds["metastable"] == pytest.approx(event["until_s"], abs=block_s)
    last = phases[phases["phase"] == "metastable"]["end"].iloc[-1]
    ended = (np.datetime64(last.tz_localize(None), "ms") - start) / np.timedelta64(1, "s")
    assert ended == pytest.approx(truth("retry-storm")["events"][1]["at_s"], abs=2 * block_s)


@pytest.mark.parametrize("name", ["retry-storm", "retry-budget"])
def test_amplification_over_the_whole_way_is_what_the_workers_counted(own: bool, name: str) -> None:
    ways = judged(name, own).tables["paths"].set_index("service")["amplification"]
    told = counted(name)
    for service in ("checkout", "payments", "ledger"):
        assert ways[service] == pytest.approx(told[service] / told[""], rel=0.02)


@pytest.mark.parametrize("name", ["retry-storm", "retry-budget"])
def test_amplification_of_each_hop_is_what_the_workers_counted(own: bool, name: str) -> None:
    table = judged(name, own).tables["edges"].set_index(["source", "destination_service"])["amplification"]
    told = counted(name)
    for caller, service in (("storefront", "checkout"), ("checkout", "payments"), ("payments", "ledger")):
        asked = told[""] if caller == "storefront" else told[caller]
        assert table.loc[(caller, service)] == pytest.approx(told[service] / asked, rel=0.02)


@pytest.mark.parametrize("name", ["retry-storm", "retry-budget"])
def test_retries_are_those_that_the_workers_saw(own: bool, name: str) -> None:
    # A worker knows a retry by the number of the attempt in its header; where a try never arrived it sees one less.
    table = judged(name, own).tables["edges"].set_index("destination_service")
    seen = sum(w["retries"] for who, w in truth(name)["workers"].items() if who.startswith("ledger-"))
    assert table.loc["ledger", "attempts"] - table.loc["ledger", "requests"] == pytest.approx(seen, rel=0.02)


def test_with_a_budget_it_comes_back_by_itself(own: bool) -> None:
    result = judged("retry-budget", own)
    assert result.verdict is Verdict.WARN
    found = findings(result)
    assert found["ML-RET-001"].key == "retries.state.vulnerable"
    assert "recovered by itself" in found["ML-RET-001"].statement
    assert found["ML-RET-001"].value is not None
    assert found["ML-RET-001"].value < 0.5
    assert found["ML-RET-004"].subject == "payments -> ledger"


@pytest.mark.parametrize(
    "name",
    [
        "overload",
        "canary-healthy",
        "canary-regression",
        "cluster-failover",
        "scale-out",
        "dark-launch",
        "mtls-migration",
    ],
)
def test_what_is_no_storm_is_not_called_one(own: bool, name: str) -> None:
    result = judged(name, own)
    found = findings(result)
    assert found["ML-RET-001"].verdict is Verdict.PASS
    degraded = name in {"overload", "cluster-failover"}
    assert found["ML-RET-001"].key == f"retries.state.{'degraded' if degraded else 'stable'}"
    assert not result.tables["edges"]["origin"].any()
    if name == "canary-healthy":
        assert result.verdict is Verdict.PASS


def test_overload_is_told_from_a_storm(own: bool) -> None:
    assert findings(judged("overload", own))["ML-RET-001"].key == "retries.state.degraded"
    assert findings(judged("canary-healthy", own))["ML-RET-001"].key == "retries.state.stable"


def test_mirrored_requests_are_no_retries(own: bool) -> None:
    table = judged("dark-launch", own).tables["edges"].set_index(["source", "destination_service"])
    edge = table.loc[("storefront", "catalog")]
    # Every second arrival is a copy.
    assert edge["unexplained"] == pytest.approx(edge["requests"], rel=0.05)
    assert edge["amplification"] == pytest.approx(1.0, abs=0.05)


def test_uo_is_split(own: bool) -> None:
    table = judged("retry-budget", own).tables["edges"].set_index("destination_service")
    # Under the budget of this recording no request was refused before it was sent: each UO is a refused retry.
    assert table.loc["ledger", "breaker_rejected"] == 0
    assert table.loc["ledger", "retries_refused"] == pytest.approx(670, rel=0.01)


def test_what_is_not_exported_is_said(own: bool) -> None:
    found = findings(judged("retry-storm", own))
    table = judged("retry-storm", own).tables["edges"]
    assert (found["ML-RET-010"].verdict is None) is not own
    # Which retries saved a request is told by the proxies alone: without them it is not known, and not none.
    assert bool(table["saved"].isna().all()) is not own
    assert set(table["basis"]) == ({"proxies"} if own else {"arrivals"})
