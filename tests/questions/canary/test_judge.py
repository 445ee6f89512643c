"""The judge on evidence with a known truth."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from canary_evidence import MakeEvidence, counts_frame, evidence_of, finding, judge

from meshlab.core.evidence import Evidence
from meshlab.core.results import Verdict


def test_equal_arms_pass(make_evidence: MakeEvidence) -> None:
    result = judge(make_evidence())
    assert result.verdict is Verdict.PASS
    assert result.headline.startswith("Promote v2: ")
    assert finding(result, "ML-CAN-004").verdict is None, "no weight was given"


def test_more_errors_fail_and_the_headline_says_how_many(make_evidence: MakeEvidence) -> None:
    result = judge(make_evidence(errors=(0.01, 0.03)))
    assert result.verdict is Verdict.FAIL
    assert result.headline.startswith("Roll back v2: 2.8 % of 22,500 requests fail against ")
    errors = finding(result, "ML-CAN-001")
    assert errors.key == "canary.errors.fail"
    assert " of 22,500 requests to v2 failed (2.8 %)" in errors.statement
    assert errors.interval is not None
    assert errors.interval[0] < 2.0 < errors.interval[1]
    assert errors.threshold == pytest.approx(0.5, abs=0.05)
    assert finding(result, "ML-CAN-002").verdict is Verdict.PASS


def test_slower_responses_alone_fail(make_evidence: MakeEvidence) -> None:
    result = judge(make_evidence(slower=1.3))
    assert result.verdict is Verdict.FAIL
    assert finding(result, "ML-CAN-002").key == "canary.latency.fail"
    assert "slower" in result.headline
    assert "fail" not in result.headline


def test_little_traffic_is_inconclusive_and_says_how_much_is_missing(make_evidence: MakeEvidence) -> None:
    result = judge(make_evidence(per_block=(60, 20)))
    assert result.verdict is Verdict.INCONCLUSIVE
    needed = finding(result, "ML-CAN-001").action
    assert re.fullmatch(r"Wait for about [\d,]+ more canary requests \(about [\d,.]+ (s|min|h)\)\.", needed)
    assert result.headline.startswith("No verdict on v2 yet: wait for about ")


def test_what_is_not_tolerated_never_passes_and_what_is_the_same_never_fails(make_evidence: MakeEvidence) -> None:
    def verdicts(canary: float) -> set[Verdict | None]:
        made = (make_evidence(errors=(0.01, canary), seed=seed) for seed in range(6))
        return {finding(judge(evidence), "ML-CAN-001").verdict for evidence in made}

    assert verdicts(0.0155) <= {Verdict.FAIL, Verdict.INCONCLUSIVE}
    assert verdicts(0.0102) <= {Verdict.PASS, Verdict.INCONCLUSIVE}


def test_a_significant_regression_within_the_margins_is_a_warning(make_evidence: MakeEvidence) -> None:
    margins = {"error_margin_points": 2.0, "error_margin_relative": 2.0}
    result = judge(make_evidence(errors=(0.01, 0.018)), **margins)
    assert finding(result, "ML-CAN-001").verdict is Verdict.WARN
    assert result.verdict is Verdict.WARN
    assert result.headline.startswith("Promote v2 with care: ")


def test_zero_errors_pass(make_evidence: MakeEvidence) -> None:
    assert judge(make_evidence(errors=(0.0, 0.0))).verdict is Verdict.PASS


def test_a_canary_without_traffic_never_passes(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    frames = {
        name: frame.assign(count=frame["count"].where(frame["destination_version"] == "v1", 0))
        for name, frame in evidence.frames.items()
    }
    result = judge(dataclasses.replace(evidence, frames=frames))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert finding(result, "ML-CAN-003").key == "canary.coverage.no_traffic"
    assert "v2 served no request" in result.headline


@pytest.mark.parametrize("arm", ["v1", "v2"])
def test_an_absent_arm_never_passes(make_evidence: MakeEvidence, arm: str) -> None:
    evidence = make_evidence()
    frames = {n: f[f["destination_version"] != arm] for n, f in evidence.frames.items()}
    result = judge(dataclasses.replace(evidence, frames=frames))
    assert result.verdict is Verdict.INCONCLUSIVE


def test_no_data_at_all_is_inconclusive(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    frames = {n: f.iloc[:0] for n, f in evidence.frames.items()}
    assert judge(dataclasses.replace(evidence, frames=frames)).verdict is Verdict.INCONCLUSIVE


def test_missing_durations_are_inconclusive_with_the_remedy(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    without = evidence_of(
        evidence.frames["source"], evidence.frames["destination"], evidence.frames["latency"].iloc[:0], 40
    )
    result = judge(without)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert finding(result, "ML-CAN-002").action == "export them"


def test_an_incomplete_answer_never_passes(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    queries = {n: dataclasses.replace(q, failed=("12:00 to 12:05",)) for n, q in evidence.queries.items()}
    result = judge(dataclasses.replace(evidence, queries=queries))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "12:00 to 12:05" in result.headline


def test_gaps_are_missing_not_zero(make_evidence: MakeEvidence) -> None:
    rng = np.random.default_rng(0)
    ok = {v: rng.poisson(n, 40) for v, n in (("v1", 1700), ("v2", 560))}
    bad = {v: rng.binomial(ok[v], 0.01) for v in ok}
    for table in (ok, bad):
        table["v2"][12:28] = -1
    frame = counts_frame(ok, bad)
    latency = make_evidence().frames["latency"]
    result = judge(evidence_of(frame, frame, latency, 40))
    coverage = finding(result, "ML-CAN-003")
    assert coverage.value == pytest.approx(24 / 40)
    assert coverage.verdict is Verdict.INCONCLUSIVE
    assert result.verdict is Verdict.INCONCLUSIVE


def test_a_wrong_split_settles_nothing(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(errors=(0.01, 0.03))
    good = judge(evidence, canary_weight=0.25)
    assert finding(good, "ML-CAN-004").verdict is Verdict.PASS
    assert good.verdict is Verdict.FAIL
    assert judge(evidence, canary_weight=0.1).verdict is Verdict.INCONCLUSIVE


def test_without_callers_in_the_mesh_the_service_side_counts(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(errors=(0.01, 0.03))
    frames = {**evidence.frames, "source": evidence.frames["source"].iloc[:0]}
    result = judge(dataclasses.replace(evidence, frames=frames))
    assert result.verdict is Verdict.FAIL
    assert finding(result, "ML-CAN-005").verdict is None


@pytest.mark.parametrize("factor", [0.9, 1.2])
def test_sides_that_tell_different_stories_are_a_warning(make_evidence: MakeEvidence, factor: float) -> None:
    evidence = make_evidence()
    other = evidence.frames["destination"].assign(count=lambda f: (f["count"] * factor).round().astype(int))
    result = judge(dataclasses.replace(evidence, frames={**evidence.frames, "destination": other}))
    assert finding(result, "ML-CAN-005").verdict is Verdict.WARN
    assert result.verdict is Verdict.WARN
    assert finding(result, "ML-CAN-005").key == "canary.reporters.differ"
    assert result.headline.startswith("Promote v2 with care: ")


def test_sides_that_agree_are_no_warning(make_evidence: MakeEvidence) -> None:
    assert finding(judge(make_evidence()), "ML-CAN-005").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("code", "flags", "grpc", "error"),
    [
        ("500", "-", "", True),
        ("503", "URX,UF", "", True),
        ("404", "-", "", False),
        ("200", "-", "14", True),
        ("200", "-", "5", False),
        ("0", "UF", "", True),
        ("0", "DC", "", False),
        ("0", "DR,DC", "", False),
    ],
)
def test_what_is_an_error(code: str, flags: str, grpc: str, error: bool) -> None:
    import pandas as pd

    from meshlab.questions.canary.outcomes import is_error

    assert bool(is_error(pd.DataFrame({"code": [code], "flags": [flags], "grpc_status": [grpc]})).iloc[0]) is error


def test_bursts_are_said_and_weaken_the_evidence(make_evidence: MakeEvidence) -> None:
    rng = np.random.default_rng(1)
    total = {"v1": rng.poisson(1700, 40), "v2": rng.poisson(560, 40)}
    burst = rng.choice([0.004, 0.05], 40, p=[0.85, 0.15])
    bad = {"v1": rng.binomial(total["v1"], 0.01), "v2": rng.binomial(total["v2"], burst)}
    frame = counts_frame({v: total[v] - bad[v] for v in total}, bad)
    result = judge(evidence_of(frame, frame, make_evidence().frames["latency"], 40))
    assert finding(result, "ML-CAN-006").verdict is Verdict.WARN
    assert result.verdict is not Verdict.PASS


def test_the_judge_changes_nothing_and_repeats_itself(make_evidence: MakeEvidence) -> None:
    evidence: Evidence = make_evidence()
    before = {n: f.copy() for n, f in evidence.frames.items()}
    first, second = (judge(evidence).to_dict() for _ in range(2))
    assert first == second
    assert all(before[n].equals(f) for n, f in evidence.frames.items())
