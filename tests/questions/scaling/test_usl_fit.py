from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from meshlab.errors import ParameterError
from meshlab.questions.scaling.usl import Reason, binned, curve, fit, fit_many, fit_samples, solve

LAW = (0.0267, 7.69e-4, 995.6)
LEVELS = np.linspace(1, 40, 20)


def drawn(n, rng, law=LAW, noise=0.02):
    return curve.throughput(n, *law) * (1 + noise * rng.normal(size=np.shape(n)))


def test_many_starts_side_by_side_find_what_scipy_finds():
    rng = np.random.default_rng(0)
    n = rng.uniform(1, 40, (20, 20))
    x = drawn(n, rng)
    found = solve.usl(n, x, np.ones_like(n))
    for i in range(20):
        slow = least_squares(
            lambda p, i=i: curve.throughput(n[i], *p) - x[i],
            [0.01, 1e-4, 900],
            bounds=([0, 0, 0], [1, 1, np.inf]),
            x_scale=[0.1, 1e-3, 900],
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
        )
        assert found.squares[i] <= 2 * slow.cost * (1 + 1e-9)


@pytest.mark.parametrize("grows", [False, True])
@pytest.mark.parametrize("levels", [np.arange(1.0, 33.0), np.linspace(1, 40, 20)])
def test_a_95_percent_interval_covers_the_truth_in_92_to_98_percent_of_fits(levels, grows):
    rng = np.random.default_rng(7)
    truth = curve.throughput(levels, *LAW)
    hit = np.zeros(3)
    for _ in range(400):
        size = truth if grows else truth.max()
        found = fit(levels, truth + 0.02 * size * rng.normal(size=len(levels)))
        parts = (found.contention, found.coherency, found.single)
        hit += [e.low <= value <= e.high for e, value in zip(parts, LAW, strict=True)]
    assert np.all((hit >= 0.92 * 400) & (hit <= 0.98 * 400)), hit / 400


def test_a_peak_is_withheld_when_the_data_stop_at_a_third_of_it():
    rng = np.random.default_rng(1)
    short, long = np.linspace(1, 12, 20), np.linspace(1, 35, 20)
    wrong = [fit(short, drawn(short, rng)).peak for _ in range(200)]
    assert sum(peak.stated for peak in wrong) <= 4
    assert all(peak.refusal.reason in (Reason.OUT_OF_REACH, Reason.NONE_IN_RANGE) for peak in wrong if not peak.stated)
    assert sum(fit(long, drawn(long, rng)).peak.stated for _ in range(100)) >= 95


@pytest.mark.parametrize(
    ("n", "x", "reason"),
    [
        ([], [], Reason.NO_DATA),
        ([np.nan, 0.0], [1.0, 2.0], Reason.NO_DATA),
        ([1, 2, 3, 4, 5, 6], [0] * 6, Reason.NO_DATA),
        ([5] * 10, [1.0] * 10, Reason.ONE_LEVEL),
        ([1, 2, 4, 8], [1, 2, 3, 4], Reason.FEW_LEVELS),
        ([1, 1, 1, 9, 9, 9, 9], [1, 1, 1, 5, 5, 5, 6], Reason.FEW_LEVELS),
        (np.linspace(10, 20, 12), np.linspace(10, 15, 12), Reason.NARROW_RANGE),
        (np.linspace(1, 20, 12), np.linspace(1, 20, 12) ** 1.3, Reason.SUPERLINEAR),
        (np.linspace(1, 20, 12), np.linspace(1, 20, 12), Reason.SMALLER_MODEL),
    ],
)
def test_thin_or_unfit_data_give_a_reason_and_no_error(n, x, reason):
    found = fit(n, x)
    assert reason in found.reasons()
    assert found.refusals
    assert not found.peak.stated


