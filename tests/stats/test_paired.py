from __future__ import annotations

import numpy as np
import pytest

from meshlab.stats.paired import half_width, log_evidence_above, mean_interval


def test_interval_covers_at_all_looks_whatever_the_scale() -> None:
    rng = np.random.default_rng(0)
    for scale in (1e-3, 1.0, 50.0):
        _, lower, upper = mean_interval(rng.normal(2.0, scale, (60, 4000)), 0.05)
        assert np.mean(((lower > 2.0) | (upper < 2.0)).any(axis=0)) <= 0.05


def test_bounds_are_where_the_bayes_factor_meets_the_level() -> None:
    """The closed form against the Bayes factor itself, evaluated at the bound."""
    rng = np.random.default_rng(1)
    x, alpha = rng.normal(0.3, 1, 30), 0.02
    _, lower, _ = mean_interval(x, alpha)
    n = len(x)
    t2 = n * (x.mean() - lower[-1]) ** 2 / x.var(ddof=1)
    nu = n - 1
    factor = (1 + n) ** -0.5 * ((1 + t2 / nu) / (1 + t2 / (nu * (1 + n)))) ** (n / 2)
    assert factor == pytest.approx(1 / alpha, rel=1e-9)


def test_too_few_blocks_bound_nothing() -> None:
    _, lower, upper = mean_interval([0.1, 0.2, 0.15], 0.02)
    assert np.isinf(lower[:2]).all()
    assert np.isinf(upper[:2]).all()
    assert len(mean_interval([], 0.02)[0]) == 0


def test_constant_differences_bound_nothing() -> None:
    _, lower, upper = mean_interval(np.full(50, 0.25), 0.02)
    assert np.isinf(lower).all()
    assert np.isinf(upper).all()


def test_the_evidence_is_what_the_interval_inverts() -> None:
    x = np.random.default_rng(1).normal(0.3, 0.5, 40)
    _, lower, _ = mean_interval(x, 0.02)
    at = np.flatnonzero(np.isfinite(lower))
    assert len(at) > 30
    for look in at:
        assert log_evidence_above(x, float(lower[look]))[look] == pytest.approx(np.log(1 / 0.02))


def test_nothing_speaks_for_a_mean_above_what_was_seen_or_for_blocks_that_do_not_differ() -> None:
    x = np.random.default_rng(1).normal(0.3, 0.5, 40)
    assert log_evidence_above(x, 5.0)[-1] == 0
    assert np.all(log_evidence_above(np.full(20, 0.25)) == 0)
    assert len(log_evidence_above([])) == 0


def test_half_the_width_in_standard_deviations() -> None:
    x = np.random.default_rng(2).normal(0, 1, 30)
    mean, _, upper = mean_interval(x, 0.05)
    assert half_width(30, 0.05) * x.std() == pytest.approx(upper[-1] - mean[-1])
    assert half_width(1, 0.05) == np.inf
