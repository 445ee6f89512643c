"""The proposal, its replay and what the policies in force allow, as the judge tells them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
import yaml

import meshlab
from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Result, Verdict
from meshlab.errors import ParameterError
from meshlab.questions.security import Security
from meshlab.questions.security import least_privilege as least
from meshlab.questions.security.least_privilege.current import read
from meshlab.questions.security.reach import reach

DATA = Path(__file__).parents[3] / "data"
question = Security()
SA = "cluster.local/ns/shop/sa/"


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    mesh = meshlab.connect(str(DATA / "mtls-migration"))
    return question.collect(mesh, mesh.window())


@pytest.fixture(scope="module")
def migration(evidence: Evidence) -> Result:
    return question.answer(evidence)


def with_policies(evidence: Evidence, path: Path) -> Result:
    settings = question.settings(policies_file=str(path))
    return question.answer(dataclasses.replace(evidence, documents=question.documents(settings)), settings)


def finding(result: Result, code: str) -> Finding:
    (one,) = (f for f in result.findings if f.code == code)
    return one


def test_rules_stand_with_their_traffic_and_the_unattributable_beside_them(migration: Result) -> None:
    rules, left, edges = (migration.tables[name] for name in ("rules", "unattributable", "edges"))
    assert len(rules) == finding(migration, "ML-SEC-016").value
    assert set(zip(left["source"], left["workload"], left["why"].str.partition(":")[0], strict=True)) == {
        ("batch", "payments", "denied"),
        ("", "inventory", "no identity"),
        ("cart", "inventory", "no identity"),
        ("", "ingress", "no identity"),
    }
    # Every request that was counted stands behind a rule or among the leftovers: once.
    seen = edges["mtls"].sum() + edges["plaintext"].sum() + migration.tables["exposure"]["count"].sum()
    assert rules["requests"].sum() + left["requests"].sum() == seen
    assert finding(migration, "ML-SEC-016").key == "security.proposal.pass"


def test_the_replay_is_a_figure_with_its_interval(migration: Result) -> None:
    row = migration.tables["replay"].iloc[0]
    one = finding(migration, "ML-SEC-017")
    assert row["false_denials"] == migration.tables["replay_denied"]["requests"].sum()
    assert one.value == pytest.approx(100 * row["false_denials"] / row["requests"])
    assert one.interval is not None
    assert one.value is not None
    assert one.interval[0] <= one.value <= one.interval[1]
    assert row["unused_rules"] == len(migration.tables["replay_unused"])


def test_a_caller_mended_late_is_what_a_long_replay_denies(evidence: Evidence) -> None:
    result = question.answer(evidence, question.settings(last_part=0.75))
    assert finding(result, "ML-SEC-017").verdict is Verdict.WARN
    denied = result.tables["replay_denied"]
    assert list(zip(denied["destination_workload"], denied["principal"], strict=True)) == [("inventory", SA + "cart")]


def test_policies_in_force_show_what_is_allowed_and_unused(evidence: Evidence, tmp_path: Path) -> None:
    offer = least.propose(evidence.counts["destination"])
    text = least.policies(offer, dry_run=False)
    own = tmp_path / "own.yaml"
    own.write_text(text)
    tight = with_policies(evidence, own)
    assert finding(tight, "ML-SEC-018").verdict is Verdict.PASS
    wide = tmp_path / "wide.yaml"
    wide.write_text(text.replace(f'["{SA}checkout"]', f'["{SA}checkout", "{SA}gone", "*"]'))
    result = with_policies(evidence, wide)
    unused = result.tables["unused"]
    assert set(zip(unused["principal"], unused["limited"], strict=True)) == {(f"{SA}gone", True), ("*", False)}
    assert finding(result, "ML-SEC-018").verdict is Verdict.WARN
    assert result.tables["reach"]["excess"].max() > 0
    with pytest.raises(ParameterError, match="cannot be read"):
        with_policies(evidence, tmp_path / "none.yaml")


def test_without_policies_what_is_allowed_is_not_measured(migration: Result) -> None:
    assert finding(migration, "ML-SEC-018").word == finding(migration, "ML-SEC-019").word == "NOT_MEASURED"
    assert migration.tables["reach"]["allowed"].isna().all()
    told = migration.tables["reach"].set_index("principal")["observed"]
    # Batch was only ever denied: it got nowhere.
    assert told[f"spiffe://{SA}batch"] == 0
    assert told.max() == told[f"spiffe://{SA}ingress"]


def calls(*edges: tuple[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame([edge[:2] for edge in edges], columns=["source", "destination_workload"])
    return frame.assign(
        source_namespace="shop",
        destination_namespace="shop",
        source_principal="spiffe://" + SA + frame["source"],
        destination_principal="spiffe://" + SA + frame["destination_workload"],
        destination_service=frame["destination_workload"],
        denied="",
    )


CHAIN = calls(("a", "b"), ("b", "c"), ("c", "a"), ("d", "c"), ("e", "f"))
"""A ring of three, one that calls into it, and two apart."""


def policy(workload: str, *principals: str, **more: object) -> str:
    rules = [{"from": [{"source": {"principals": [SA + p for p in principals]}}]}] if principals else []
    spec = {"selector": {"matchLabels": {"app": workload}}, "rules": rules, **more}
    return yaml.safe_dump(
        {"kind": "AuthorizationPolicy", "metadata": {"name": workload, "namespace": "shop"}, "spec": spec}
    )


def told(text: str | None) -> pd.DataFrame:
    found = reach(CHAIN, None if text is None else read(text, "app"))
    return found.assign(principal=found["principal"].str.rpartition("/")[2]).set_index("principal")


def test_one_identity_reaches_what_it_called_and_what_that_called() -> None:
    found = told(None)
    assert found["direct"].to_dict() == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}
    # In a ring everybody gets back to himself.
    assert found["observed"].to_dict() == {"a": 3, "b": 3, "c": 3, "d": 3, "e": 1}
    assert found[["allowed_direct", "allowed", "excess"]].isna().all(axis=None)


def test_no_policy_at_all_lets_everybody_reach_everything() -> None:
    found = told("")
    # a, b, c and f were called: d and e are nobody's target.
    assert found["allowed"].unique().tolist() == [4]
    assert found["excess"].to_dict() == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 3}


def test_exact_policies_leave_no_excess_and_one_wide_rule_does() -> None:
    exact = [policy("a", "c"), policy("b", "a"), policy("c", "b", "d"), policy("f", "e")]
    assert (told("---\n".join(exact))["excess"] == 0).all()
    wide = [*exact[:3], policy("f", "e", "d")]
    assert told("---\n".join(wide))["excess"].to_dict() == {"a": 0, "b": 0, "c": 0, "d": 1, "e": 0}
    # A rule that names nobody lets everybody in; one with no rules lets nobody in.
    anyone = [*exact[:3], policy("f", rules=[{}])]
    assert told("---\n".join(anyone))["excess"].to_dict() == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 0}
    nobody = [*exact[:3], policy("f")]
    assert told("---\n".join(nobody))["allowed"]["e"] == 0


@pytest.mark.parametrize(
    ("source", "reached"),
    [
        ({"principals": ["*"]}, "abcde"),
        ({"principals": [SA + "*"]}, "abcde"),
        ({"principals": ["*/sa/d"]}, "d"),
        ({"principals": [SA + "[a-z]"]}, ""),
        ({"namespaces": ["shop"]}, "abcde"),
        ({"namespaces": ["other"]}, ""),
        ({"ipBlocks": ["10.0.0.0/8"]}, "abcde"),
    ],
)
def test_wildcards_namespaces_and_what_cannot_be_told(source: dict[str, object], reached: str) -> None:
    rest = [policy("a", "c"), policy("b", "a"), policy("c", "b", "d")]
    found = told("---\n".join([*rest, policy("f", rules=[{"from": [{"source": source}]}])]))
    direct = found["allowed_direct"] - pd.Series({"a": 1, "b": 1, "c": 1, "d": 1, "e": 0})
    assert "".join(direct.index[direct > 0].sort_values()) == reached


def test_a_dry_run_and_a_denying_policy_allow_and_close_nothing() -> None:
    for changed in ({"action": "DENY"}, {}):
        text = policy("f", "e", **changed)
        if not changed:
            text = text.replace("metadata:", "metadata:\n  annotations: {istio.io/dry-run: 'true'}", 1)
        assert told(text)["allowed"].tolist() == told("")["allowed"].tolist()


def test_a_text_is_shown_in_its_lines_and_escaped() -> None:
    text = least.policies(least.Proposal((), ()))
    assert repr(text) == text
    assert text.startswith("# A proposal")
    assert least.Text("a: <script>\nb")._repr_html_() == "<pre>a: &lt;script&gt;\nb</pre>"
