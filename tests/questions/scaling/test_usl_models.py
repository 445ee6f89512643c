from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from meshlab.questions.scaling.usl import fit
from meshlab.questions.scaling.usl.models import capacity

LEVELS = np.linspace(1, 40, 24)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("linear", LEVELS),
        ("capacity", np.minimum(LEVELS, 16)),
        ("amdahl", LEVELS / (1 + 0.1 * (LEVELS - 1))),
        ("usl", LEVELS / (1 + 0.03 * (LEVELS - 1) + 1e-3 * LEVELS * (LEVELS - 1))),
    ],
)
def test_each_model_is_chosen_for_its_own_data(name, shape):
    rng = np.random.default_rng(0)
    chosen = [fit(LEVELS, 100 * shape * (1 + 0.02 * rng.normal(size=24))).choice.chosen for _ in range(50)]
    # A kink may be anywhere, so a line is left for one a little more often than AICc supposes.
    assert chosen.count(name) >= (40 if name == "linear" else 47)


def test_a_capacity_limit_has_its_concurrency_and_service_time():
    choice = fit(LEVELS, np.minimum(LEVELS, 16) / 0.05).choice
    assert not choice.rivals
    assert dict(choice.candidate("capacity").parameters) == pytest.approx({"limit": 16.0, "seconds": 0.05}, rel=1e-6)


def test_the_closed_form_of_the_capacity_limit_is_the_least_squares_one():
    rng = np.random.default_rng(1)
    for _ in range(20):
        n = np.sort(rng.uniform(0.5, 30, 15))
        x, w = np.minimum(n, 12) * 9 + rng.normal(size=15) * 8, rng.uniform(0.5, 2, 15)

        def cost(c, n=n, x=x, w=w):
            shape = np.minimum(n, c)
            rate = (w * shape) @ x / ((w * shape) @ shape)
            return w @ (x - rate * shape) ** 2

        starts = np.linspace(n[0], n[-1], 60)
        best = min(minimize_scalar(cost, bounds=(a, b), method="bounded").fun for a, b in pairwise(starts))
        assert capacity(n[None], x[None], w[None])[2][0] <= best * (1 + 1e-6)


def test_models_that_nobody_can_tell_apart_are_named():
    rng = np.random.default_rng(2)
    choice = fit(LEVELS, LEVELS / (1 + 0.002 * (LEVELS - 1)) * (1 + 0.05 * rng.normal(size=24))).choice
    assert choice.chosen == "linear"
    assert choice.rivals
    assert sum(one.weight for one in choice.candidates) == pytest.approx(1.0)


def test_a_larger_model_never_fits_worse():
    rng = np.random.default_rng(3)
    for _ in range(50):
        squares = {one.name: one.squares for one in fit(LEVELS, rng.uniform(0, 9, 24)).choice.candidates}
        assert squares["usl"] <= squares["amdahl"] * (1 + 1e-12)
        assert squares["amdahl"] <= squares["linear"] * (1 + 1e-12)
        assert squares["capacity"] <= squares["linear"] * (1 + 1e-9)
