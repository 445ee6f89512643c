from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshlab.questions.scaling.usl import curve

LAW = (0.02671591, 7.690945e-4, 995.6486)
shares = st.floats(0.0, 0.9)
costs = st.floats(1e-6, 0.1)


def test_without_coherency_there_is_no_peak():
    assert curve.peak_concurrency(0.1, 0.0) is None
    assert curve.peak_concurrency(*LAW[:2]) == pytest.approx(35.57, rel=1e-3)


@given(shares, costs, st.floats(1.0, 500.0))
def test_the_gradient_is_that_of_the_curve(a, b, n):
    three = np.array([a + 0.01, b, 50.0])
    slope = curve.gradient([n], *three)[0]
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-5 * three[k]
        ends = [float(curve.throughput(n, *(three + sign * step))) for sign in (1, -1)]
        assert slope[k] == pytest.approx((ends[0] - ends[1]) / (2 * step[k]), rel=1e-4, abs=1e-4)
