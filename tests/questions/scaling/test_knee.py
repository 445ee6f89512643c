from __future__ import annotations

import numpy as np
import pytest

from meshlab.questions.scaling import knee
from meshlab.questions.scaling.usl import Reason, fit

LEVELS = np.linspace(1, 40, 20)


@pytest.mark.parametrize("levels", [LEVELS, np.linspace(1, 40, 60)])
def test_a_straight_line_with_3_percent_noise_has_a_knee_in_less_than_5_percent_of_draws(levels):
    rng = np.random.default_rng(0)
    found = [
        knee.find(fit(levels, 50 * levels * (1 + 0.03 * rng.normal(size=len(levels))))).answer.stated
        for _ in range(300)
    ]
    assert sum(found) < 15


def test_the_knee_of_a_capacity_limit_is_the_limit():
    rng = np.random.default_rng(1)
    for _ in range(20):
        found = knee.find(fit(LEVELS, 100 * np.minimum(LEVELS, 16) * (1 + 0.03 * rng.normal(size=20))))
        assert found.answer.estimate.value == pytest.approx(16, rel=0.1)


def test_a_smooth_curve_gives_a_range_of_candidates():
    rng = np.random.default_rng(2)
    x = 995 * LEVELS / (1 + 0.0267 * (LEVELS - 1) + 7.69e-4 * LEVELS * (LEVELS - 1)) * (1 + 0.02 * rng.normal(size=20))
    found = knee.find(fit(LEVELS, x))
    assert found.gain > 6
    assert list(found.candidates) == ["contention", "break", "power", "kneedle"]
    assert found.answer.estimate.low <= found.answer.estimate.value <= found.answer.estimate.high
    assert found.answer.estimate.high <= 2 * found.answer.estimate.low


def test_candidates_that_disagree_are_no_knee():
    n = np.geomspace(1, 200, 30)
    found = knee.find(fit(n, n / (1 + 0.2 * (n - 1)) * (1 + 0.01 * np.random.default_rng(3).normal(size=30))))
    assert found.answer.refusal.reason is Reason.DISAGREEMENT


def test_thin_data_have_no_knee_but_a_reason():
    assert knee.find(fit([1, 2], [1, 2])).answer.refusal.reason is Reason.FEW_LEVELS
    assert knee.find(fit([], [])).answer.refusal.reason is Reason.NO_DATA
