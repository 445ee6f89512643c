"""What the lab set is what the judge finds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

import meshlab
from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Result, Verdict
from meshlab.questions.scaling import Scaling, ScalingSettings, plot
from meshlab.questions.scaling.hpa import Reason

DATA = Path(__file__).parents[3] / "data"
question = Scaling()
CATALOG = question.settings(service="catalog")


RECORDED = {
    "as the metric wants": str(Reason.AS_WANTED),
    "within tolerance": str(Reason.NO_CHANGE),
    "held back by the window on the way down": str(Reason.STABILISED_DOWN),
    "at the most replicas": str(Reason.MAX_REPLICAS),
}
"""The reasons as the recordings' truth names them."""


def asked(name: str, settings: ScalingSettings = CATALOG) -> Evidence:
    mesh = meshlab.connect(str(DATA / name))
    return question.collect(mesh, mesh.window(), settings)


def findings(result: Result) -> Mapping[str, Finding]:
    return {finding.code: finding for finding in result.findings}


def truth(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((DATA / name / "manifest.json").read_text())["truth"]
    return found


@pytest.fixture(scope="module")
def out() -> tuple[Evidence, Result]:
    evidence = asked("scale-out")
    return evidence, question.answer(evidence, CATALOG)


@pytest.fixture(scope="module")
def flapping() -> Result:
    return question.answer(asked("scale-flapping"), CATALOG)


def test_a_replica_carries_what_the_lab_made_it_carry(out: tuple[Evidence, Result]) -> None:
    workload = truth("scale-out")["workloads"]["catalog-v1"]  # type: ignore[index]
    mean_s = workload["service_time_median_ms"] / 1000 * np.exp(workload["service_time_sigma"] ** 2 / 2)
    limit = workload["concurrency"]
    found = findings(out[1])
    assert found["ML-SCA-002"].value == pytest.approx(limit / mean_s, rel=0.15)
    assert found["ML-SCA-001"].value == pytest.approx(limit, rel=0.20)
    assert found["ML-SCA-001"].verdict is Verdict.FAIL


def test_the_autoscaler_is_explained_without_its_yaml(out: tuple[Evidence, Result]) -> None:
    spec = truth("scale-out")["autoscaler_specs"]["catalog-v1"]  # type: ignore[index]
    real = truth("scale-out")["autoscalers"]["catalog-v1"]  # type: ignore[index]
    history = out[1].tables["replayed"]
    assert len(history) >= len(real) - 1
    assert history["explained"].mean() >= 0.95
    statement = findings(out[1])["ML-SCA-006"].statement
    assert f"{spec['down_window_s']:.0f} s and {spec['sync_s']:.0f} s" in statement
    causes = pd.Series([RECORDED[tick["reason"]] for tick in real]).value_counts()
    mine = history["cause"].value_counts()
    assert all(abs(mine.get(cause, 0) - count) <= 1 for cause, count in causes.items())


def test_the_start_of_a_replica_is_measured(out: tuple[Evidence, Result]) -> None:
    spec = truth("scale-out")["autoscaler_specs"]["catalog-v1"]  # type: ignore[index]
    assert findings(out[1])["ML-SCA-008"].value == pytest.approx(spec["start_delay_s"], abs=2.0)


def test_demand_follows_the_load(out: tuple[Evidence, Result]) -> None:
    second = truth("scale-out")["load_by_second"]["sent"]  # type: ignore[index]
    sent = np.array(second[:420], np.float64)
    flow = out[1].tables["arrivals"]
    real = sent.reshape(-1, 10).mean(axis=1)[flow["block"].to_numpy()]
    inner = slice(1, -1)
    assert np.corrcoef(real[inner], flow["arrivals_per_s"].to_numpy()[inner])[0, 1] > 0.98
    assert flow["arrivals_per_s"].to_numpy()[inner].sum() == pytest.approx(real[inner].sum(), rel=0.02)


def test_flapping_fails_with_the_window_that_prevents_it(flapping: Result) -> None:
    found = findings(flapping)["ML-SCA-005"]
    assert found.verdict is Verdict.FAIL
    assert found.value is not None
    assert found.value >= 3
    # The load swings every minute; a lab run under this window reversed nothing.
    assert re.search(r"stabilizationWindowSeconds\W.* to 60 \(now 0\)", found.action)
    table = flapping.tables["what_if"]
    assert table.loc[table["window_s"] == 0, "reversals"].item() == pytest.approx(found.value, abs=1)
    assert (flapping.tables["reversals"]["window_s"] <= 60).all()
    assert flapping.verdict is Verdict.FAIL


def test_a_service_with_room_and_no_autoscaler() -> None:
    evidence = asked("canary-healthy")
    result = question.answer(evidence, CATALOG)
    found = findings(result)
    assert result.verdict is not Verdict.FAIL
    assert found["ML-SCA-005"].verdict is None
    assert found["ML-SCA-006"].verdict is None
    assert set(result.tables["versions"]["version"]) == {"v1", "v2"}


def without(evidence: Evidence, *names: str) -> Evidence:
    frames = {n: f.iloc[:0] if n in names else f for n, f in evidence.frames.items()}
    return replace(evidence, frames=MappingProxyType(frames))


@pytest.mark.parametrize(
    "names",
    [
        ("replicas",),
        ("bounds",),
        ("status",),
        ("observed",),
        ("targets",),
        ("pods",),
        ("cpu",),
        ("replicas", "bounds", "status", "observed", "targets", "pods", "cpu"),
    ],
)
def test_whatever_kubernetes_does_not_say_is_not_measured(out: tuple[Evidence, Result], names: tuple[str, ...]) -> None:
    result = question.answer(without(out[0], *names), CATALOG)
    found = findings(result)
    assert found["ML-SCA-001"].verdict is Verdict.FAIL, "what the mesh says stands"
    if "replicas" in names:
        assert found["ML-SCA-004"].verdict is None
    if set(names) & {"bounds", "status"}:
        assert found["ML-SCA-005"].verdict is None
    if "cpu" in names:
        assert found["ML-SCA-010"].verdict is None
    if "pods" in names:
        assert found["ML-SCA-008"].verdict is None


def test_without_requests_there_is_no_verdict(out: tuple[Evidence, Result]) -> None:
    result = question.answer(without(out[0], "destination", "durations"), CATALOG)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert findings(result)["ML-SCA-001"].verdict is Verdict.INCONCLUSIVE


def test_the_order_of_rows_changes_nothing(out: tuple[Evidence, Result]) -> None:
    evidence, before = out
    rng = np.random.default_rng(1)
    mixed = {name: frame.iloc[rng.permutation(len(frame))] for name, frame in evidence.frames.items()}
    after = question.answer(replace(evidence, frames=MappingProxyType(mixed)), CATALOG)
    assert after.to_dict() == before.to_dict()


def test_replicas_without_names_are_averaged(out: tuple[Evidence, Result]) -> None:
    nameless = {
        name: frame.assign(destination_instance="") if "destination_instance" in frame else frame
        for name, frame in out[0].frames.items()
    }
    result = question.answer(replace(out[0], frames=MappingProxyType(nameless)), CATALOG)
    assert set(result.tables["points"]["instance"]) == {""}
    assert findings(result)["ML-SCA-001"].value == pytest.approx(4, rel=0.3)


def test_an_objective_has_its_own_knee() -> None:
    settings = CATALOG.changed(slo_ms=500.0)
    found = findings(question.answer(asked("scale-out", settings), settings))["ML-SCA-003"]
    assert found.verdict is Verdict.PASS
    assert found.value is not None
    assert 2 < found.value < 12


def test_the_yaml_that_the_lab_ran_explains_as_well(tmp_path: Path) -> None:
    path = tmp_path / "hpa.yaml"
    path.write_text(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: catalog-v1, namespace: shop}\n"
        "spec:\n  minReplicas: 1\n  maxReplicas: 5\n  scaleTargetRef: {name: catalog-v1}\n  metrics:\n"
        "  - type: Pods\n    pods: {metric: {name: concurrency}, target: {type: AverageValue, averageValue: 3}}\n"
        "  behavior: {scaleDown: {stabilizationWindowSeconds: 60}}\n"
    )
    settings = CATALOG.changed(hpa_file=str(path), sync_s=10.0)
    found = findings(question.answer(asked("scale-out", settings), settings))["ML-SCA-006"]
    assert found.value is not None
    assert found.value >= 0.95
    assert "is exported" not in found.statement


