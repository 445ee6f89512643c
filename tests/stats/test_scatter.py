"""Scatter of counts: bursts are told from independent events, at every look."""

from __future__ import annotations

import numpy as np
import pytest

from meshlab.stats.blocks import Blocks
from meshlab.stats.scatter import at_every_look, deflation, dispersion


def drawn(shares_c: object, seed: int = 4) -> Blocks:
    rng = np.random.default_rng(seed)
    total_b, total_c = rng.poisson(1700, 40), rng.poisson(560, 40)
    return Blocks.of(rng.binomial(total_b, 0.02), total_b, rng.binomial(total_c, shares_c), total_c)


def bursts() -> Blocks:
    return drawn(np.random.default_rng(9).choice([0.005, 0.08], 40, p=[0.8, 0.2]))


def test_bursts_are_told_from_independent_events() -> None:
    calm, degrees = dispersion(drawn(0.02))
    assert 0.5 < calm[-1] < 1.6
    assert degrees[-1] == 39
    burst = np.zeros(40)
    burst[20] = 500
    alone = Blocks.of(np.zeros(40), np.full(40, 1700), burst, np.full(40, 560))
    assert dispersion(alone)[0][-1] > 100, "one burst of one arm, and nothing of the other"
    assert dispersion(bursts())[0][-1] > 3
    assert np.isnan(dispersion(Blocks.of([0], [10], [0], [10]))[0][0])


def test_a_look_knows_no_more_than_what_was_seen_by_then() -> None:
    blocks = bursts()
    phi, degrees = dispersion(blocks)
    for look in (5, 17, 39):
        part = Blocks(*(x[: look + 1] for x in (blocks.events_b, blocks.total_b, blocks.events_c, blocks.total_c)))
        early, fewer = dispersion(part)
        assert early[-1] == pytest.approx(phi[look])
        assert fewer[-1] == degrees[look]


def test_only_what_is_beyond_doubt_deflates() -> None:
    calm = [deflation(drawn(0.02, seed))[-1] for seed in range(200)]
    assert sum(phi > 1 for phi in calm) <= 3
    late = deflation(bursts())[-1]
    assert late >= dispersion(bursts())[0][-1] > late / 1.11


def test_each_look_has_the_deflation_of_its_time() -> None:
    found = at_every_look(lambda phi: np.full(4, 12.0) / phi, np.array([1.0, 2.0, 1.0, 4.0]))
    assert found.tolist() == [12.0, 6.0, 12.0, 3.0]
    assert len(at_every_look(lambda phi: np.empty(0), np.empty(0))) == 0
