"""The rate of the load over time: what it integrates to, and that arrivals follow it."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from meshlab.errors import ParameterError
from meshlab.lab.scenario import Scenario
from meshlab.lab.shapes import Rate, arrivals
from meshlab.lab.specs.load import Form, Shape

UNTIL_S = 300.0


def step(at_s: float, per_s: float) -> Shape:
    return Shape(form=Form.STEP, start_s=at_s, rate_per_s=per_s)


def ramp(begin_s: float, end_s: float, per_s: float) -> Shape:
    return Shape(form=Form.RAMP, start_s=begin_s, end_s=end_s, rate_per_s=per_s)


def spike(begin_s: float, end_s: float, per_s: float) -> Shape:
    return Shape(form=Form.SPIKE, start_s=begin_s, end_s=end_s, rate_per_s=per_s)


def wave(begin_s: float, amplitude: float, period_s: float) -> Shape:
    return Shape(form=Form.WAVE, start_s=begin_s, amplitude=amplitude, period_s=period_s)


SECONDS = st.integers(0, 200).map(float)
RATES = st.integers(0, 100).map(float)
SHAPES = st.lists(
    st.one_of(
        st.builds(step, SECONDS, RATES),
        st.builds(lambda begin, length, per_s: ramp(begin, begin + length, per_s), SECONDS, st.integers(1, 60), RATES),
        st.builds(lambda begin, length, per_s: spike(begin, begin + length, per_s), SECONDS, st.integers(1, 60), RATES),
        st.builds(wave, SECONDS, st.floats(0, 1), st.integers(10, 100).map(float)),
    ),
    max_size=4,
).map(lambda shapes: tuple(sorted(shapes, key=lambda shape: shape.start_s)))


def test_each_form_does_what_it_says() -> None:
    stepped = Rate(10, (step(20, 30),), UNTIL_S)
    assert [stepped.at(at) for at in (0, 19.9, 20, 250)] == [10, 10, 30, 30]
    ramped = Rate(10, (ramp(20, 40, 30),), UNTIL_S)
    assert [ramped.at(at) for at in (10, 30, 40, 250)] == pytest.approx([10, 20, 30, 30])
    spiked = Rate(10, (spike(20, 40, 30),), UNTIL_S)
    assert [spiked.at(at) for at in (10, 20, 39.9, 40, 250)] == [10, 30, 30, 10, 10]
    waved = Rate(10, (wave(20, 0.5, 40),), UNTIL_S)
    assert [waved.at(at) for at in (10, 30, 50, 60)] == pytest.approx([10, 15, 5, 10], abs=0.02)


def test_shapes_follow_one_another() -> None:
    rate = Rate(15, (ramp(60, 180, 100), ramp(270, 330, 25)), UNTIL_S)
    assert [rate.at(at) for at in (0, 120, 200, 300, 400)] == pytest.approx([15, 57.5, 100, 62.5, 25])


@given(RATES.filter(bool), SHAPES, st.floats(0, 299))
def test_what_is_expected_is_the_integral_of_the_rate(base: float, shapes: tuple[Shape, ...], at_s: float) -> None:
    rate = Rate(base, shapes, UNTIL_S)
    edges = sorted({0.0, at_s, *(e for s in shapes for e in (s.start_s, s.end_s) if e < at_s)})
    area = 0.0
    for begin, end in itertools.pairwise(edges):
        middles = begin + (np.arange(500) + 0.5) / 500 * (end - begin)
        area += float(np.mean([rate.at(middle) for middle in middles])) * (end - begin)
    assert rate.expected(at_s) == pytest.approx(area, rel=2e-3, abs=0.05)


@given(RATES.filter(bool), SHAPES, st.floats(0.01, 299))
def test_when_is_the_inverse_of_expected(base: float, shapes: tuple[Shape, ...], at_s: float) -> None:
    rate = Rate(base, shapes, UNTIL_S)
    expected = rate.expected(at_s)
    assert rate.expected(rate.when(expected)) == pytest.approx(expected, abs=1e-6, rel=1e-9)
    if rate.at(at_s) > 0.5:
        assert rate.when(expected) == pytest.approx(at_s, abs=1e-3)


def test_arrivals_follow_the_rate() -> None:
    rate = Rate(20, (ramp(50, 150, 80), wave(0, 0.4, 40)), UNTIL_S)
    times = itertools.takewhile(lambda at: at < 200, arrivals(rate.when, random.Random(5)))
    seen = Counter(int(at // 10) for at in times)
    counted = np.array([seen[block] for block in range(20)], float)
    wanted = np.diff([rate.expected(10.0 * block) for block in range(21)])
    assert chisquare(counted, wanted * counted.sum() / wanted.sum()).pvalue > 0.001
    assert abs(counted.sum() - wanted.sum()) < 5 * wanted.sum() ** 0.5


def test_the_same_seed_gives_the_same_process_under_every_shape() -> None:
    flat, steep = Rate(10, (), UNTIL_S), Rate(10, (step(5, 50),), UNTIL_S)
    both = [itertools.islice(arrivals(rate.when, random.Random(9)), 200) for rate in (flat, steep)]
    one, other = (np.array(list(times)) for times in both)
    assert [flat.expected(at) for at in one] == pytest.approx([steep.expected(at) for at in other])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('form = "cliff"\nstart_s = 1', "form is 'cliff'.*ramp"),
        ('form = "ramp"\nstart_s = 10\nend_s = 5\nrate_per_s = 3', "not after its start"),
        ('form = "spike"\nstart_s = 10\nrate_per_s = 3', "a spike of the load needs end_s"),
        ('form = "step"\nstart_s = 10\nrate_per_s = -3', "rate_per_s is -3.*from 0 to 5000"),
        ('form = "wave"\nstart_s = 10\namplitude = 2\nperiod_s = 60', "amplitude is 2.*from 0 to 1"),
        ('form = "step"\nstart_s = 10\nrate_per_s = 3\nend_s = 4', "end_s"),
    ],
)
def test_a_shape_that_is_none_is_named(text: str, says: str) -> None:
    mesh = 'description = "x"\nduration_s = 60\n[workloads.a]\nservice = "a"\nversion = "v1"\n[load]\ntarget = "a"\n'
    with pytest.raises(ParameterError, match=f"(?s){says}"):
        Scenario.parse("mine", f"{mesh}rate_per_s = 5\n[[load.shape]]\n{text}\n")
