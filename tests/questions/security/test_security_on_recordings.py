"""What the lab set is what the judge finds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import meshlab
from meshlab.core.evidence import Evidence
from meshlab.core.results import Result, Verdict
from meshlab.questions.security import Security, plot

DATA = Path(__file__).parents[3] / "data"
question = Security()


def judged(name: str, **settings: object) -> Result:
    mesh, chosen = meshlab.connect(str(DATA / name)), question.settings(**settings)
    return question.answer(question.collect(mesh, mesh.window(), chosen), chosen)


def truth(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((DATA / name / "manifest.json").read_text())["truth"]
    return found


@pytest.fixture(scope="module")
def migration() -> Result:
    return judged("mtls-migration")


@pytest.fixture(scope="module")
def rotation() -> Result:
    return judged("cert-rotation")


def test_every_plain_edge_is_found_and_nothing_else(migration: Result) -> None:
    told = truth("mtls-migration")
    expected = {(who, "inventory") for who in told["traffic"]["inventory"]["plaintext_from"]}
    # A caller without a sidecar has no name.
    expected |= {("", called) for own in told["workloads"].values() if not own["sidecar"] for called in own["calls"]}
    strict = migration.tables["strict"]
    assert set(zip(strict["source"], strict["destination_service"], strict=True)) == expected
    assert set(migration.tables["unknown"]["destination_workload"]) == {"inventory"}


def test_plain_text_ends_when_the_lab_mended_it(migration: Result) -> None:
    told = truth("mtls-migration")
    strict = migration.tables["strict"]
    assert not strict["now"].any()
    for change, source in zip(told["changes"], ("cart", ""), strict=True):
        at = pd.Timestamp(told["window"]["start_s"] + change["settled_s"], unit="s", tz="UTC")
        last = strict.loc[strict["source"] == source, "last_plaintext"].max()
        # A block and a scrape.
        assert abs(last - at) <= pd.Timedelta(seconds=15)


def test_the_share_is_what_the_workers_counted(migration: Result) -> None:
    told = truth("mtls-migration")
    answered = told["load_by_second"]["answered"]["2xx"]
    mended = round(told["changes"][0]["settled_s"])
    legacy = told["workers"]["legacy-0"]["sent"]["inventory.shop.svc.cluster.local"]["200"]
    batch = told["workers"]["batch-0"]["sent"]["payments.shop.svc.cluster.local"]["403"]
    # Each request of the load makes eight inside of the mesh.
    inside = [edge for edge in told["balance"]["edges"] if edge["source"] != "batch"]
    each = sum(edge["attempts"] for edge in inside) / told["balance"]["sent_by_load"]
    plain = sum(answered[:mended]) + legacy
    share = 1 - plain / (sum(answered) * each + legacy + batch)
    assert migration.findings[0].value == pytest.approx(100 * (1 - share), abs=0.1)


def test_denials_and_the_dry_run(migration: Result) -> None:
    denied = migration.tables["denials"]
    assert list(zip(denied["source"], denied["destination_service"], strict=True)) == [("batch", "payments")]
    assert denied["share"].iloc[0] == 1
    assert denied["low"].iloc[0] < 1
    rbac = migration.tables["rbac"].set_index("pod")
    assert (rbac.loc[["inventory-east-0", "inventory-west-0"], "shadow_denied"] > 0).all()
    assert rbac.loc["payments-east-0", "denied"] == denied["denied"].iloc[0]


def test_the_workload_that_stopped_renewing_is_named(rotation: Result) -> None:
    told = truth("cert-rotation")
    ends = rotation.tables["certificates"]
    bad = ends[ends["state"].isin(["overdue", "expired"])]
    assert list(bad["workload"]) == ["cart"]
    assert bad["state"].iloc[0] == "expired"
    life = told["security"]["certificates"]["lifetime_s"]
    should = bad["not_after"].iloc[0] - (1 - told["security"]["certificates"]["rotate_after"]) * life
    assert abs(bad["due"].iloc[0] - should) <= 0.1 * life
    stopped = told["window"]["start_s"] + told["changes"][0]["applied_s"]
    assert stopped <= bad["due"].iloc[0] <= stopped + life
    assert rotation.verdict is Verdict.FAIL
    assert "cart" in rotation.headline


def test_rotations_are_as_many_as_the_lab_made(rotation: Result) -> None:
    told = truth("cert-rotation")
    ends = rotation.tables["certificates"]
    leaf = ends[(ends["kind"] == "leaf") & (ends["workload"] != "cart")]
    period = told["security"]["certificates"]["lifetime_s"] * told["security"]["certificates"]["rotate_after"]
    assert set(leaf["state"]) == {"fine"}
    assert leaf["rotations"].between(told["duration_s"] / period - 1, told["duration_s"] / period + 1).all()


def test_a_healthy_mesh_is_clean() -> None:
    result = judged("canary-healthy")
    assert result.verdict is Verdict.PASS
    assert result.tables["strict"].empty
    assert result.tables["unknown"].empty
    assert list(result.tables["exposure"]["kind"]) == ["ingress"]
    assert "100 %" in result.findings[0].statement
    # What is not exported is no pass.
    words = {f.code: f.word for f in result.findings}
    assert words["ML-SEC-004"] == words["ML-SEC-013"] == "NOT_MEASURED"


def test_an_earlier_result_shows_what_changed(migration: Result, tmp_path: Path) -> None:
    earlier = migration.to_dict()
    told = earlier["findings"]
    assert isinstance(told, list)
    gone = {**told[0], "code": "ML-SEC-002", "subject": "old → edge", "verdict": "FAIL"}
    kept = [f for f in told if f["code"] != "ML-SEC-007"]
    (tmp_path / "result.json").write_text(json.dumps({**earlier, "findings": [*kept, gone]}))
    result = judged("mtls-migration", against=str(tmp_path / "result.json"))
    changes = result.tables["changes"]
    assert set(zip(changes["change"], changes["code"], strict=True)) == {
        ("new", "ML-SEC-007"),
        ("fixed", "ML-SEC-002"),
    }


def test_what_warned_and_now_fails_is_worse(migration: Result, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps(migration.to_dict()))
    # All plain text within the window's last five minutes still goes on.
    changes = judged("mtls-migration", against=str(tmp_path / "result.json"), recent_s=300.0).tables["changes"]
    assert set(changes["change"]) == {"worse"}
    assert set(changes["code"]) == {"ML-SEC-001", "ML-SEC-002"}
    assert set(changes["before"]) == {"WARN"}
    assert set(changes["after"]) == {"FAIL"}
    same = judged("mtls-migration", against=str(tmp_path / "result.json")).tables["changes"]
    assert same.empty


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    mesh = meshlab.connect(str(DATA / "mtls-migration"))
    return question.collect(mesh, mesh.window())


def test_the_order_of_all_rows_changes_no_table(evidence: Evidence, migration: Result) -> None:
    mixed = {name: frame.sample(frac=1, random_state=5) for name, frame in evidence.frames.items()}
    result = question.answer(dataclasses.replace(evidence, frames=mixed))
    assert result.to_dict() == migration.to_dict()
    for name, table in migration.tables.items():
        pd.testing.assert_frame_equal(result.tables[name], table, obj=name)


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        (["certificates"], ["ML-SEC-004", "ML-SEC-005"]),
        (["rbac"], ["ML-SEC-009"]),
        (["versions"], ["ML-SEC-013"]),
        (["ciphers"], ["ML-SEC-021"]),
        (["destination", "source"], ["ML-SEC-010", "ML-SEC-014", "ML-SEC-016", "ML-SEC-017", "ML-SEC-019"]),
    ],
)
def test_what_is_not_exported_is_not_measured(evidence: Evidence, names: list[str], codes: list[str]) -> None:
    frames = {name: frame.iloc[:0] if name in names else frame for name, frame in evidence.frames.items()}
    counts = {name: part.nothing() if name in names else part for name, part in evidence.counts.items()}
    told = {f.code: f for f in question.answer(dataclasses.replace(evidence, frames=frames, counts=counts)).findings}
    assert {told[code].word for code in codes} == {"NOT_MEASURED"}
    assert all(told[code].value is None for code in codes)


@pytest.mark.parametrize("name", ["encryption", "certificates", "denials"])
def test_figures_are_drawn(name: str, migration: Result, rotation: Result) -> None:
    for result in (migration, rotation):
        assert getattr(plot, name)(result).png.startswith(b"\x89PNG")
