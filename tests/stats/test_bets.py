"""The stakes add up to one, and so does what they are worth before anything is seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from meshlab.stats.bets import beyond, settled


def test_the_stakes_add_up_to_one() -> None:
    distance, weight = beyond()
    assert logsumexp(weight) == pytest.approx(0)
    assert np.all(np.diff(distance) > 0)
    assert distance[0] > 0


def test_bets_that_win_nothing_keep_their_stake() -> None:
    _, weight = beyond()
    assert settled(np.zeros((7, len(weight))), weight) == pytest.approx(np.zeros(7))


def test_a_late_gain_counts_although_much_was_lost_before() -> None:
    _, weight = beyond()
    logs = np.full((60, len(weight)), -2.0)
    logs[50:] = 3.0
    # From block 50 on each bet won 10 * 3; the part of the stake that started there is 0.05 / (51 * 52).
    assert settled(logs, weight)[-1] >= 30 + np.log(0.05 / (51 * 52)) - 1e-9


def test_the_mean_of_a_fair_game_is_one() -> None:
    rng = np.random.default_rng(3)
    weight = np.log([0.5, 0.5])
    # Likelihood ratios of a coin with 0.6 and 0.8 against a fair one.
    heads = rng.random((40_000, 6)) < 0.5
    total = 0.0
    for toss in heads:
        logs = np.where(toss[:, None], np.log([1.2, 1.6]), np.log([0.8, 0.4]))
        total += np.exp(settled(logs, weight)[-1])
    assert total / len(heads) == pytest.approx(1.0, abs=0.05)
