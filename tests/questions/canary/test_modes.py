"""Blue/green and dark launches: other moments, other sides, the same judge."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import pandas as pd
import pytest
from canary_evidence import SETTINGS, MakeEvidence, finding, judge

from meshlab.core.evidence import Evidence
from meshlab.core.results import Result, Verdict
from meshlab.errors import ParameterError
from meshlab.questions.canary import CanarySettings

MIRROR = SETTINGS.changed(mode="mirror")
BLUE_GREEN = SETTINGS.changed(mode="blue-green")


def codes(result: Result) -> set[str]:
    return {one.code for one in result.findings}


def with_frames(evidence: Evidence, **frames: pd.DataFrame) -> Evidence:
    return dataclasses.replace(evidence, frames=MappingProxyType({**evidence.frames, **frames}))


def mirrored(evidence: Evidence, live: float = 0.0) -> Evidence:
    """Only the called side counts the copies; some requests of the new version may be live."""
    source = evidence.frames["source"]
    own = source[source["destination_version"] == "v1"]
    other = source[source["destination_version"] == "v2"]
    other = other.assign(count=(other["count"] * live).astype(int))
    return with_frames(evidence, source=pd.concat([own, other]) if live else own)


def switched(evidence: Evidence, at: int, *, gap: int = 0) -> Evidence:
    """The old version serves until the switch, the new one from then on."""

    def one(frame: pd.DataFrame) -> pd.DataFrame:
        old = (frame["destination_version"] == "v1") & (frame["block"] < at - gap)
        new = (frame["destination_version"] == "v2") & (frame["block"] >= at)
        return frame[old | new].reset_index(drop=True)

    return with_frames(evidence, **{name: one(frame) for name, frame in evidence.frames.items()})


def test_a_mirror_is_judged_by_what_the_service_saw(make_evidence: MakeEvidence) -> None:
    good = judge(mirrored(make_evidence(seed=1, per_block=(1500, 1500))), MIRROR)
    assert good.verdict is Verdict.PASS
    assert good.headline.startswith("Send live traffic to v2: ")
    assert finding(good, "ML-CAN-007").value == pytest.approx(1.0, abs=0.02)
    assert finding(good, "ML-CAN-007").key == "canary.mode.mirror"
    assert codes(good) >= {"ML-CAN-001", "ML-CAN-002", "ML-CAN-003", "ML-CAN-007"}
    assert not codes(good) & {"ML-CAN-004", "ML-CAN-005"}


def test_a_bad_mirror_is_not_launched(make_evidence: MakeEvidence) -> None:
    bad = judge(mirrored(make_evidence(seed=2, per_block=(1500, 1500), errors=(0.01, 0.04))), MIRROR)
    assert bad.verdict is Verdict.FAIL
    assert bad.headline.startswith("Do not launch v2")


def test_live_requests_in_a_mirror_are_said(make_evidence: MakeEvidence) -> None:
    mixed = judge(mirrored(make_evidence(seed=1, per_block=(1500, 1500)), live=0.1), MIRROR)
    assert mixed.verdict is Verdict.WARN
    assert finding(mixed, "ML-CAN-007").key == "canary.mode.live_traffic"


def test_without_its_mode_a_mirror_has_nothing_to_compare(make_evidence: MakeEvidence) -> None:
    assert judge(mirrored(make_evidence(seed=1, per_block=(1500, 1500)))).verdict is not Verdict.FAIL


def test_green_is_compared_with_blue_before_the_switch(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(seed=3, per_block=(2000, 2000), blocks=80)
    good = judge(switched(evidence, 40), BLUE_GREEN)
    assert good.verdict is Verdict.PASS
    assert good.headline.startswith("Keep v2: ")
    said = finding(good, "ML-CAN-007")
    assert (said.verdict, said.required) == (None, False)
    assert "10 min earlier" in said.statement
    looks = good.tables["error_looks"]
    assert len(looks) == 36, "without green's first minute"
    assert looks["time"].min() > pd.Timestamp("2026-01-31T12:10Z"), "shown at green's own times"


def test_a_bad_green_fails(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(seed=4, per_block=(2000, 2000), blocks=80, errors=(0.01, 0.04), slower=1.5)
    found = judge(switched(evidence, 40), BLUE_GREEN)
    assert found.verdict is Verdict.FAIL
    assert finding(found, "ML-CAN-002").verdict is Verdict.FAIL


def test_a_gap_at_the_switch_and_a_short_history_leave_fewer_pairs(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(seed=5, per_block=(2000, 2000), blocks=60)
    found = judge(switched(evidence, 20, gap=5), BLUE_GREEN)
    assert len(found.tables["error_looks"]) == 11, "15 without green's first minute"
    assert finding(found, "ML-CAN-003").verdict is Verdict.INCONCLUSIVE, "11 of green's 36 blocks"


def test_blue_and_green_that_serve_together_are_compared_moment_by_moment(make_evidence: MakeEvidence) -> None:
    found = judge(make_evidence(seed=6), BLUE_GREEN)
    assert finding(found, "ML-CAN-007").key == "canary.mode.together"
    assert found.verdict is Verdict.PASS


@pytest.mark.parametrize("gone", ["v1", "v2"])
def test_a_version_that_never_served_settles_nothing(make_evidence: MakeEvidence, gone: str) -> None:
    evidence = make_evidence(seed=7)
    kept = {name: f[f["destination_version"] != gone] for name, f in evidence.frames.items()}
    for settings in (MIRROR, BLUE_GREEN):
        assert judge(with_frames(evidence, **kept), settings).verdict is Verdict.INCONCLUSIVE


def test_a_mode_that_is_none_is_named() -> None:
    with pytest.raises(ParameterError, match=r"mode is 'blue-gren'.*did you mean blue-green"):
        CanarySettings(service="catalog", mode="blue-gren")
    with pytest.raises(ParameterError, match=r"mode is 'x'.*canary, blue-green, mirror"):
        CanarySettings(service="catalog", mode="x")
