"""A whole history decided with arrays is the history decided one sync period at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshlab.questions.scaling.hpa import (
    Behaviour,
    History,
    HpaSpec,
    PolicyType,
    Reason,
    Sample,
    ScalingPolicy,
    ScalingRules,
    SelectPolicy,
    Target,
    TargetKind,
    Ticks,
    Tolerance,
    average_replicas,
    decide,
    replay,
)
from meshlab.questions.scaling.hpa import Pod as HpaPod
from meshlab.questions.scaling.hpa.replay import CHANGED_BY_HAND, UNEXPLAINED, decide_history
from meshlab.questions.scaling.hpa.target import proposals
from meshlab.questions.scaling.hpa.ticks import DEFAULT_SYNC_S, sync_period, sync_periods

SYNC_S = 15.0

policies = st.builds(
    ScalingPolicy,
    st.sampled_from(PolicyType),
    st.sampled_from([1, 2, 4, 10, 50, 100]),
    st.sampled_from([15, 20, 30, 60]),
)
rules = st.builds(
    ScalingRules,
    st.sampled_from([0.0, 15.0, 20.0, 30.0, 60.0, 300.0]),
    st.lists(policies, min_size=1, max_size=2).map(tuple),
    st.sampled_from(SelectPolicy),
)
specs = st.builds(
    HpaSpec,
    st.integers(1, 2),
    st.sampled_from([5, 8, 20]),
    st.none() | st.builds(Behaviour, rules, rules),
    st.sampled_from([0.0, 30.0, 300.0]),
)
wants = st.lists(st.none() | st.integers(0, 12), min_size=1, max_size=30)


@settings(max_examples=300, deadline=None)
@given(specs, st.integers(1, 9), wants)
def test_arrays_decide_as_single_periods_do(spec: HpaSpec, begin: int, asked: list[int | None]) -> None:
    history, current, rows = History(), begin, []
    for number, want in enumerate(asked):
        done = decide(spec, history, current, [want], 1_000 + number * SYNC_S)
        rows.append((current, done.replicas, done.reason))
        history, current = done.history, done.replicas
    was, became = (np.array([row[k] for row in rows], np.float64) for k in (0, 1))
    values = np.array([[np.nan if want is None else want for want in asked]], np.float64)
    replicas, _, reasons = decide_history(spec, values, was, became - was, SYNC_S)
    assert replicas.tolist() == became.tolist()
    assert [str(reason) for reason in reasons] == [str(row[2]) for row in rows]


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 12), st.integers(0, 4), st.integers(0, 9_000), st.integers(100, 5_000))
def test_what_pods_ask_for_is_computed_alike(ready: int, waiting: int, seen: int, target: int) -> None:
    pods = [HpaPod(f"p{i}", ready=i < ready) for i in range(ready + waiting)]
    samples = {f"p{i}": Sample(seen) for i in range(ready)}
    wanted = average_replicas(ready + waiting, pods, samples, target, Tolerance())
    told = Target("queue", TargetKind.AVERAGE, target / 1000)
    current, up = np.array([float(ready + waiting)]), np.array([float(ready)])
    assert proposals(HpaSpec(1, 99), told, np.array([seen / 1000]), current, up)[0] == wanted


def ticks(current: list[float], desired: list[float], seen: list[float]) -> Ticks:
    own = np.array(current, np.float64)
    times = 1e9 + SYNC_S * np.arange(len(own))
    return Ticks(times, own, np.array(desired, np.float64), own, own, np.array([seen], np.float64), SYNC_S)


FREE = HpaSpec(1, 9, Behaviour(down=ScalingRules(0.0, (ScalingPolicy(PolicyType.PERCENT, 100, 15),))))
QUEUE = (Target("queue", TargetKind.AVERAGE, 2.0),)


def test_each_period_has_a_cause() -> None:
    frame = replay(FREE, QUEUE, ticks([2, 2, 4, 4], [2, 4, 4, 1], [2.0, 4.0, 2.1, 0.5]))
    assert frame["explained"].all()
    causes = [Reason.NO_CHANGE, Reason.AS_WANTED] * 2
    assert frame["cause"].tolist() == [str(cause) for cause in causes]
    assert frame["recommended"].tolist() == [2.0, 4.0, 4.0, 1.0]


def test_what_something_else_changed_is_told_from_what_nothing_explains() -> None:
    frame = replay(FREE, QUEUE, ticks([2, 5, 5], [2, 5, 7], [2.0, 0.8, 2.0]))
    assert frame["explained"].tolist() == [True, False, False]
    assert frame["cause"].tolist()[1:] == [CHANGED_BY_HAND, UNEXPLAINED]


def test_a_missing_metric_leaves_the_replicas() -> None:
    frame = replay(FREE, QUEUE, ticks([3, 3], [3, 3], [float("nan"), 2.0]))
    assert frame["cause"].tolist() == [str(Reason.NO_METRIC), str(Reason.NO_CHANGE)]
    assert np.isnan(frame["recommended"].iloc[0])


@pytest.mark.parametrize(("sync_s", "scrape_s"), [(15.0, 5.0), (10.0, 5.0), (30.0, 10.0), (15.0, 15.0)])
def test_sync_periods_are_found_in_scrapes(sync_s: float, scrape_s: float) -> None:
    rng = np.random.default_rng(3)
    begin, count = 1e9 + 3.7, 60
    seen = rng.uniform(0.5, 4.0, count)
    current = rng.integers(1, 6, count).astype(np.float64)
    scrapes = begin + 1.1 + scrape_s * np.arange(int(count * sync_s / scrape_s) - 2)
    number = np.floor((scrapes - begin) / sync_s).astype(int)
    status = scrapes, current[number], current[number], seen[number][None]
    assert (sync_period(*status) or DEFAULT_SYNC_S) == sync_s
    found = sync_periods(*status, scrapes, current[number], sync_s=sync_s)
    known = found.known
    assert found.observed[0][known].tolist() == seen[np.unique(number)].tolist()
    assert np.all(np.abs((found.time_s - begin + sync_s / 2) % sync_s - sync_s / 2) <= scrape_s)


def test_a_status_that_hardly_changes_tells_no_period() -> None:
    times = 1e9 + 5.0 * np.arange(50)
    assert sync_period(times, np.ones(50), np.ones(50), np.ones((1, 50))) is None


def test_scrapes_that_are_missing_are_no_periods() -> None:
    times = 1e9 + np.r_[np.arange(10) * 5.0, 200 + np.arange(10) * 5.0]
    status = np.arange(20.0)
    found = sync_periods(times, status, status, status[None], times, status, sync_s=10.0)
    assert np.count_nonzero(~found.known) >= 14
    assert len(replay(FREE, QUEUE, found)) == int(np.count_nonzero(found.known))


@pytest.mark.parametrize("window_s", [0.0, 60.0, 120.0])
def test_only_the_right_window_explains(window_s: float) -> None:
    rng = np.random.default_rng(5)
    load = np.repeat(rng.uniform(1.0, 14.0, 40), 3)
    spec = replace(
        FREE, behaviour=replace(Behaviour(), down=ScalingRules(window_s, (ScalingPolicy(PolicyType.PERCENT, 100, 15),)))
    )
    history, current, rows = History(), 3, []
    for number, flying in enumerate(load):
        seen = flying / current
        want = int(proposals(spec, QUEUE[0], *(np.array([v]) for v in (seen, float(current), float(current))))[0])
        done = decide(spec, history, current, [want], 1e9 + number * SYNC_S)
        rows.append((float(current), float(done.replicas), seen))
        history, current = done.history, done.replicas
    made = ticks(*(list(column) for column in zip(*rows, strict=True)))  # type: ignore[arg-type]

    def share(other_s: float) -> float:
        down = ScalingRules(other_s, (ScalingPolicy(PolicyType.PERCENT, 100, 15),))
        other = replace(spec, behaviour=replace(Behaviour(), down=down))
        return float(replay(other, QUEUE, made)["explained"].mean())

    assert share(window_s) == 1.0
    assert all(share(other) < 1.0 for other in (0.0, 60.0, 120.0, 300.0) if other != window_s)
