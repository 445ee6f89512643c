"""Requests that reached no version may be the canary's: no PASS where they would decide."""

from __future__ import annotations

from typing import Any

import pytest
from istio_series import Series, canary, engine, lost

from meshlab.core.results import Finding, Result, Verdict
from meshlab.questions.canary import Canary
from meshlab.telemetry.mesh import Mesh

ARMS = {"v1": (900, 9), "v2": (300, 3)}
SAME = {"service": "catalog", "baseline": "v1", "canary": "v2"}


def judged(*series: Series, **more: Any) -> Result:
    mesh = Mesh.detect(engine(canary(ARMS, count=241), series), "a test")
    question = Canary()
    settings = question.settings(**SAME, **more)
    return question.answer(question.collect(mesh, mesh.window(), settings), settings)


def found(result: Result) -> Finding | None:
    return next((f for f in result.findings if f.code == "ML-CAN-013"), None)


def long(who: dict[str, str], step: int) -> Series:
    many = canary({"v1": (step, 0)}, count=241)
    _, at, value = next(iter(many))
    return who, at, value


def unreached(step: int, **more: str) -> Series:
    return long(dict(lost(**more)[0]), step)


def test_nothing_is_said_where_nothing_was_lost() -> None:
    result = judged()
    assert result.verdict is not Verdict.FAIL
    assert found(result) is None


def test_what_may_be_the_canarys_forbids_a_pass() -> None:
    result = judged(unreached(100))
    finding = found(result)
    assert finding is not None
    assert (finding.verdict, finding.required, finding.key) == (Verdict.INCONCLUSIVE, True, "canary.lost.undecided")
    assert finding.value == pytest.approx(100 * 240, rel=0.01)
    assert "503 UH, no healthy host" in finding.statement
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "reached no version" in result.headline


def test_what_could_not_change_the_verdict_is_said_and_changes_nothing() -> None:
    result, without = judged(unreached(1)), judged()
    finding = found(result)
    assert finding is not None
    assert (finding.verdict, finding.required) == (None, False)
    assert result.verdict is without.verdict


def test_a_lost_route_is_a_loss_whatever_counts_as_an_error() -> None:
    finding = found(judged(unreached(100, response_code="404", response_flags="NR")))
    assert finding is not None
    assert "404 NR" in finding.statement


def test_what_its_callers_may_not_do_is_none() -> None:
    assert found(judged(unreached(100, response_code="403", response_flags="UAEX"))) is None


def test_no_number_of_a_version_changes() -> None:
    rows = [
        [f.value for f in judged(*more).findings if f.code in ("ML-CAN-001", "ML-CAN-002", "ML-CAN-008")]
        for more in ((), (unreached(100),))
    ]
    assert rows[0] == rows[1]


def test_more_errors_are_what_the_setting_says() -> None:
    limits = [({**who, "response_code": "429"} if who.get("response_code") == "500" else who, t, v)
              for who, t, v in canary({"v1": (900, 9), "v2": (300, 60)}, count=241)]  # fmt: skip
    mesh, question = Mesh.detect(engine(limits), "a test"), Canary()
    verdicts = {}
    for text in ("5xx, 429", "5xx"):
        settings = question.settings(**SAME, error_codes=text)
        verdicts[text] = question.answer(question.collect(mesh, mesh.window(), settings), settings).verdict
    assert verdicts["5xx, 429"] is Verdict.FAIL
    assert verdicts["5xx"] is not Verdict.FAIL
