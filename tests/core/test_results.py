from __future__ import annotations

import json
import pickle

import pytest

import meshlab.display  # noqa: F401 - results show themselves by it
from meshlab.core.results import MIME_TYPE, SCHEMA, Action, Finding, Result, Verdict, overall, read_summary
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


def test_a_finding_that_only_informs_says_info_in_place_of_pass_and_still_warns() -> None:
    assert [finding(v, required=False).word for v in (P, W, None)] == ["INFO", "WARN", "NOT_MEASURED"]
    assert finding(P).word == "PASS"


def test_an_action_is_a_text_that_may_have_a_command() -> None:
    plain = Finding(code="ML-XXX-001", verdict=F, subject="s", statement="x", action="Roll back.")
    told = Action("Roll back.", "kubectl argo rollouts abort catalog")
    assert (plain.action, plain.to_dict()["action"]) == ("Roll back.", {"text": "Roll back.", "command": ""})
    copied = pickle.loads(pickle.dumps(told))
    assert (copied.text, copied.command) == (told.text, told.command)
    assert finding(F).to_dict()["action"] is None


def test_a_state_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ContractError, match="state"):
        Result(question="q", subject="s", verdict=F, headline="x", findings=[], state="later")


def test_a_stored_summary_of_the_form_before_is_read() -> None:
    old = {
        "schema": "meshlab.result/1",
        "verdict": "WARN",
        "findings": [
            {"code": "ML-XXX-001", "verdict": "PASS", "required": False, "advice": ""},
            {"code": "ML-XXX-002", "verdict": "WARN", "required": True, "advice": "look"},
        ],
    }
    new = read_summary(old)
    assert (new["schema"], new["state"], new["doubts"]) == (SCHEMA, "", [])
    assert [(f["verdict"], f["action"], f["key"]) for f in new["findings"]] == [
        ("INFO", None, ""),
        ("WARN", {"text": "look", "command": ""}, ""),
    ]
    assert read_summary(new) == new
    assert read_summary({"schema": "other/1"}) == {"schema": "other/1"}
