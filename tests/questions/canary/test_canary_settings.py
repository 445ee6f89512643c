from __future__ import annotations

import dataclasses

import pytest
from canary_evidence import MakeEvidence

from meshlab.errors import ParameterError
from meshlab.questions.canary import Canary, CanarySettings


def test_a_version_that_papermill_turned_into_a_number_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"canary is the float 1\.1.*-r canary"):
        CanarySettings(service="catalog", baseline="1.9", canary=1.10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words", [{"service": ""}, {"baseline": "v2"}, {"canary": ""}], ids=["no service", "same arms", "no canary"]
)
def test_incomplete_settings_are_refused(make_evidence: MakeEvidence, words: dict[str, str]) -> None:
    evidence = dataclasses.replace(make_evidence(), subjects=())
    with pytest.raises(ParameterError):
        Canary().answer(evidence, CanarySettings(**{"service": "catalog", "baseline": "v1", "canary": "v2", **words}))


@pytest.mark.parametrize(
    "setting",
    [
        {"alpha": 0.0},
        {"alpha": "0.02"},
        {"alpha": float("nan")},
        {"error_margin_points": -1},
        {"latency_margin": 0.6},
        {"block_s": -1},
        {"block_s": 7.5},
        {"canary_weight": 1.0},
        {"error_margin_relative": True},
    ],
)
def test_settings_outside_their_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=next(iter(setting))):
        CanarySettings(**setting)  # type: ignore[arg-type]
