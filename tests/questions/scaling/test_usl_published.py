"""The coefficients that others published for their data come out of ours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student
from usl_published import CISCO, CURVE, RAY, SPARC

from meshlab.questions.scaling.usl import Reason, curve, fit


@pytest.mark.parametrize(
    ("data", "expected", "digits"),
    [
        (SPARC, (0.0277285, 0.0001044, 89.9952330), 4e-4),
        (RAY, (0.0578, 0.0, 21.8488), 1e-3),
        (CURVE, (0.02, 0.02, 1.0), 1e-3),
        (CISCO, (0.02671591, 7.690945e-4, 995.6486), 1e-5),
    ],
)
def test_published_coefficients_come_out_to_their_printed_digits(data, expected, digits):
    assert fit(*data).coefficients == pytest.approx(expected, rel=digits, abs=1e-12)


def test_published_standard_errors_come_out():
    found = fit(*SPARC, noise="equal")
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx([0.0091217, 0.0000199, 14.2134894], rel=3e-3)
    # The package's half widths are t(0.95) of points - 1, whatever the level: divided by it they are standard errors.
    found = fit(*RAY, noise="equal")
    half = np.array([0.081864 - 0.057771, 0.000214, 25.829306 - 21.848843])
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(half / student.ppf(0.95, 10), rel=3e-3)


def test_intervals_of_few_points_use_three_lost_degrees_of_freedom():
    found = fit(*RAY)
    assert found.freedom == 8
    assert (found.contention.low, found.contention.high) == pytest.approx((0.02712, 0.08842), rel=1e-3)
    assert found.coherency.low == 0.0


def test_published_landmarks_come_out():
    a, b, g = fit(*SPARC).coefficients
    assert curve.peak_concurrency(a, b) == pytest.approx(96.52, rel=1e-4)
    assert curve.throughput(curve.peak_concurrency(a, b), a, b, g) == pytest.approx(1884, rel=1e-3)
    assert 1 / a == pytest.approx(36.06401, rel=1e-4)
    assert g / a == pytest.approx(3246, rel=1e-3)
    cisco = fit(*CISCO)
    assert cisco.peak.estimate.value == pytest.approx(35.57, rel=1e-3)
    assert cisco.peak_throughput.estimate.value == pytest.approx(12342, rel=1e-3)
    assert cisco.peak.estimate.low < 35.57 < cisco.peak.estimate.high


def test_published_fitted_values_come_out():
    assert fit(*SPARC).predict(SPARC[0]).throughput == pytest.approx([90, 1078, 1541, 1850, 1879, 1822, 1646], abs=0.5)


def test_the_first_ten_points_give_the_published_latencies():
    first = fit(CISCO[0][:10], CISCO[1][:10]).coefficients
    for latency, concurrency in ((0.0012, 7.230628979), (0.0016, 20.25106409), (0.0020, 29.88889360)):
        assert concurrency / curve.throughput(concurrency, *first) == pytest.approx(latency, rel=1e-4)


def test_a_curve_that_does_not_fall_has_no_peak():
    ray = fit(*RAY)
    assert ray.choice.chosen == "amdahl"
    assert ray.peak.refusal.reason is Reason.NONE_IN_RANGE
    assert ray.knee.estimate.value == pytest.approx(17.31, rel=1e-3)


def test_data_that_bend_otherwise_than_the_law_are_refused_yet_their_coefficients_told():
    cisco = fit(*CISCO)
    assert cisco.reasons() == (Reason.PATTERN,)
    assert cisco.coefficients is not None
