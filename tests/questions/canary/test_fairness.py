"""Start, pods and restarts: what makes two arms unlike before anything is compared."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
from canary_evidence import SETTINGS, SUBJECT, MakeEvidence, finding, identity, judge

from meshlab.core.evidence import Evidence
from meshlab.core.results import Verdict
from meshlab.questions.canary import calibrate


def from_block(evidence: Evidence, first: int, last: int = 10_000) -> Evidence:
    """Evidence whose canary serves from one block to another."""
    frames = {}
    for name, frame in evidence.frames.items():
        gone = (frame["destination_version"] == "v2") & ~frame["block"].between(first, last)
        frames[name] = frame[~gone].reset_index(drop=True)
    return dataclasses.replace(evidence, frames=frames)


def with_pods(evidence: Evidence, pods: dict[str, int]) -> Evidence:
    """Evidence in which the requests of each arm are spread over so many pods."""
    frames = dict(evidence.frames)
    for name in ("destination", "latency"):
        parts = []
        for version, count in pods.items():
            mine = frames[name][frames[name]["destination_version"] == version]
            for pod in range(count):
                share = mine["count"] // count + (mine["count"] % count > pod)
                parts.append(mine.assign(destination_instance=f"{version}-{pod}", count=share, arm=version))
        frames[name] = pd.concat(parts, ignore_index=True)
    frames["source"] = frames["source"].assign(arm=frames["source"]["destination_version"])
    return dataclasses.replace(evidence, frames=frames)


def test_the_first_minute_of_a_late_canary_is_left_out(make_evidence: MakeEvidence) -> None:
    result = judge(from_block(make_evidence(blocks=80), 20))
    assert len(result.tables["error_looks"]) == 80 - 20 - 4
    assert finding(result, "ML-CAN-003").value == 1.0
    assert "v2 served its first requests 5 min after" in finding(result, "ML-CAN-009").statement
    assert result.verdict is Verdict.PASS


def test_a_canary_that_crashes_at_its_start_never_passes(make_evidence: MakeEvidence) -> None:
    result = judge(from_block(make_evidence(blocks=80), 20, 22))
    assert result.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("missing", ["source", "destination", "latency"])
def test_half_of_the_metrics_never_pass(make_evidence: MakeEvidence, missing: str) -> None:
    evidence = from_block(make_evidence(), 0, -1)
    assert judge(evidence).verdict is not Verdict.PASS
    whole = make_evidence()
    frames = {**whole.frames, missing: whole.frames[missing].iloc[:0]}
    found = judge(dataclasses.replace(whole, frames=frames)).verdict
    # Either side alone counts requests; without durations nothing is known of latency.
    assert found is (Verdict.INCONCLUSIVE if missing == "latency" else Verdict.PASS)


def test_pods_are_told_and_unlike_loads_are_said(make_evidence: MakeEvidence) -> None:
    alike = judge(with_pods(make_evidence(), {"v1": 3, "v2": 1}))
    assert "3 pods of v1 and 1 pod of v2 served" in finding(alike, "ML-CAN-009").statement
    assert finding(alike, "ML-CAN-009").verdict is Verdict.PASS
    assert len(alike.tables["pods"]) == 4
    idle = judge(with_pods(make_evidence(), {"v1": 1, "v2": 2}))
    assert finding(idle, "ML-CAN-009").verdict is Verdict.WARN
    assert finding(idle, "ML-CAN-009").key == "canary.pods.unlike_load"
    assert "A pod of v2 serves 6 times" in finding(idle, "ML-CAN-009").statement


def test_restarts_of_the_canary_are_a_warning(make_evidence: MakeEvidence) -> None:
    evidence = with_pods(make_evidence(), {"v1": 3, "v2": 1})
    restarts = pd.DataFrame(
        [
            {**identity("v2"), "destination_instance": "v2-0", "restarts": 2},
            {**identity("v1"), "destination_instance": "v1-0", "restarts": 0},
        ]
    )
    result = judge(dataclasses.replace(evidence, frames={**evidence.frames, "restarts": restarts}))
    assert finding(result, "ML-CAN-009").verdict is Verdict.WARN
    assert finding(result, "ML-CAN-009").key == "canary.pods.restarts"
    assert "Pods of v2 restarted 2 times" in finding(result, "ML-CAN-009").statement


def test_calibration_by_pods(make_evidence: MakeEvidence) -> None:
    evidence = with_pods(make_evidence(), {"v1": 7, "v2": 2})
    found = calibrate(evidence, SETTINGS, splits=10)
    assert found.method == "pods"
    assert sum(found.verdicts.values()) == 10
    assert found.verdicts["FAIL"] == 0
    assert found.finding.verdict is Verdict.PASS
    few = calibrate(with_pods(make_evidence(), {"v1": 7, "v2": 1}), SETTINGS, splits=40)
    assert sum(few.verdicts.values()) <= 21, "each way to choose two of seven once"


def test_calibration_hears_of_a_pod_that_is_unlike_the_others(make_evidence: MakeEvidence) -> None:
    evidence = with_pods(make_evidence(per_block=(1690, 1690)), {"v1": 6, "v2": 6})
    frame = evidence.frames["destination"]
    bad = (frame["destination_instance"] == "v1-0") & (frame["code"] == "500")
    evidence.frames["destination"].loc[bad, "count"] *= 9  # type: ignore[index]
    found = calibrate(evidence, SETTINGS, splits=20)
    assert found.finding.verdict is Verdict.WARN
    assert found.verdicts["FAIL"] == 10, "whenever that pod plays the canary"


def test_calibration_by_blocks_from_before_the_canary(make_evidence: MakeEvidence) -> None:
    evidence = from_block(make_evidence(blocks=120), 60)
    found = calibrate(evidence, SETTINGS, splits=12)
    assert found.method == "blocks"
    assert sum(found.verdicts.values()) == 12
    assert found.verdicts["FAIL"] == 0


def test_with_few_pods_and_no_time_before_it_is_not_measured(make_evidence: MakeEvidence) -> None:
    found = calibrate(with_pods(make_evidence(), {"v1": 5, "v2": 1}), SETTINGS)
    assert found.finding.verdict is None
    assert found.finding.key == "canary.calibration.not_measured"
    assert "name 5 pods of the baseline (6 are needed)" in found.finding.statement
    assert found.method == ""
    late = from_block(make_evidence(blocks=80), 29)
    assert calibrate(late, SETTINGS).finding.verdict is None


def test_the_smallest_harm_that_could_have_been_shown_is_shown_four_times_in_five(make_evidence: MakeEvidence) -> None:
    told = judge(make_evidence()).tables["power"].set_index("metric")["smallest"]
    times = float(told["error rate over the baseline's"])
    assert 1.2 < times < 2
    found = [
        finding(judge(make_evidence(errors=(0.01, 0.01 * times), seed=seed)), "ML-CAN-001").verdict
        for seed in range(40)
    ]
    assert 26 <= sum(verdict is Verdict.FAIL for verdict in found) <= 38


def test_data_that_can_show_nothing_say_so(make_evidence: MakeEvidence) -> None:
    found = finding(judge(make_evidence(per_block=(4, 1))), "ML-CAN-012")
    assert found.verdict is None or found.key == "canary.power.shown"
    assert judge(make_evidence(per_block=(4, 1))).verdict is Verdict.INCONCLUSIVE
    assert str(SUBJECT) == found.subject
