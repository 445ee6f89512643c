"""Retries on the ways to every service at once: as each service's own report would judge them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import meshlab
from meshlab.core.evidence import Evidence
from meshlab.core.results import Verdict
from meshlab.errors import ParameterError
from meshlab.questions.retries import Retries

question = Retries()
ROOT = Path(__file__).parents[3]


def collected(recording: str) -> Evidence:
    mesh = meshlab.connect(recording, cwd=ROOT)
    return question.collect(mesh, mesh.window())


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
        case.subject.service: question.result(case).verdict
        for case in question.cases(evidence, question.settings())
        if case.subject and not case.unjudged
    }
    assert {service for service, word in found.items() if word is not Verdict.PASS} == bad
    assert {found[service] for service in bad} <= {verdict}
    assert len(found) == 7


@pytest.mark.parametrize("recording", ["retry-storm", "cluster-failover"])
def test_a_service_is_judged_as_its_own_report_would(recording: str) -> None:
    evidence = collected(recording)
    for case in question.cases(evidence, question.settings()):
        if case.subject and not case.unjudged:
            whole = dataclasses.replace(evidence, subjects=(case.subject,))
            alone, swept = question.answer(whole), question.result(case)
            assert [(f.code, f.word, f.statement, f.value) for f in swept.findings] == [
                (f.code, f.word, f.statement, f.value) for f in alone.findings
            ]
            assert swept.subject == str(case.subject)
            assert swept.headline == alone.headline


def test_a_part_holds_the_ways_to_its_service_what_these_call_and_no_other() -> None:
    evidence = collected("retry-storm")
    cases = question.cases(evidence, question.settings())
    parts = {case.subject.service: case.counts("source").labels for case in cases if case.subject}
    held = {name: set(part["destination_service"]) - {""} for name, part in parts.items()}
    assert held["ledger"] == {"ledger", "payments", "checkout", "storefront", "cart", "catalog"}
    assert held["catalog"] == {"catalog", "storefront", "cart", "checkout", "inventory"}


def test_who_is_called_from_outside_only_is_not_measured_and_other_namespaces_are_left_out() -> None:
    evidence = collected("retry-storm")
    shop = question.cases(evidence, question.settings(namespace="shop"))
    cases = {case.subject.service: case for case in shop if case.subject}
    assert cases["ingress"].unjudged
    assert not cases["ingress"].due
    assert len(cases) == 8
    assert not list(question.cases(evidence, question.settings(namespace="nowhere")))
    empty = {name: counts.nothing() for name, counts in evidence.counts.items()}
    assert not list(question.cases(dataclasses.replace(evidence, counts=empty), question.settings()))


def test_settings_are_the_notebooks() -> None:
    assert question.settings(namespace="shop", least=5, amplification=2.0).least == 5
    with pytest.raises(ParameterError, match="least"):
        question.settings(least=0)


def test_figures_say_what_they_show() -> None:
    evidence = collected("retry-storm")
    cases = question.cases(evidence, question.settings())
    ledger = next(case for case in cases if case.subject and case.subject.service == "ledger")
    drawn = question.draw(question.result(ledger))
    alts = [figure._repr_mimebundle_()[1]["image/png"]["alt"] for figure in drawn]
    assert len(alts) == 3
    assert all(len(alt) > 20 for alt in alts)
