from __future__ import annotations

import numpy as np
import pytest

from meshlab.errors import ParameterError
from meshlab.questions.scaling.slo_knee import slo_knee
from meshlab.questions.scaling.usl import Reason


def windows(rng, count=600, places=50.0, noise=0.1):
    n = rng.uniform(1, 45, count)
    return n, 0.1 / (1 - n / places) * np.exp(noise * rng.normal(size=count))


def test_the_largest_concurrency_that_holds_the_objective_is_found():
    rng = np.random.default_rng(0)
    n, tail = windows(rng)
    found = slo_knee(n, tail, 0.25, refits=100).estimate
    assert found.value == pytest.approx(30, rel=0.05)
    assert found.low <= found.value <= found.high
    assert slo_knee(n, tail * 1000, 250, refits=100).estimate.value == pytest.approx(found.value)


def test_windows_beyond_the_last_bucket_are_too_slow_and_missing_ones_unknown():
    n, tail = windows(np.random.default_rng(1))
    tail[n > 40] = np.inf
    tail[::7] = np.nan
    assert slo_knee(n, tail, 0.25, refits=50).estimate.value == pytest.approx(30, rel=0.06)


@pytest.mark.parametrize(("objective", "reason"), [(100.0, Reason.OUT_OF_REACH), (0.01, Reason.NEVER_HELD)])
def test_an_objective_that_always_or_never_holds_gives_a_reason(objective, reason):
    assert slo_knee(*windows(np.random.default_rng(2)), objective, refits=20).refusal.reason is reason


def test_a_tail_that_falls_with_load_has_no_knee():
    n = np.linspace(1, 40, 200)
    tail = np.where(n < 20, 0.2, 0.3) - 0.004 * n
    tail[:60] += 0.2
    assert not slo_knee(n, tail, 0.25, refits=20).stated


def test_few_levels_give_a_reason():
    assert slo_knee([1, 2, 3], [0.1, 0.2, 0.3], 0.25).refusal.reason is Reason.FEW_LEVELS
    assert slo_knee([], [], 0.25).refusal.reason is Reason.FEW_LEVELS


def test_an_objective_of_nothing_is_refused():
    with pytest.raises(ParameterError, match="positive"):
        slo_knee([1], [1], 0.0)
