"""The Kayenta-compatible judge against Kayenta's own cases, and the defects that it keeps.

Facts of spinnaker/kayenta: MannWhitneySuite.scala (figures of R 3.x), ClassifierSuite.scala, ScorerSuite.scala.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshlab.errors import ParameterError
from meshlab.questions.canary.kayenta import (
    Classification,
    EffectSize,
    Metric,
    MetricResult,
    Summary,
    judge_metric,
    location_shift,
    score,
)

# Error percentages of two arms, 210 points each; all others are 0.
EXPERIMENT = [
    1.234567901234584,
    1.3333333333333286,
    1.3513513513513544,
    1.3698630136986196,
    1.3888888888888857,
    1.4285714285714164,
    1.4285714285714164,
    1.4285714285714448,
    1.4492753623188293,
    1.470588235294116,
    1.5151515151515156,
    1.5151515151515156,
    1.5625,
    1.5625,
    1.5625000000000142,
    1.5873015873015817,
    1.6129032258064484,
    1.6393442622950687,
    1.6393442622950687,
    1.6666666666666572,
    1.6666666666666572,
    1.6666666666666714,
    1.6949152542372872,
    1.7241379310344769,
    1.7241379310344769,
    1.7543859649122737,
    1.754385964912288,
    1.7857142857142776,
    1.818181818181813,
    1.818181818181813,
    1.818181818181813,
    1.818181818181813,
    1.8518518518518476,
    1.8518518518518476,
    1.8518518518518476,
    1.8518518518518619,
    1.8518518518518619,
    1.8867924528301785,
    1.8867924528301927,
    1.8867924528301927,
    1.9230769230769198,
    1.9607843137255117,
    1.9607843137255117,
    2.0000000000000284,
    2.040816326530603,
    2.040816326530603,
    2.439024390243887,
    2.564102564102555,
    2.702702702702709,
    2.8169014084507182,
    2.985074626865682,
    3.0303030303030454,
    3.125000000000014,
    3.1746031746031633,
    3.225806451612911,
    3.333333333333343,
    3.333333333333343,
    3.3898305084745743,
    3.4482758620689538,
    3.5714285714285836,
    3.703703703703681,
    4.081632653061206,
    4.1095890410959015,
    5.555555555555557,
]
CONTROL = [
    1.3888888888888857,
    1.470588235294116,
    1.492537313432834,
    1.492537313432834,
    1.492537313432834,
    1.5384615384615614,
    1.5625000000000142,
    1.5873015873015817,
    1.6393442622950687,
    1.6949152542373014,
    1.7241379310344769,
    1.754385964912288,
    1.7857142857142776,
    1.8518518518518619,
    2.5000000000000284,
    2.9850746268656536,
    3.124999999999986,
]


def padded(values: list[float]) -> np.ndarray:
    return np.array([*values, *[0.0] * (210 - len(values))])


def test_the_shift_is_that_of_r_to_the_last_digit_even_where_its_interval_is_upside_down() -> None:
    shift = location_shift(padded(CONTROL), padded(EXPERIMENT), 0.95)
    assert shift.estimate == pytest.approx(2.6279243045155653e-05, rel=1e-9)
    assert shift.lower == pytest.approx(3.521755377702165e-05, rel=1e-9)
    assert shift.upper == pytest.approx(2.02456461662334e-05, rel=1e-9)
    assert shift.lower > shift.upper


def normal(mean: float, spread: float = 2.0, n: int = 30, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, spread, n)


@pytest.mark.parametrize(
    ("direction", "after", "expected"),
    [
        ("either", 10.0, "Pass"),
        ("either", 20.0, "High"),
        ("either", 5.0, "Low"),
        ("increase", 20.0, "High"),
        ("increase", 5.0, "Pass"),
        ("decrease", 20.0, "Pass"),
        ("decrease", 5.0, "Low"),
    ],
)
def test_the_direction_says_which_changes_count(direction: str, after: float, expected: str) -> None:
    found = judge_metric(normal(10.0), normal(after, seed=2), direction=direction)
    assert found.classification == expected


def test_effect_sizes_hold_small_changes_back() -> None:
    before, after = normal(100.0, 1.0, 60), normal(104.0, 1.0, 60, seed=2)
    assert judge_metric(before, after).classification is Classification.HIGH
    ratio = EffectSize(allowed_increase=1.05)
    assert judge_metric(before, after, effect_size=ratio).classification is Classification.PASS
    cles = EffectSize(measure="cles", allowed_increase=0.9)
    found = judge_metric(before, after, effect_size=cles)
    assert found.classification is Classification.HIGH
    assert found.effect > 0.95


def test_critical_needs_its_own_effect() -> None:
    before, after = normal(100.0, 1.0, 60), normal(110.0, 1.0, 60, seed=2)
    size = EffectSize(allowed_increase=1.05, critical_increase=1.5)
    found = judge_metric(before, after, critical=True, effect_size=size)
    assert (found.classification, found.critical) == (Classification.HIGH, False)
    worse = judge_metric(before, 2 * after, critical=True, effect_size=size)
    assert (worse.classification, worse.critical) == (Classification.HIGH, True)


@pytest.mark.parametrize(
    ("options", "expected", "critical"),
    [
        ({}, "Nodata", False),
        ({"must_have_data": True}, "NodataFailMetric", False),
        ({"must_have_data": True, "critical": True}, "Nodata", True),
        ({"nan_strategy": "replace", "must_have_data": True}, "Pass", False),
    ],
)
def test_missing_data_is_what_kayenta_makes_of_it(options: dict[str, object], expected: str, critical: bool) -> None:
    found = judge_metric(normal(10.0), [], **options)  # type: ignore[arg-type]
    assert (found.classification, found.critical) == (expected, critical)


def test_missing_values_are_dropped_or_are_zeros() -> None:
    holes = np.where(np.arange(30) % 3 == 0, math.nan, normal(10.0))
    assert judge_metric(normal(10.0, seed=3), holes).classification is Classification.PASS
    replaced = judge_metric(normal(10.0, seed=3), holes, nan_strategy="replace")
    assert replaced.ratio < 0.75


def test_outliers_are_kept_unless_they_are_to_go() -> None:
    spiky = normal(10.0, 0.1, 200)
    spiky[:1] = 1e6
    assert judge_metric(normal(10.0, 0.1, 200, seed=4), spiky).ratio > 100
    assert judge_metric(normal(10.0, 0.1, 200, seed=4), spiky, outliers="remove").ratio == pytest.approx(1, abs=0.01)


def test_identical_and_constant_arms() -> None:
    values = normal(10.0)
    assert judge_metric(values, values[::-1]).classification is Classification.PASS
    assert judge_metric([5.0] * 9, [5.0] * 4).classification is Classification.PASS
    constant = judge_metric([5.0] * 30, [9.0] * 30, seed=1)
    assert constant.classification is Classification.HIGH
    assert constant == judge_metric([5.0] * 30, [9.0] * 30, seed=1)


def test_defects_are_kept() -> None:
    # Two points a side that do not overlap are enough.
    assert judge_metric([1.0, 2.0], [3.0, 4.0]).classification is Classification.HIGH
    # A baseline without errors: no effect size, and any count is high.
    few = judge_metric([0.0] * 30, [0.0] * 10 + [1.0] * 20, effect_size=EffectSize(allowed_increase=100))
    assert few.classification is Classification.HIGH
    assert math.isnan(few.ratio)
    # A twentieth of a per cent is high as well.
    tiny = judge_metric(normal(100.0, 0.1, 400), normal(100.05, 0.1, 400, seed=5))
    assert tiny.classification is Classification.HIGH


@pytest.mark.parametrize(
    ("options", "says"),
    [({"direction": "up"}, "direction is .up.*increase"), ({"nan_strategy": "drop"}, "nan_strategy is .drop.*remove")],
)
def test_names_are_checked(options: dict[str, str], says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        judge_metric([1.0], [2.0], **options)
    with pytest.raises(ParameterError, match="no numbers"):
        judge_metric(["a"], [2.0])


@given(
    st.lists(st.floats(0.1, 1e3), min_size=4, max_size=30),
    st.lists(st.floats(0.1, 1e3), min_size=4, max_size=30),
    st.integers(0, 9),
)
def test_the_order_of_values_never_matters(first: list[float], second: list[float], seed: int) -> None:
    mixed = np.random.default_rng(seed).permutation(second)
    assert judge_metric(first, second).classification == judge_metric(first, mixed).classification


def of(kind: str, *groups: str, critical: bool = False, muted: bool = False) -> Metric:
    result = MetricResult(Classification(kind), 1.0, 1.0, None, critical, "")
    return Metric(f"{kind}-{groups}", result, groups or ("all",), muted)


@pytest.mark.parametrize(
    ("metrics", "weights", "value", "summary"),
    [
        ([of("Pass")], {}, 100.0, "Pass"),
        ([of("High")], {}, 0.0, "Fail"),
        ([of("Pass"), of("High")], {}, 50.0, "Fail"),
        ([of("Pass"), of("High"), of("Low")], {}, 33.33, "Fail"),
        ([of("Pass", "a"), of("Pass", "a"), of("High", "b")], {"a": 75, "b": 25}, 75.0, "Marginal"),
        ([of("Pass", "a"), of("High", "a"), of("High", "b")], {"a": 50, "b": 50}, 25.0, "Fail"),
        ([of("Nodata")], {}, 0.0, "Fail"),
        ([of("Pass"), of("High", critical=True)], {}, 0.0, "Fail"),
        ([of("Low"), of("Pass", critical=True)], {}, 50.0, "Fail"),
        ([of("Pass"), of("High", muted=True)], {}, 100.0, "Pass"),
        ([of("Pass"), of("Nodata")], {}, 0.0, "Fail"),
        ([of("Pass"), of("Pass"), of("NodataFailMetric")], {}, 66.67, "Fail"),
        # Kept: metrics that all end in an error pass, and the weight of an absent group is lost.
        ([of("Error")], {}, 100.0, "Pass"),
        ([of("Pass", "a")], {"a": 50, "b": 50}, 50.0, "Fail"),
        ([of("Pass", "a"), of("High", "b"), of("Pass", "c")], {"a": 40}, 70.0, "Fail"),
    ],
)
def test_scores(metrics: list[Metric], weights: dict[str, float], value: float, summary: str) -> None:
    found = score(metrics, weights)
    assert found.value == pytest.approx(value, abs=0.01)
    assert found.summary == summary


def test_thresholds_are_the_callers() -> None:
    metrics = [of("Pass"), of("Pass"), of("Pass"), of("High")]
    assert score(metrics, pass_at=75, marginal_at=50).summary is Summary.PASS
    assert score(metrics, pass_at=80, marginal_at=75).summary is Summary.MARGINAL
    with pytest.raises(ParameterError, match="thresholds"):
        score(metrics, pass_at=50, marginal_at=60)
