"""Evidence on shares: hand-made values, validity under the null, power, drift, zeros."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.stats.blocks import Blocks
from meshlab.stats.shares import Margin, difference_interval, log_evidence_below

MARGIN = Margin(absolute=0.005, relative=0.5)


def draw(rng: np.random.Generator, shares_b: object, shares_c: object, n_b: int, n_c: int, blocks: int = 40) -> Blocks:
    total_b, total_c = rng.poisson(n_b, blocks), rng.poisson(n_c, blocks)
    return Blocks.of(rng.binomial(total_b, shares_b), total_b, rng.binomial(total_c, shares_c), total_c)


def test_margin_is_the_larger_of_the_two() -> None:
    assert MARGIN.of(0.001) == 0.005
    assert MARGIN.of(0.02) == pytest.approx(0.01)


@given(
    b=st.floats(0.001, 0.3),
    excess=st.floats(1, 3),
    alternative=st.tuples(st.floats(0.002, 0.6), st.floats(0.002, 0.9)),
    totals=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_one_block_has_mean_at_most_one_under_the_null(
    b: float, excess: float, alternative: tuple[float, float], totals: tuple[int, int]
) -> None:
    """Exact expectation over all outcomes of a block, for a null point and what was shown in the block before."""
    c = min(b + excess * MARGIN.of(b), 1.0)
    n_b, n_c = totals
    past = 1000
    mean, before = 0.0, None
    for k_b in range(n_b + 1):
        for k_c in range(n_c + 1):
            probability = _binomial(k_b, n_b, b) * _binomial(k_c, n_c, c)
            blocks = Blocks.of(
                [round(past * alternative[0]), k_b], [past, n_b], [round(past * alternative[1]), k_c], [past, n_c]
            )
            logs = log_evidence_below(blocks, MARGIN)
            before = logs[0]
            mean += probability * np.exp(logs[-1])
    assert before is not None
    assert mean <= np.exp(before) * (1 + 1e-6)


def _binomial(k: int, n: int, p: float) -> float:
    from math import comb

    return comb(n, k) * p**k * (1 - p) ** (n - k)


def test_false_passes_stay_below_alpha_although_every_look_counts() -> None:
    """On the margin, with a drifting error level that both arms share."""
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(400):
        level = 0.02 * np.exp(0.5 * np.cumsum(rng.normal(0, 0.2, 40)))
        blocks = draw(rng, np.minimum(level, 0.3), np.minimum(level + np.maximum(0.5 * level, 0.005), 0.6), 1700, 560)
        wrong += log_evidence_below(blocks, MARGIN).max() >= np.log(1 / 0.05)
    assert wrong <= 20 + 3 * np.sqrt(20)


def test_an_equal_share_passes() -> None:
    rng = np.random.default_rng(1)
    equal = [log_evidence_below(draw(rng, 0.01, 0.01, 1700, 560), MARGIN)[-1] for _ in range(100)]
    assert np.mean(np.array(equal) > np.log(50)) > 0.9


def test_zero_errors_pass_once_the_bound_is_below_the_margin() -> None:
    few = Blocks.of([0] * 10, [100] * 10, [0] * 10, [30] * 10)
    many = Blocks.of([0] * 40, [1700] * 40, [0] * 40, [560] * 40)
    assert log_evidence_below(few, MARGIN)[-1] < np.log(50)
    assert log_evidence_below(many, MARGIN)[-1] > np.log(50)


def test_no_blocks_and_an_arm_without_requests_say_nothing() -> None:
    nothing = Blocks.of([], [], [], [])
    assert len(log_evidence_below(nothing, MARGIN)) == 0
    idle = Blocks.of([1, 2], [100, 100], [0, 0], [0, 0])
    assert np.all(log_evidence_below(idle, MARGIN) <= 0)
    lower, upper = difference_interval(idle, 0.02)
    assert lower[-1] == -1
    assert upper[-1] == 1


@pytest.mark.parametrize(("b", "c"), [(0.01, 0.03), (0.0, 0.0), (0.5, 0.52), (0.002, 0.002), (1.0, 1.0)])
def test_interval_holds_the_true_difference_at_all_looks(b: float, c: float) -> None:
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(60):
        lower, upper = difference_interval(draw(rng, b, c, 1700, 560), 0.1)
        assert np.all(lower <= upper)
        missed += bool((lower > c - b).any() or (upper < c - b).any())
    assert missed <= 12


def test_deflation_weakens_the_evidence() -> None:
    rng = np.random.default_rng(5)
    blocks = draw(rng, 0.01, 0.01, 1700, 560)
    assert log_evidence_below(blocks, MARGIN, 4.0)[-1] < log_evidence_below(blocks, MARGIN)[-1] / 2
