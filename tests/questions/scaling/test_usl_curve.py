from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshlab.questions.scaling.usl import curve

LAW = (0.02671591, 7.690945e-4, 995.6486)
shares = st.floats(0.0, 0.9)
costs = st.floats(1e-6, 0.1)


def test_a_throughput_below_the_peak_has_two_concurrencies():
    assert curve.concurrency_at_throughput(11048, *LAW) == pytest.approx((19.92, 63.5), rel=1e-2)
    assert curve.concurrency_at_throughput(13000, *LAW) == ()
    assert curve.concurrency_at_throughput(0, *LAW) == ()


def test_without_coherency_one_concurrency_is_left_and_no_peak():
    assert curve.concurrency_at_throughput(500, 0.1, 0.0, 100.0) == pytest.approx((9.0,))
    assert curve.peak_concurrency(0.1, 0.0) is None
    assert curve.concurrency_at_latency(0.019, 0.1, 0.0, 100.0) == pytest.approx(10.0)


def test_a_latency_below_the_least_has_no_concurrency():
    assert curve.concurrency_at_latency(1e-9, *LAW) is None
    assert curve.concurrency_at_latency(0.02, 0.0, 0.0, 100.0) is None


@given(shares, costs, st.floats(1.0, 500.0))
def test_the_inverses_undo_the_curve(a, b, n):
    x = float(curve.throughput(n, a, b, 50.0))
    roots = curve.concurrency_at_throughput(x * (1 - 1e-9), a, b, 50.0)
    assert min(abs(root - n) for root in roots) <= 1e-3 * n
    if curve.slowdown(n, a, b) > curve.slowdown(max(n - 0.5, 0.1), a, b):
        assert curve.concurrency_at_latency(n / x, a, b, 50.0) == pytest.approx(n, rel=1e-5)


@given(shares, costs, st.floats(1.0, 500.0))
def test_the_gradient_is_that_of_the_curve(a, b, n):
    three = np.array([a + 0.01, b, 50.0])
    slope = curve.gradient([n], *three)[0]
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-5 * three[k]
        ends = [float(curve.throughput(n, *(three + sign * step))) for sign in (1, -1)]
        assert slope[k] == pytest.approx((ends[0] - ends[1]) / (2 * step[k]), rel=1e-4, abs=1e-4)
