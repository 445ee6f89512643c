"""The autoscaler's algorithm against the cases that the Kubernetes controller is tested with, and against its promises.

The inputs and expected replicas of the tables are facts of kubernetes/kubernetes,
pkg/controller/podautoscaler/replica_calculator_test.go and horizontal_test.go.
"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshlab.errors import ParameterError
from meshlab.questions.scaling.hpa import (
    Behaviour,
    Decision,
    Event,
    History,
    HpaSpec,
    NoMetrics,
    Pod,
    PolicyType,
    Reason,
    Sample,
    ScalingPolicy,
    ScalingRules,
    SelectPolicy,
    Tolerance,
    average_replicas,
    decide,
    per_pod_replicas,
    resource_replicas,
    value_replicas,
)

TENTH = Tolerance()
NOW = 10_000.0


def pods(count: int, *, ready: str = "", requests: list[int] | None = None, failed: str = "") -> list[Pod]:
    """Old pods; a letter each: y(es), n(o): not ready since shortly after its start; f(ailed)."""
    found = []
    for number in range(count):
        letter = (ready or "y" * count)[number]
        found.append(
            Pod(
                f"pod-{number}",
                ready=letter == "y",
                started_s=0.0,
                changed_s=10.0 if letter == "n" else 100.0,
                failed=letter == "f",
                request=(requests or [1000] * count)[number],
            )
        )
    return found


def samples(*values: int) -> dict[str, Sample]:
    return {f"pod-{number}": Sample(value) for number, value in enumerate(values)}


@pytest.mark.parametrize(
    ("current", "ready", "values", "target", "wanted"),
    [
        (3, "yyy", (300, 500, 700), 30, 5),
        (3, "nyy", (300, 500, 700), 30, 4),
        (3, "ynn", (400, 500, 700), 30, 3),
        (2, "yyff", (500, 700), 30, 4),
        (5, "yyyyy", (100, 300, 500, 250, 250), 50, 3),
        (5, "yyynn", (100, 300, 500, 250, 250), 50, 2),
        (4, "yyyy", (4000, 9500, 3000, 7000, 3200, 2000), 100, 24),
        (4, "yyyy", (400, 95), 100, 3),
        (2, "yy", (1000,), 100, 2),
        (2, "yy", (1900,), 100, 2),
        (2, "yy", (600,), 100, 2),
    ],
)
def test_utilisation_asks_for_as_many_as_kubernetes_does(
    current: int, ready: str, values: tuple[int, ...], target: int, wanted: int
) -> None:
    found = resource_replicas(current, pods(len(ready), ready=ready), samples(*values), target, TENTH, now_s=NOW)
    assert found == wanted


def test_within_tolerance_nothing_changes() -> None:
    own = pods(3, requests=[900, 1000, 1100])
    assert resource_replicas(3, own, samples(1010, 1030, 1020), 100, TENTH, now_s=NOW) == 3
    assert resource_replicas(3, own, samples(1010, 1030, 1020), 100, Tolerance(0.01, 0.01), now_s=NOW) == 4


def test_a_tolerance_is_for_one_direction() -> None:
    own = pods(10)
    slack = Tolerance(down=0.5, up=0.0)
    assert resource_replicas(10, own, samples(*[600] * 10), 100, slack, now_s=NOW) == 10
    assert resource_replicas(10, own, samples(*[1010] * 10), 100, slack, now_s=NOW) == 11


def test_a_pod_that_just_started_does_not_count_as_hot() -> None:
    hot = Pod("pod-0", ready=True, started_s=NOW - 30, changed_s=NOW - 5, request=1000)
    own = [hot, *pods(3)[1:]]
    values = {**samples(300, 500, 700), "pod-0": Sample(300, at_s=NOW, window_s=60)}
    assert resource_replicas(3, own, values, 30, TENTH, now_s=NOW) == 4
    assert resource_replicas(3, own, values, 30, TENTH, now_s=NOW, initialisation_s=10) == 5


@pytest.mark.parametrize("broken", ["none", "unready", "no request", "no pods"])
def test_without_metrics_there_is_no_answer(broken: str) -> None:
    own = pods(2, ready="nn" if broken == "unready" else "yy")
    values = samples() if broken == "none" else samples(100, 100)
    if broken == "no request":
        own = [Pod("pod-0"), Pod("pod-1")]
    with pytest.raises(NoMetrics):
        resource_replicas(2, [] if broken == "no pods" else own, values, 50, TENTH, now_s=NOW)


@pytest.mark.parametrize(
    ("current", "ready", "values", "target", "wanted"),
    [
        (3, "yyy", (20_000, 10_000, 30_000), 15_000, 4),
        (3, "ynn", (50_000, 10_000, 30_000), 15_000, 6),
        (5, "yyyyy", (12_000,) * 5, 20_000, 3),
    ],
)
def test_a_metric_of_pods_ignores_readiness(
    current: int, ready: str, values: tuple[int, ...], target: int, wanted: int
) -> None:
    found = average_replicas(current, pods(len(ready), ready=ready), samples(*values), target, TENTH)
    assert found == wanted


def test_a_metric_of_an_object_scales_the_ready_pods() -> None:
    assert value_replicas(3, 3, 20_000, 15_000, TENTH) == 4
    # Fewer ready pods than replicas: a ratio above 1 may even shrink.
    assert value_replicas(3, 1, 19_500, 10_000, TENTH) == 2
    assert value_replicas(0, 0, 8_600, 4_400, TENTH) == 2
    assert value_replicas(1, 1, 8_600, 4_400, TENTH) == 2
    assert value_replicas(4, 4, 10_500, 10_000, TENTH) == 4


def test_an_average_over_pods_divides_the_total() -> None:
    assert per_pod_replicas(3, 40_000, 10_000, TENTH) == 4
    assert per_pod_replicas(3, 8_600, 2_150, TENTH) == 4
    assert per_pod_replicas(5, 8_600, 3_000, TENTH) == 3
    assert per_pod_replicas(4, 40_500, 10_000, TENTH) == 4


def spec(up: ScalingRules | None = None, down: ScalingRules | None = None, least: int = 1, most: int = 100) -> HpaSpec:
    default = Behaviour()
    return HpaSpec(least, most, Behaviour(up or default.up, down or default.down))


def percent(value: int, period_s: int = 60) -> ScalingPolicy:
    return ScalingPolicy(PolicyType.PERCENT, value, period_s)


def some(value: int, period_s: int = 60) -> ScalingPolicy:
    return ScalingPolicy(PolicyType.PODS, value, period_s)


def ran(own: HpaSpec, start: int, wants: list[int], every_s: float = 60.0) -> list[int]:
    """Replicas after each sync period."""
    history, current, found = History(), start, []
    for number, want in enumerate(wants):
        done = decide(own, history, current, [want], number * every_s)
        history, current = done.history, done.replicas
        found.append(current)
    return found


@pytest.mark.parametrize(
    ("rules", "start", "wanted", "expected"),
    [
        (ScalingRules(0, (some(4), percent(100))), 1, 1000, [5, 10, 20, 40, 80]),
        (ScalingRules(0, (some(4), percent(100)), SelectPolicy.MIN), 10, 1000, [14, 18, 22, 26, 30]),
        (ScalingRules(0, (some(4),)), 3, 1000, [7, 11, 15, 19, 23]),
        (ScalingRules(0, (percent(10),)), 10, 1000, [11, 13, 15, 17, 19]),
        (ScalingRules(0, (percent(100),), SelectPolicy.DISABLED), 10, 1000, [10, 10]),
    ],
)
def test_policies_bound_the_way_up(rules: ScalingRules, start: int, wanted: int, expected: list[int]) -> None:
    assert ran(spec(up=rules, most=1000), start, [wanted] * len(expected)) == expected


@pytest.mark.parametrize(
    ("rules", "start", "expected"),
    [
        (ScalingRules(0, (percent(60),)), 100, [40, 16, 6, 2, 1]),
        (ScalingRules(0, (some(20), percent(10)), SelectPolicy.MIN), 100, [90, 81, 72, 64, 57]),
        (ScalingRules(0, (some(20), percent(10))), 100, [80, 60, 40, 20, 1]),
        (ScalingRules(0, (percent(100),), SelectPolicy.DISABLED), 100, [100, 100]),
    ],
)
def test_policies_bound_the_way_down(rules: ScalingRules, start: int, expected: list[int]) -> None:
    assert ran(spec(down=rules, most=1000), start, [1] * len(expected)) == expected


def test_a_period_counts_what_was_changed_in_it() -> None:
    own = spec(up=ScalingRules(0, (some(4, period_s=60),)))
    history = History(changes=(Event(990.0, 3),))
    assert decide(own, history, 10, [50], 1000.0).replicas == 11
    assert decide(own, history, 10, [50], 1060.0).replicas == 14


def test_the_way_down_waits_for_the_window() -> None:
    own = spec()
    assert ran(own, 10, [10, 5, 5, 5, 5, 5, 5], every_s=60) == [10, 10, 10, 10, 10, 5, 5]
    waiting = decide(own, History((Event(100.0, 10),)), 10, [5], 200.0)
    assert (waiting.replicas, waiting.recommended, waiting.reason) == (10, 5, Reason.STABILISED_DOWN)


def test_the_way_up_waits_for_its_own_window() -> None:
    own = spec(up=ScalingRules(120, (some(100),)))
    assert ran(own, 5, [5, 9, 12, 12, 12]) == [5, 5, 9, 12, 12]


def test_without_behaviour_a_step_at_most_doubles() -> None:
    own = HpaSpec(1, 100, behaviour=None)
    assert ran(own, 1, [100] * 5, every_s=15) == [4, 8, 16, 32, 64]
    assert ran(own, 10, [10, 2, 2], every_s=60) == [10, 10, 10]


def test_bounds_come_before_metrics() -> None:
    own = HpaSpec(2, 5)
    assert decide(own, History(), 9, [None], 0.0) == Decision(
        5, None, Reason.MAX_REPLICAS, History((Event(0.0, 9),), (Event(0.0, -4),))
    )
    assert decide(own, History(), 1, [None], 0.0).replicas == 2
    assert decide(own, History(), 0, [7], 0.0).reason is Reason.DISABLED
    assert decide(own, History(), 4, [9], 0.0).reason is Reason.MAX_REPLICAS
    assert decide(own, History((Event(-999.0, 3),)), 3, [1], 0.0).replicas == 2


def test_a_missing_metric_never_shrinks() -> None:
    own = spec(down=ScalingRules(0, (percent(100),)))
    assert decide(own, History(), 4, [None], 0.0).reason is Reason.NO_METRIC
    assert decide(own, History(), 4, [2, None], 0.0).replicas == 4
    assert decide(own, History(), 4, [6, None], 0.0).replicas == 6
    assert decide(own, History(), 4, [2, 3], 0.0).replicas == 3


@pytest.mark.parametrize(("least", "most"), [(3, 2), (-1, 5), (0, 0)])
def test_bounds_that_are_none_are_refused(least: int, most: int) -> None:
    with pytest.raises(ParameterError, match="minReplicas"):
        HpaSpec(least, most)


@given(st.integers(1, 20), st.integers(0, 30), st.lists(st.integers(0, 60), min_size=1, max_size=12))
def test_replicas_stay_in_bounds_and_go_the_way_they_are_asked_to(least: int, more: int, wants: list[int]) -> None:
    own = HpaSpec(least, least + more)
    history, current = History(), least
    for number, want in enumerate(wants):
        done = decide(own, history, current, [want], number * 15.0)
        assert least <= done.replicas <= least + more
        past = [one.replicas for one in history.recommendations]
        assert done.replicas <= max([current, want, *past])
        assert done.replicas >= min([current, max(want, least)])
        history, current = done.history, done.replicas


@given(st.integers(1, 50), st.integers(1, 99))
def test_at_its_target_nothing_changes(current: int, target: int) -> None:
    values = {f"pod-{number}": Sample(10 * target) for number in range(current)}
    assert resource_replicas(current, pods(current), values, target, TENTH, now_s=NOW) == current


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=20), st.integers(1, 200))
def test_more_use_never_asks_for_fewer(values: list[int], target: int) -> None:
    own = pods(len(values))
    less = resource_replicas(len(values), own, samples(*values), target, TENTH, now_s=NOW)
    more = resource_replicas(len(values), own, samples(*[v + 500 for v in values]), target, TENTH, now_s=NOW)
    assert more >= less
    assert math.isfinite(more)


def test_the_first_period_is_held_by_what_there_is() -> None:
    """The controller records the replicas that it finds as its first recommendation."""
    spec = HpaSpec(1, 10)
    first = decide(spec, History(), 8, [2], 0.0)
    assert (first.replicas, first.reason) == (8, Reason.STABILISED_DOWN)
    later = decide(spec, first.history, 8, [2], 301.0)
    assert later.replicas == 2
    assert decide(HpaSpec(1, 10), History(), 2, [8], 0.0).replicas > 2, "nothing holds the way up"


def test_what_holds_at_a_bound_is_named_rightly() -> None:
    """A rule that forbids a direction is no bound, although the number of replicas is the same."""
    never = ScalingRules(0.0, (ScalingPolicy(PolicyType.PODS, 4, 15),), SelectPolicy.DISABLED)
    at_most = HpaSpec(1, 5, Behaviour(up=never))
    assert decide(at_most, History(), 1, [3], 0.0).reason is Reason.LIMITED_UP
    at_least = HpaSpec(1, 5, Behaviour(down=never))
    assert decide(at_least, History((Event(-400.0, 5),)), 5, [3], 0.0).reason is Reason.LIMITED_DOWN
    free = HpaSpec(1, 5, Behaviour(down=ScalingRules(0.0, (ScalingPolicy(PolicyType.PERCENT, 100, 15),))))
    assert decide(free, History((Event(-400.0, 5),)), 5, [0], 0.0).reason is Reason.MIN_REPLICAS
    assert decide(free, History(), 4, [9], 0.0).reason is Reason.MAX_REPLICAS
