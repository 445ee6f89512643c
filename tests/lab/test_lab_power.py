"""Power: against hand calculation, simulation and known limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import betaln
from scipy.stats import norm

from meshlab.lab.power import Design, margin, power
from meshlab.lab.scenario import Scenario
from meshlab.lab.truth import scenario_truth

DESIGN = Design(baseline_error_share=0.01, canary_error_share=0.03, canary_share=0.25, requests=150 * 600, alpha=0.02)


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 0.005), (0.01, 0.005), (0.02, 0.01), (0.10, 0.05)])
def test_margin_is_half_a_point_or_half_the_share(share: float, wanted: float) -> None:
    assert margin(share) == pytest.approx(wanted)


def test_fixed_sample_power_by_hand() -> None:
    design = replace(DESIGN, canary_share=0.1, requests=20_000)
    n_canary, n_baseline = 2_000, 18_000
    p, bound = 0.01, 0.015
    under_null = math.sqrt(bound * (1 - bound) / n_canary + p * (1 - p) / n_baseline)
    as_set = math.sqrt(p * (1 - p) / n_canary + p * (1 - p) / n_baseline)
    by_hand = norm.cdf((bound - p - norm.isf(0.02) * under_null) / as_set)
    assert power(design)["pass_when_identical"]["fixed"] == pytest.approx(by_hand, abs=2e-4)


def test_anytime_power_by_simulation() -> None:
    design = replace(DESIGN, canary_share=0.1)
    rng = np.random.default_rng(1)
    errors_canary = rng.poisson(9_000 * 0.01, 20_000)
    errors_baseline = rng.poisson(81_000 * 0.01, 20_000)
    w = 0.1 * 0.015 / (0.1 * 0.015 + 0.9 * 0.01)
    a, b = 100 * w, 100 * (1 - w)
    log_e = betaln(errors_canary + a, errors_baseline + b) - betaln(a, b)
    log_e -= errors_canary * math.log(w) + errors_baseline * math.log1p(-w)
    below = errors_canary < w * (errors_canary + errors_baseline)
    simulated = np.mean(below & (log_e >= math.log(1 / 0.02)))
    assert power(design)["pass_when_identical"]["anytime"] == pytest.approx(simulated, abs=0.015)


def test_the_bundled_design_is_strong_enough_and_a_smaller_split_is_not() -> None:
    found = power(DESIGN)
    assert found["canary_requests"] == 22_500
    assert found["pass_when_identical"]["fixed"] > 0.999
    assert 0.97 < found["pass_when_identical"]["anytime"] < 0.995
    assert found["fail_as_set"]["anytime"] > 0.999
    assert power(replace(DESIGN, canary_share=0.1))["pass_when_identical"]["anytime"] < 0.75


def test_freedom_to_look_costs_power() -> None:
    for share in (0.05, 0.1, 0.25, 0.5):
        found = power(replace(DESIGN, canary_share=share, requests=30_000))["pass_when_identical"]
        assert found["anytime"] < found["fixed"]


def test_a_canary_within_the_margin_ought_not_to_fail() -> None:
    assert power(replace(DESIGN, canary_error_share=0.014))["fail_as_set"] is None


def test_a_baseline_without_errors_leaves_the_conditional_test_silent() -> None:
    found = power(replace(DESIGN, baseline_error_share=0.0, canary_error_share=0.02))
    assert found["pass_when_identical"]["anytime"] is None
    assert found["fail_as_set"]["anytime"] is None
    assert found["fail_as_set"]["fixed"] > 0.99


def test_truth_says_what_less_would_give() -> None:
    truth = scenario_truth(Scenario.named("canary-regression"), seed=3, duration_s=600)
    assert truth["seed"] == 3
    assert truth["power"]["aim_reached"]
    assert set(truth["power"]["other_designs"]) == {"half the duration", "a split of 10%"}
    short = scenario_truth(Scenario.named("canary-regression"), seed=3, duration_s=60)
    assert not short["power"]["aim_reached"]


def test_truth_says_when_there_is_nothing_to_compare() -> None:
    truth = scenario_truth(Scenario.named("canary-regression", ["split.catalog.v2=0"]), seed=3, duration_s=600)
    assert "nothing to compare" in truth["power"]["note"]