def test_windows_with_errors_forbid_the_fit():
    x = drawn(LEVELS, np.random.default_rng(3))
    assert not fit(LEVELS, x).refusals
    assert Reason.ERRORS in fit_samples(LEVELS, x, error_rate=np.repeat([0.0, 0.05], [16, 4])).reasons()
    assert Reason.ERRORS not in fit_samples(LEVELS, x, error_rate=np.full(20, 0.001)).reasons()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([1, 2], [1]), "throughput has shape"),
        (([[1, 2]], [[1, 2]]), "concurrency has 2 axes"),
        (([1, -2], [1, 1]), "negative"),
        (([1, 2], [1, np.inf]), "infinite"),
        ((["a"], [1]), "must be numbers"),
        (([1, 2], [1, 2], [0, 0]), "all weights are 0"),
    ],
)
def test_input_errors_are_said_in_one_sentence(arguments, word):
    with pytest.raises(ParameterError, match=word):
        fit(*arguments)


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-6, 1e6), st.integers(0, 1000))
def test_the_unit_of_throughput_changes_only_the_unit(factor, seed):
    x = drawn(LEVELS, np.random.default_rng(seed))
    one, other = fit(LEVELS, x), fit(LEVELS, x * factor)
    a, b, g = one.coefficients
    assert other.coefficients == pytest.approx((a, b, g * factor), rel=1e-5, abs=1e-9)
    assert one.reasons() == other.reasons()
    assert one.choice.chosen == other.choice.chosen
    assert one.peak.stated == other.peak.stated


@settings(max_examples=25, deadline=None)
@given(st.permutations(list(range(20))), st.booleans())
def test_the_order_of_rows_does_not_matter(order, ties):
    n = np.round(LEVELS / 4) + 1 if ties else LEVELS
    x = drawn(n, np.random.default_rng(5))
    w = np.linspace(1, 2, 20)
    one, other = fit(n, x, w), fit(n[order], x[order], w[order])
    assert one.coefficients == other.coefficients
    assert np.array_equal(one.covariance, other.covariance)
    assert one.reasons() == other.reasons()


def test_a_service_fitted_among_many_is_fitted_as_if_alone():
    rng = np.random.default_rng(6)
    n = rng.uniform(1, 40, (5, 500))
    x = drawn(n, rng)
    n[1, :100] = np.nan
    n[2] = 0.0
    n[3] = 7.0
    many = fit_many(n, x)
    assert many[2].reasons() == (Reason.NO_DATA,)
    assert many[3].reasons() == (Reason.ONE_LEVEL,)
    for i in (0, 1, 4):
        alone = fit_samples(n[i], x[i])
        assert many[i].coefficients == pytest.approx(alone.coefficients, rel=1e-6)
        assert many[i].refusals == alone.refusals
        assert many[i].peak.estimate.value == pytest.approx(35.57, rel=0.1)


def test_medians_of_bins_shrug_off_outliers():
    rng = np.random.default_rng(8)
    n = rng.uniform(1, 40, 2000)
    x = drawn(n, rng)
    x[rng.integers(0, 2000, 60)] *= 0.1
    found = fit_samples(n, x)
    assert found.peak.estimate.value == pytest.approx(35.57, rel=0.1)


def test_equal_concurrencies_share_a_bin():
    points = binned([1, 1, 1, 1, 2, 3, 4, 5], np.arange(8.0), bins=4)
    assert points.concurrency[0] == 1
    assert points.counts[0] == 4
    assert points.counts.sum() == 8


def test_a_fit_without_coefficients_predicts_nothing():
    with pytest.raises(ParameterError, match="no coefficients"):
        fit([], []).predict([1.0])


def test_the_band_holds_the_curve():
    band = fit(LEVELS, drawn(LEVELS, np.random.default_rng(9))).predict(LEVELS)
    truth = curve.throughput(LEVELS, *LAW)
    assert np.mean((band.low <= truth) & (truth <= band.high)) > 0.7
    assert np.all(band.low < band.high)
