"""Holm's method with stakes, and the verdict of one metric."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from meshlab.core.results import Verdict
from meshlab.errors import ParameterError
from meshlab.questions.canary import CanarySettings
from meshlab.questions.canary.multiple_testing import failing_metrics, metric_verdict

STAKES = {"errors": 0.5, "latency": 0.25, "slow": 0.25}


def test_a_metric_falls_at_its_stake() -> None:
    need = math.log(1 / (0.02 * 0.25))
    assert failing_metrics({"errors": 0.0, "latency": need - 0.01, "slow": 0.0}, STAKES, 0.02) == frozenset()
    assert failing_metrics({"errors": 0.0, "latency": need + 0.01, "slow": 0.0}, STAKES, 0.02) == {"latency"}


def test_a_fallen_metrics_stake_goes_to_those_that_are_left() -> None:
    # Alone, errors would need log(1 / 0.01); with latency fallen the stake is two thirds of alpha.
    enough = math.log(1 / (0.02 * 2 / 3)) + 0.01
    assert enough < math.log(1 / 0.01)
    assert failing_metrics({"errors": enough, "latency": 0.0, "slow": 0.0}, STAKES, 0.02) == frozenset()
    assert failing_metrics({"errors": enough, "latency": 99.0, "slow": 0.0}, STAKES, 0.02) == {"latency", "errors"}


def test_what_is_not_measured_has_no_stake() -> None:
    assert failing_metrics({"errors": math.log(1 / 0.02) + 0.01}, STAKES, 0.02) == {"errors"}
    assert failing_metrics({}, STAKES, 0.02) == frozenset()


def test_one_metric() -> None:
    told = {(f, t): metric_verdict(failing=f, tolerated=t) for f in (True, False) for t in (True, False)}
    assert told[True, False] is Verdict.FAIL
    assert told[True, True] is Verdict.WARN
    assert told[False, True] is Verdict.PASS
    assert told[False, False] is Verdict.INCONCLUSIVE


def test_the_shipped_file_is_the_default() -> None:
    shipped = Path(__file__).parents[3] / "meshlab/questions/canary/policy.toml"
    assert CanarySettings.of(policy_file=str(shipped)).changed(policy_file="") == CanarySettings()


def test_a_policy_file_sets_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "strict.toml"
    path.write_text("alpha = 0.01\nslo_ms = [250, 1000]\n[stakes]\nerrors = 0.6\nlatency = 0.2\n")
    settings = CanarySettings.of(policy_file=str(path), block_s=30, warm_up_s=60)
    assert (settings.alpha, settings.block_s, settings.edges_ms) == (0.01, 30, (250.0, 1000.0))
    assert settings.stakes.parts() == {"errors": 0.6, "latency": 0.2, "slow": 0.1, "segments": 0.1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alhpa = 0.01", "did you mean alpha"),
        ("alpha = ", "is no TOML"),
        ("alpha = 2", "at most 0.5"),
        ("slo_ms = [-1]", r"slo_ms.* above 0"),
        ("[stakes]\nerrors = 0.9", "add up to 1.2"),
        ("[stakes]\nerror = 0.9", "did you mean errors"),
        ("warm_up_s = -1", "warm_up_s"),
    ],
)
def test_a_bad_policy_file_is_said_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=said):
        CanarySettings.of(policy_file=str(path))
    with pytest.raises(ParameterError, match="cannot be read"):
        CanarySettings.of(policy_file=str(tmp_path / "none.toml"))
