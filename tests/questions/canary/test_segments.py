"""Parts of the traffic: Simpson's paradox is seen, and a caller that alone suffers is heard."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from canary_evidence import MakeEvidence, counts_frame, finding, judge

from meshlab.core.evidence import Evidence
from meshlab.core.results import Verdict


def called_by(evidence: Evidence, callers: dict[str, tuple[tuple[int, float], tuple[int, float]]]) -> Evidence:
    """Evidence in which each caller sends so many requests a block to each arm, of which such a share fails."""
    rng = np.random.default_rng(5)
    frames = []
    for caller, arms in callers.items():
        total = {v: rng.poisson(n, 40) for v, (n, _) in zip(("v1", "v2"), arms, strict=True)}
        bad = {v: rng.binomial(total[v], p) for v, (_, p) in zip(("v1", "v2"), arms, strict=True)}
        frames.append(counts_frame({v: total[v] - bad[v] for v in total}, bad).assign(source=caller))
    both = pd.concat(frames, ignore_index=True)
    return dataclasses.replace(evidence, frames={**evidence.frames, "source": both, "destination": both.copy()})


def test_one_caller_has_no_parts(make_evidence: MakeEvidence) -> None:
    evidence = called_by(make_evidence(), {"web": ((1690, 0.01), (560, 0.01))})
    found = finding(judge(evidence), "ML-CAN-010")
    assert (found.verdict, found.required) == (None, False)


def test_equal_parts_tell_the_same_story(make_evidence: MakeEvidence) -> None:
    evidence = called_by(make_evidence(), {"web": ((900, 0.01), (300, 0.01)), "app": ((790, 0.02), (260, 0.02))})
    result = judge(evidence)
    assert finding(result, "ML-CAN-010").verdict is Verdict.PASS
    assert result.verdict is Verdict.PASS
    assert result.tables["segments"]["segment"].tolist() == ["all", "app", "web"]


def test_a_caller_that_alone_suffers_fails_the_canary(make_evidence: MakeEvidence) -> None:
    callers = {"web": ((1600, 0.01), (530, 0.01)), "app": ((90, 0.01), (30, 0.15))}
    found = finding(judge(called_by(make_evidence(), callers)), "ML-CAN-010")
    assert found.verdict is Verdict.FAIL
    assert found.key == "canary.segments.fail"
    assert "For caller app v2 fails 1" in found.statement


def test_simpsons_paradox_never_passes(make_evidence: MakeEvidence) -> None:
    """The canary gets the easy caller and fails more often for each: all together it looks better."""
    callers = {"easy": ((200, 0.002), (500, 0.010)), "hard": ((1500, 0.03), (60, 0.045))}
    result = judge(called_by(make_evidence(), callers))
    assert finding(result, "ML-CAN-001").value < 0  # type: ignore[operator]
    assert result.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)
    assert finding(result, "ML-CAN-010").verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)


def test_another_mix_alone_is_a_warning(make_evidence: MakeEvidence) -> None:
    callers = {"easy": ((400, 0.01), (400, 0.01)), "hard": ((1300, 0.01), (160, 0.01))}
    result = judge(called_by(make_evidence(), callers))
    found = finding(result, "ML-CAN-010")
    assert (found.verdict, found.required) == (Verdict.WARN, False)
    assert found.key == "canary.segments.mix"


def test_many_callers_come_together(make_evidence: MakeEvidence) -> None:
    callers = {f"caller{n:02}": ((100, 0.01), (40, 0.01)) for n in range(20)}
    parts = judge(called_by(make_evidence(), callers)).tables["segments"]
    assert len(parts) == 14
    assert "(others)" in set(parts["segment"])