@pytest.mark.parametrize(
    "settings", [{"level": 1.0}, {"short_warn": 2.0}, {"slo_ms": -1.0}, {"block_s": 1.5}, {"hpa_file": 3}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(meshlab.errors.ParameterError):
        question.settings(**settings)


def test_figures_say_what_they_show(flapping: Result) -> None:
    for draw in (plot.capacity_curve, plot.supply, plot.autoscaler, plot.windows):
        drawn = draw(flapping)
        assert drawn.png.startswith(b"\x89PNG")
        assert len(drawn.alt) > 40


def test_a_service_without_an_autoscaler_has_all_tables_and_figures() -> None:
    result = question.answer(asked("canary-healthy"), CATALOG)
    assert {name: table.dtypes.astype(str).to_dict() for name, table in result.tables.items()} == {
        name: dict(table.dtypes) for name, table in question.tables.items()
    }
    assert result.tables["replayed"]["cause"].value_counts().empty
    assert all(drawn.png for drawn in question.draw(result))


def test_a_headline_is_short(out: tuple[Evidence, Result], flapping: Result) -> None:
    for result in (out[1], flapping):
        assert len(result.headline.split()) <= 16, "a number and its sign of per cent are two"
        assert len(re.findall(r"(?<![a-z])\d[\d.,]*", result.headline)) <= 3
