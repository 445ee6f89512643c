from __future__ import annotations

import json

import pytest

from meshlab.core.results import MIME_TYPE, Finding, Result, Verdict, overall
from meshlab.errors import ContractError


def finding(verdict: Verdict | None, *, required: bool = True, statement: str = "it is so") -> Finding:
    return Finding(code="ML-XXX-001", verdict=verdict, required=required, subject="c/n/s", statement=statement)


P, W, F, I = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.INCONCLUSIVE  # noqa: E741


@pytest.mark.parametrize(
    ("required", "others", "expected"),
    [
        ([P, P], [], P),
        ([P, F, I], [], F),
        ([P, I, W], [], I),
        ([P, W], [], W),
        ([P], [W], W),
        ([P], [None], P),
        ([], [P], I),
        ([], [], I),
    ],
)
def test_overall(required: list[Verdict], others: list[Verdict | None], expected: Verdict) -> None:
    found = [finding(v) for v in required] + [finding(v, required=False) for v in others]
    assert overall(found) is expected


def test_a_required_finding_cannot_be_left_unmeasured() -> None:
    with pytest.raises(ContractError):
        finding(None)


def result(statement: str, value: float = 1 / 3) -> Result:
    f = Finding(
        code="ML-XXX-001",
        verdict=F,
        subject=statement,
        statement=statement,
        value=value,
        interval=(0.1, float("inf")),
        level=0.98,
        unit="points",
    )
    return Result(question="q", subject=statement, verdict=F, headline=statement, findings=[f])


def test_summary_is_plain_json_with_six_digits_and_null_for_what_is_not_finite() -> None:
    summary = result("x", float("nan")).to_dict()
    text = json.dumps(summary, allow_nan=False)
    assert json.loads(text) == summary
    assert summary["findings"][0]["interval"] == [0.1, None]  # type: ignore[index]
    assert result("x").to_dict()["findings"][0]["value"] == 0.333333  # type: ignore[index]


def test_summary_is_bounded() -> None:
    with pytest.raises(ContractError, match="over 65536"):
        result("x" * 70_000).to_dict()


def test_hostile_text_stays_text() -> None:
    hostile = "<script>alert(1)</script>\"' onload=x\n\x1b[31m"
    shown = result(hostile)._repr_mimebundle_()
    assert "<script" not in str(shown["text/html"])
    assert "\x1b" not in str(shown["text/plain"])
    assert MIME_TYPE in shown
    assert "<strong>" in str(shown["text/html"])
