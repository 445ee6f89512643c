"""What Kayenta would have said, with its cautions."""

from __future__ import annotations

import dataclasses

import numpy as np
from canary_evidence import SCOPE, MakeEvidence

from meshlab.core.results import Verdict
from meshlab.questions.canary import beside, judge


def test_both_judges_see_a_bad_canary(make_evidence: MakeEvidence) -> None:
    told = beside(make_evidence(errors=(0.01, 0.03), slower=1.3), SCOPE).set_index("metric")
    assert told["classification"].tolist() == ["High", "High"]
    assert (told["points"] == 40).all()
    assert "maintainers ask for 50" in told.loc["error share (%)", "caution"]


def test_a_baseline_without_errors_makes_any_count_high_and_that_is_said(make_evidence: MakeEvidence) -> None:
    told = beside(make_evidence(errors=(0.0, 0.003)), SCOPE).set_index("metric").loc["error share (%)"]
    assert told["classification"] == "High"
    assert "the baseline is zero" in told["caution"]


def test_a_small_shift_is_high_there_and_passes_here(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(slower=1.03, per_block=(8000, 8000))
    told = beside(evidence, SCOPE).set_index("metric").loc["mean duration (ms)"]
    assert told["classification"] == "High"
    assert "no margin" in told["caution"]
    assert judge(evidence, SCOPE).verdict is Verdict.PASS


def test_no_data_is_said(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    nothing = dataclasses.replace(evidence, frames={n: f.iloc[:0] for n, f in evidence.frames.items()})
    told = beside(nothing, SCOPE)
    assert told["classification"].tolist() == ["Nodata", "Nodata"]
    assert np.all(told["points"] == 0)
