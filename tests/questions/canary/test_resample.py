"""What the judge says of evidence drawn anew at the recordings' own rates."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from canary_resample import resample

from meshlab.core.results import Verdict
from meshlab.questions.canary import Canary, CanarySettings
from meshlab.telemetry.source import connect

ROOT = Path(__file__).parent.parent.parent.parent
SETTINGS = CanarySettings(service="catalog", baseline="v1", canary="v2")
DRAWS = 500


def verdicts(name: str) -> Counter[Verdict]:
    mesh = connect(name, cwd=ROOT)
    evidence = Canary().collect(mesh, mesh.window(), SETTINGS)
    rng = np.random.default_rng(20260131)
    return Counter(Canary().answer(resample(evidence, rng), SETTINGS).verdict for _ in range(DRAWS))


def test_a_healthy_canary_nearly_always_passes_and_hardly_ever_fails() -> None:
    found = verdicts("canary-healthy")
    assert found[Verdict.PASS] >= 0.90 * DRAWS
    assert found[Verdict.FAIL] <= 0.01 * DRAWS


def test_a_bad_canary_fails() -> None:
    assert verdicts("canary-regression")[Verdict.FAIL] >= 0.99 * DRAWS


@pytest.mark.parametrize(("name", "verdict"), [("canary-healthy", Verdict.PASS), ("canary-regression", Verdict.FAIL)])
def test_the_recordings_themselves(name: str, verdict: Verdict) -> None:
    mesh = connect(name, cwd=ROOT)
    result = Canary().answer(Canary().collect(mesh, mesh.window(), SETTINGS), SETTINGS)
    assert result.verdict is verdict
    assert result.subject.endswith("/shop/catalog")
