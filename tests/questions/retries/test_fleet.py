"""Retries on the ways to every service at once: as each service's own report would judge them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import MappingProxyType

import pytest

import meshlab
from meshlab.core.evidence import Evidence
from meshlab.core.results import Verdict
from meshlab.errors import ParameterError
from meshlab.questions import retries as question

ROOT = Path(__file__).parents[3]


def collected(recording: str) -> Evidence:
    mesh = meshlab.connect(recording, cwd=ROOT)
    return question.collect(mesh, mesh.window(), None)


# What the recordings' truth says: ledger slows down, and every hop above it retries.
@pytest.mark.parametrize(
    ("recording", "bad", "verdict"),
    [
        ("retry-storm", {"ledger", "payments", "checkout"}, Verdict.FAIL),
        ("retry-budget", {"ledger", "payments", "checkout"}, Verdict.WARN),
        ("overload", set(), Verdict.PASS),
    ],
)
def test_a_storm_is_found_on_the_ways_that_multiply_and_nowhere_else(
    recording: str, bad: set[str], verdict: Verdict
) -> None:
    evidence = collected(recording)
    found = {
        ask.subject.service: question.judge(ask.evidence, ask.scope).verdict
        for ask in question.fleet.asks(evidence, {})
        if ask.scope
    }
    assert {service for service, word in found.items() if word is not Verdict.PASS} == bad
    assert {found[service] for service in bad} <= {verdict}
    assert len(found) == 7


@pytest.mark.parametrize("recording", ["retry-storm", "cluster-failover"])
def test_a_service_is_judged_as_its_own_report_would(recording: str) -> None:
    evidence = collected(recording)
    for ask in question.fleet.asks(evidence, {}):
        if ask.scope:
            alone, swept = question.judge(evidence, ask.scope), question.judge(ask.evidence, ask.scope)
            told = [f for f in swept.findings if f.code not in ("ML-RET-006", "ML-RET-010")]
            # Ways and breakers of other services are other services' rows.
            own = [f for f in alone.findings if f.code not in ("ML-RET-006", "ML-RET-010")]
            assert [(f.code, f.word, f.statement, f.value) for f in told] == [
                (f.code, f.word, f.statement, f.value) for f in own
            ]
            assert swept.subject == str(ask.subject)
            assert swept.headline == alone.headline


def test_a_part_holds_the_ways_to_its_service_what_these_call_and_no_other() -> None:
    evidence = collected("retry-storm")
    parts = {ask.subject.service: ask.evidence.frames["callers"] for ask in question.fleet.asks(evidence, {})}
    held = {name: set(part.index.get_level_values("destination_service")) - {""} for name, part in parts.items()}
    assert held["ledger"] == {"ledger", "payments", "checkout", "storefront", "cart", "catalog"}
    assert held["catalog"] == {"catalog", "storefront", "cart", "checkout", "inventory"}


def test_who_is_called_from_outside_only_is_not_measured_and_other_namespaces_are_left_out() -> None:
    evidence = collected("retry-storm")
    asks = {ask.subject.service: ask for ask in question.fleet.asks(evidence, {"namespace": "shop"})}
    assert asks["ingress"].scope is None
    assert not asks["ingress"].lacking
    assert "no caller of it is in the mesh" in asks["ingress"].reason
    assert len(asks) == 8
    assert not list(question.fleet.asks(evidence, {"namespace": "nowhere"}))
    empty = MappingProxyType({name: frame.iloc[:0] for name, frame in evidence.frames.items()})
    assert not list(question.fleet.asks(dataclasses.replace(evidence, frames=empty), {}))


def test_settings_are_the_notebooks() -> None:
    assert question.fleet.policy({"namespace": "shop", "least": 5, "amplification": 2.0}).least == 5
    with pytest.raises(ParameterError, match="least"):
        question.fleet.policy({"least": 0})


def test_figures_say_what_they_show() -> None:
    evidence = collected("retry-storm")
    ask = next(a for a in question.fleet.asks(evidence, {}) if a.subject.service == "ledger")
    settings = question.fleet.policy({})
    drawn = question.fleet.figures(question.judge(ask.evidence, ask.scope, policy=settings), settings)
    alts = [figure._repr_mimebundle_()[1]["image/png"]["alt"] for figure in drawn]
    assert len(alts) == 3
    assert all(len(alt) > 20 for alt in alts)
