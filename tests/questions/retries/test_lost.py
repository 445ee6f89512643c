"""Requests that reached no server are neither a storm nor a healthy edge."""

from __future__ import annotations

import pytest
from istio_series import Series, canary, engine, lost

from meshlab.core.results import Finding, Result, Verdict
from meshlab.questions.retries import Retries
from meshlab.telemetry.mesh import Mesh


def judged(*series: Series) -> Result:
    mesh, question = Mesh.detect(engine(canary(), series), "a test"), Retries()
    return question.answer(question.collect(mesh, mesh.window()))


def found(result: Result) -> Finding | None:
    return next((f for f in result.findings if f.code == "ML-RET-015"), None)


def test_a_loss_is_a_warning_with_its_flag() -> None:
    result = judged(lost(step=8))
    finding = found(result)
    assert finding is not None
    assert (finding.verdict, finding.required, result.verdict) == (Verdict.WARN, True, Verdict.WARN)
    assert finding.value == pytest.approx(8 / 50)
    assert "503 UH, no healthy host" in finding.statement
    assert "catalog" in finding.statement


@pytest.mark.parametrize(("code", "flags"), [("429", "RL"), ("403", "UAEX"), ("503", "FI"), ("503", "OM")])
def test_what_was_refused_on_purpose_is_no_loss(code: str, flags: str) -> None:
    assert found(judged(lost(step=8, response_code=code, response_flags=flags))) is None


def test_nothing_is_said_of_less_than_a_hundredth() -> None:
    many = lost(step=1)
    assert found(judged(*(many,))) is not None
    quiet = Mesh.detect(engine(canary({"v1": (300, 0)}), [many]), "a test")
    question = Retries()
    assert found(question.answer(question.collect(quiet, quiet.window()))) is None
