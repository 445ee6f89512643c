"""Calibrated on the lab's recordings, the simulator says what the lab has shown."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import meshlab
from meshlab.errors import ParameterError
from meshlab.questions.retries.simulate import (
    Blocks,
    Calibrated,
    Concurrency,
    Hop,
    Mitigation,
    NotCalibrated,
    RetryPolicy,
    calibrate,
    cuts,
    recover,
    simulate,
)

DATA = Path(__file__).parents[3] / "data"
STORM = RetryPolicy("as configured", (Hop(retries=2, per_try_s=1.0, route_s=15.0),) * 3)
BUDGET = STORM.each("budget", limit=Concurrency(least=3, percent=20))
PLAIN = RetryPolicy("no retries", (Hop(retries=0, route_s=3.0),) * 3)
LENGTH = 5
SERIES = 'istio_request{}{{reporter="destination",destination_canonical_service="ledger"}}'


@cache
def truth(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((DATA / name / "manifest.json").read_text())["truth"]
    return found


@cache
def blocks(name: str) -> Blocks:
    """Five-second blocks: what clients sent and got by the lab's own count, the ledger's side by its sidecar."""
    mesh = meshlab.connect(str(DATA / name))
    window = mesh.window()
    start = pd.Timestamp(window.start)

    def counted(family: str, refused: bool = False) -> np.ndarray:
        frame = mesh.engine.samples(SERIES.format(family), window).tidy()
        if refused:
            frame = frame[frame["response_code"] == "503"]
        block = np.round((frame["time"] - start).dt.total_seconds() / LENGTH).astype(int)
        series = frame["response_code"].astype(str) + frame["response_flags"].astype(str) + frame["pod"].astype(str)
        series = series + frame["source_workload"].astype(str)
        table = frame["value"].groupby([series, block]).last().unstack().ffill(axis=1).fillna(0.0)
        # The sum of the duration's buckets is in milliseconds.
        total = table.reindex(columns=range(count + 1), method="ffill").fillna(0.0).sum()
        return np.diff(total.to_numpy()) / LENGTH

    load = truth(name)["load_by_second"]
    assert isinstance(load, dict)
    sent, good = np.array(load["sent"], float), np.array(load["answered"]["2xx"], float)
    count = len(sent) // LENGTH
    attempts = counted("s_total")
    durations = counted("_duration_milliseconds_sum") / 1000
    first = slice(1, count)
    return Blocks(
        time_s=(np.arange(count) + 1.0)[first] * LENGTH,
        offered_per_s=sent[: count * LENGTH].reshape(count, LENGTH).mean(axis=1)[first],
        attempts_per_s=attempts[first],
        refused_per_s=counted("s_total", refused=True)[first],
        good_per_s=good[: count * LENGTH].reshape(count, LENGTH).mean(axis=1)[first],
        latency_s=(durations / np.maximum(attempts, 1e-9))[first],
    )


def cut(known: Blocks, end_s: float) -> Blocks:
    part = known.time_s <= end_s
    return Blocks(**{name: getattr(known, name)[part] for name in Blocks.__dataclass_fields__})


@cache
def storm() -> Calibrated:
    found = calibrate(cut(blocks("retry-storm"), 260), STORM, begin_s=60, end_s=90, deadline_s=3.5)
    assert isinstance(found, Calibrated), found
    return found


@cache
def cure() -> Mitigation:
    return recover(storm(), STORM, at_s=120.0, within_s=40.0)


def test_what_the_lab_set_is_found() -> None:
    # 3 places of 0.1 s and 150 in the queue; twenty times slower.
    service = storm().service
    assert service.capacity_per_s == pytest.approx(30, rel=0.1)
    assert service.queue == pytest.approx(150, rel=0.15)
    assert service.service_s == pytest.approx(0.1, rel=0.25)
    assert storm().slower.max() == pytest.approx(20, rel=0.25)
    assert storm().missed < 0.15


def test_the_policies_of_the_two_recordings() -> None:
    known = storm()
    load = blocks("retry-budget").offered_per_s.repeat(50)[: len(known.load_per_s)]
    runs = simulate([STORM, BUDGET], known.service, load, known.slower[: len(load)])
    took = runs.recovery_s(known.end_s)
    assert np.isinf(took[0])
    # By the lab's own count: 90 % of 5 s were answered again so many seconds after the end of the trigger.
    answered = blocks("retry-budget")
    good = answered.good_per_s >= 0.9 * answered.offered_per_s
    measured = answered.time_s[good & (answered.time_s > 95)][0] - 90
    assert measured / 2 <= took[1] <= measured * 2
    for at, name in enumerate(("retry-storm", "retry-budget")):
        peak = cut(blocks(name), 260).attempts_per_s.max()
        assert peak / 1.25 <= runs.peak_attempts_per_s()[at] <= peak * 1.25


def test_attempts_in_all_as_the_workers_counted() -> None:
    workers = truth("retry-storm")["workers"]
    assert isinstance(workers, dict)
    known = storm()
    runs = simulate([STORM], known.service, known.load_per_s, known.slower)
    # Until retries were switched off nearly all of them had come; the rest of the run adds one for each request.
    sent = truth("retry-storm")["load_by_second"]["sent"]  # type: ignore[index]
    healthy = sum(sent[270:]) + 5 * sum(sent[:60]) / 60
    measured = workers["ledger-0"]["arrivals"] - healthy
    # What the lab sent in its warm-up is in the workers' count, and is one attempt a request.
    warm_up = truth("retry-storm")["counts"]["life"]["sent"] - truth("retry-storm")["counts"]["window"]["sent"]  # type: ignore[index]
    storm_s = 270 - 260
    simulated = runs.attempts[0].sum() * 0.1 + storm_s * 26.7 * 10
    assert simulated == pytest.approx(measured - warm_up, rel=0.1)


def test_what_ends_the_storm() -> None:
    found = cure()
    assert not found.by_itself
    # Retries were switched off at 270 s in the lab; 90 % of a second's load was answered 8 s later.
    assert found.retries_off
    assert 4.0 <= found.retries_off_s <= 16.0
    # A half and a quarter were not enough, a tenth was; the border is capacity / (27 x load).
    assert 0.05 < found.load_share < 0.25


def test_a_cut_to_a_tenth_by_chance() -> None:
    found = cuts(storm(), STORM, 120.0, [0.1], rng=np.random.default_rng(1), within_s=60.0, draws=32).iloc[0]
    # First answers after 11 s in the lab, all of them after 14 s.
    assert 14.0 / 2 <= found["recovery_s"] <= 14.0 * 2
    assert found["probability"] > 0.75


def test_overload_is_calibrated_too() -> None:
    found = calibrate(blocks("overload"), PLAIN, begin_s=120, end_s=180, deadline_s=3.5)
    assert isinstance(found, Calibrated), found
    assert found.service.capacity_per_s == pytest.approx(30, rel=0.1)
    assert found.slower.max() == 1.0


def test_a_wrong_policy_is_refused() -> None:
    wrong = STORM.each("four tries", retries=3)
    found = calibrate(cut(blocks("retry-storm"), 260), wrong, begin_s=60, end_s=90, deadline_s=3.5)
    assert isinstance(found, NotCalibrated)
    assert "not reproduced" in found.reason


def test_no_saturation_is_refused() -> None:
    found = calibrate(cut(blocks("retry-storm"), 60), STORM, begin_s=30, end_s=50, deadline_s=3.5)
    assert isinstance(found, NotCalibrated)
    assert "saturation was never observed" in found.reason


def test_saturation_only_while_slowed_is_refused() -> None:
    found = calibrate(blocks("retry-budget"), BUDGET, begin_s=60, end_s=90, deadline_s=3.5)
    assert isinstance(found, NotCalibrated)
    assert "usual capacity" in found.reason


def test_blocks_that_are_not_even() -> None:
    known = blocks("retry-storm")
    with pytest.raises(ParameterError, match="evenly"):
        calibrate(replace(known, time_s=np.sqrt(known.time_s)), STORM, begin_s=3, end_s=9, deadline_s=3.5)
