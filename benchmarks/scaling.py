"""Fits, knees, refusals and replays of 1,000 services over 7 days at 1 minute, in one process.

    python benchmarks/scaling.py [services]

The peer decides the same histories one sync period at a time, as the controller does, for a few services; both must
come to the same replicas. The fits' own peer is in usl.py.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from measure import resident_peak_mb
from usl import MINUTES, telemetry

from meshlab.questions.scaling import knee
from meshlab.questions.scaling.hpa import History, HpaSpec, Target, TargetKind, Ticks, decide, replay
from meshlab.questions.scaling.hpa.closed_loop import ReplicaModel, simulate
from meshlab.questions.scaling.hpa.target import proposals
from meshlab.questions.scaling.usl import fit_many

SPEC = HpaSpec(2, 40)
TARGETS = (Target("in_flight", TargetKind.AVERAGE, 3.0),)
DISTINCT = 5


def histories() -> list[Ticks]:
    """Histories of an autoscaler against daily load, each sync period a minute."""
    times = 1e9 + 60.0 * np.arange(MINUTES)
    found = []
    for seed in range(DISTINCT):
        rng = np.random.default_rng(seed)
        load = 300 * (1 + 0.8 * np.sin(2 * np.pi * np.arange(MINUTES) / 1440)) * np.exp(0.1 * rng.normal(size=MINUTES))
        run = simulate(
            SPEC,
            TARGETS,
            times,
            load,
            ReplicaModel(0.1, 40.0, noise=0.05),
            start_replicas=5,
            start_s=40,
            rng=rng,
        )
        current, desired, ready, observed = (
            run[c].to_numpy(float) for c in ("current", "desired", "ready", "observed")
        )
        found.append(Ticks(times, current, desired, ready, ready, observed[None], 60.0))
    return found


def one_by_one(ticks: Ticks) -> list[int]:
    """What `decide` says of each period, from what was recorded before it."""
    history, found = History(), []
    for k, now in enumerate(ticks.time_s):
        current = int(ticks.current[k])
        line = ticks.observed[0][k : k + 1], ticks.current[k : k + 1], ticks.ready_before[k : k + 1]
        done = decide(SPEC, history, current, [int(proposals(SPEC, TARGETS[0], *line)[0])], float(now))
        history = done.history
        found.append(done.replicas)
    return found


def main() -> None:
    """Make, measure, compare, print."""
    services = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    n, x, _ = telemetry(services)
    made = histories()
    before = resident_peak_mb()
    begin = time.perf_counter()
    fits = fit_many(n, x)
    fitted = time.perf_counter() - begin
    begin = time.perf_counter()
    knees = [knee.find(one) for one in fits]
    found = time.perf_counter() - begin
    begin = time.perf_counter()
    frames = [replay(SPEC, TARGETS, made[k % DISTINCT]) for k in range(services)]
    replayed = time.perf_counter() - begin
    begin = time.perf_counter()
    same = one_by_one(made[0])
    single = time.perf_counter() - begin
    assert frames[0]["replayed"].tolist() == [float(replicas) for replicas in same], "both decide alike"
    stated = sum(one.answer.stated for one in knees)
    refused = sum(bool(one.refusals) for one in fits)
    explained = np.mean([frame["explained"].mean() for frame in frames])
    print(f"{services} services, {MINUTES:,} minutes: {refused} fits refused, {stated} knees stated")
    print(f"fits and model choice {fitted:.1f} s, knees {found:.1f} s")
    print(f"replays {replayed:.1f} s ({explained:.1%} explained)")
    total = fitted + found + replayed
    print(f"together {total:.1f} s; peak {resident_peak_mb():,.0f} MB ({before:,.0f} before)")
    print(
        f"a replay takes {1000 * replayed / services:.1f} ms, period by period {1000 * single:.0f} ms: "
        f"{single * services / replayed:.0f} times"
    )


if __name__ == "__main__":
    main()
