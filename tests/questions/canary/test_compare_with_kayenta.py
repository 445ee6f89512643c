"""What Kayenta would have said, with its cautions."""

from __future__ import annotations

import dataclasses

import numpy as np
from canary_evidence import SETTINGS, MakeEvidence, judge

from meshlab.core.results import Verdict
from meshlab.questions.canary import compare_with_kayenta


def test_both_judges_see_a_bad_canary(make_evidence: MakeEvidence) -> None:
    kayenta = compare_with_kayenta(make_evidence(errors=(0.01, 0.03), slower=1.3), SETTINGS).set_index("metric")
    assert kayenta["classification"].tolist() == ["High", "High"]
    assert (kayenta["points"] == 40).all()
    assert "maintainers ask for 50" in kayenta.loc["error rate (%)", "caution"]


def test_a_baseline_without_errors_makes_any_count_high_and_that_is_said(make_evidence: MakeEvidence) -> None:
    kayenta = (
        compare_with_kayenta(make_evidence(errors=(0.0, 0.003)), SETTINGS).set_index("metric").loc["error rate (%)"]
    )
    assert kayenta["classification"] == "High"
    assert "the baseline is zero" in kayenta["caution"]


def test_a_small_shift_is_high_there_and_passes_here(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence(slower=1.03, per_block=(8000, 8000))
    kayenta = compare_with_kayenta(evidence, SETTINGS).set_index("metric").loc["mean duration (ms)"]
    assert kayenta["classification"] == "High"
    assert "no margin" in kayenta["caution"]
    assert judge(evidence).verdict is Verdict.PASS


def test_no_data_is_said(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    nothing = dataclasses.replace(evidence, frames={n: f.iloc[:0] for n, f in evidence.frames.items()})
    kayenta = compare_with_kayenta(nothing, SETTINGS)
    assert kayenta["classification"].tolist() == ["Nodata", "Nodata"]
    assert np.all(kayenta["points"] == 0)
