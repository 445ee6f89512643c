from __future__ import annotations

import numpy as np

from meshlab.questions.scaling.usl import Reason, compare, curve, fit

LEVELS = np.linspace(1, 40, 20)


def version(rng, single=1000.0, top=40.0):
    n = np.linspace(1, top, 20)
    x = curve.throughput(n, 0.03, 8e-4, single) * (1 + 0.02 * rng.normal(size=20))
    return fit(n, x)


def test_a_version_that_carries_less_is_told_by_how_much():
    rng = np.random.default_rng(0)
    found = compare(version(rng), version(rng, 880.0))
    assert found.differs
    assert found.change.low < -0.12 < found.change.high
    assert found.change.high - found.change.low < 0.1


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    found = [compare(version(rng), version(rng, 950.0)).change for _ in range(200)]
    assert 0.91 <= np.mean([one.low <= -0.05 <= one.high for one in found]) <= 0.985


def test_equal_versions_differ_seldom():
    rng = np.random.default_rng(2)
    assert np.mean([compare(version(rng), version(rng)).differs for _ in range(200)]) <= 0.09


def test_versions_are_compared_as_far_as_both_were_seen():
    rng = np.random.default_rng(3)
    found = compare(version(rng), version(rng, top=20.0))
    assert found.concurrency == 20.0
    assert abs(found.change.value) < 0.05


def test_versions_without_a_common_concurrency_or_with_thin_data_are_not_compared():
    rng = np.random.default_rng(4)
    far = fit(LEVELS + 100, curve.throughput(LEVELS, 0.03, 8e-4, 1000.0))
    assert compare(version(rng), far).change is None
    found = compare(version(rng), fit([1, 2], [1, 2]))
    assert found.change is None
    assert found.refusal.reason is Reason.FEW_LEVELS
    assert "after" in found.refusal.sentence
