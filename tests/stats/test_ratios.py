"""Evidence about the ratio of two rates: fair against every null, quick where there is something to find."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from meshlab.stats.blocks import Blocks
from meshlab.stats.ratios import log_ratio_above, log_ratio_below, ratio_interval


def expected(test: str, factor: float, ratio: float, part: float, events: int) -> float:
    """The mean of one block's evidence, over all ways in which its events may fall."""
    counts = np.arange(events + 1)
    share = part * ratio / (part * ratio + 1 - part)
    evidence = log_ratio_above if test == "above" else log_ratio_below
    logs = [float(evidence(Blocks.of([events - k], [1e6 * (1 - part)], [k], [1e6 * part]), factor)[-1]) for k in counts]
    return float((binom.pmf(counts, events, share) * np.exp(logs)).sum())


@given(st.floats(0.5, 3), st.floats(0.05, 1), st.floats(0.02, 0.9), st.integers(1, 25))
def test_no_null_gains(factor: float, part_of_factor: float, part: float, events: int) -> None:
    below = factor * part_of_factor
    assert expected("above", factor, below, part, events) <= 1 + 1e-9
    assert expected("below", factor, factor / part_of_factor, part, events) <= 1 + 1e-9


@pytest.mark.parametrize("test", ["above", "below"])
def test_on_the_margin_the_game_is_fair(test: str) -> None:
    assert expected(test, 1.5, 1.5, 0.2, 20) == pytest.approx(1.0, abs=1e-9)


def blocks(ratio: float, seed: int, minutes: int = 60, per_minute: int = 2000) -> Blocks:
    rng = np.random.default_rng(seed)
    # Load and level drift, for both arms alike.
    wave = 1 + 0.5 * np.sin(np.arange(minutes) / 7)
    level = 0.01 * np.exp(np.cumsum(rng.normal(0, 0.1, minutes)))
    totals = rng.poisson(per_minute * 0.9 * wave), rng.poisson(per_minute * 0.1 * wave)
    events = [rng.binomial(n, np.minimum(level * r, 1)) for n, r in zip(totals, (1, ratio), strict=True)]
    return Blocks.of(events[0], totals[0], events[1], totals[1])


def test_drift_that_both_share_raises_no_alarm() -> None:
    highest = [log_ratio_above(blocks(1.0, seed), 1.1).max() for seed in range(300)]
    assert sum(high >= math.log(1 / 0.02) for high in highest) <= 12


def test_what_is_there_is_found() -> None:
    found = [log_ratio_above(blocks(3.0, seed), 1.1)[19] for seed in range(40)]
    assert min(found) > math.log(1 / 0.01)
    equal = [log_ratio_below(blocks(1.0, seed, per_minute=20_000), 1.5)[-1] for seed in range(40)]
    assert min(equal) > math.log(1 / 0.01)


def test_blocks_without_requests_of_an_arm_and_without_events_say_nothing() -> None:
    silent = Blocks.of([0, 5, 0, 3], [100, 0, 100, 50], [0, 1, 4, 0], [10, 10, 0, 5])
    logs = log_ratio_above(silent, 1.1)
    assert logs[0] == pytest.approx(0)
    assert logs[1] == pytest.approx(0)
    assert logs[2] == pytest.approx(0)
    assert logs[3] < 0
    assert len(log_ratio_above(Blocks.of([], [], [], []), 1.1)) == 0


def test_bursts_deflate() -> None:
    bad = blocks(2.0, 1)
    assert log_ratio_above(bad, 1.1, phi=3.0)[-1] < log_ratio_above(bad, 1.1)[-1] / 2


def test_an_arm_that_turns_bad_late_is_found() -> None:
    rng = np.random.default_rng(2)
    shares = np.where(np.arange(120) < 105, 0.01, 0.06)
    late = Blocks.of(rng.binomial(1700, 0.01, 120), [1700] * 120, rng.binomial(560, shares), [560] * 120)
    logs = log_ratio_above(late, 1.03)
    assert logs[104] < math.log(100)
    assert logs[-1] > math.log(100)


@pytest.mark.parametrize(("ratio", "per_minute"), [(1.0, 2000), (3.0, 2000), (0.4, 20_000)])
def test_the_interval_holds_the_ratio(ratio: float, per_minute: int) -> None:
    found = [ratio_interval(blocks(ratio, seed, per_minute=per_minute), 0.1) for seed in range(60)]
    assert sum(not low <= ratio <= high for low, high in found) <= 6
    assert all(low > 0 and math.isfinite(high) for low, high in found)


def test_the_interval_of_nothing_is_everything() -> None:
    assert ratio_interval(Blocks.of([], [], [], []), 0.02) == (0.0, math.inf)
    assert ratio_interval(Blocks.of([0], [1000], [0], [1000]), 0.02) == (0.0, math.inf)
    low, high = ratio_interval(Blocks.of([0] * 40, [1000] * 40, [5] * 40, [1000] * 40), 0.02)
    assert low > 3
    assert high == math.inf
