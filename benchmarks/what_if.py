"""How long hundreds of retry policies take: calibrated on data/retry-storm, run against its load and its trigger.

python benchmarks/what_if.py [--policies 300] [--recording data/retry-storm]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import meshlab
from meshlab.questions import retries
from meshlab.questions.retries.edges import edges
from meshlab.questions.retries.simulate import Concurrency, Limit, Ratio, RetryPolicy, Tokens, simulate
from meshlab.questions.retries.storm import storm
from meshlab.questions.retries.whatif import what_if


def grid(force: RetryPolicy, count: int) -> list[RetryPolicy]:
    """Tries, limits and pauses in all combinations, as many as are wanted."""
    limits: list[Limit | None] = [None]
    limits += [Concurrency(least, percent) for least in (1, 3, 10) for percent in (0, 5, 10, 20, 50)]
    limits += [Ratio(share, least) for share in (0.05, 0.1, 0.2) for least in (1, 10)]
    limits += [Tokens(share, most) for share in (0.05, 0.1, 0.2) for most in (10, 100)]
    found = [
        force.each(f"{retries} retries, back-off {pause} s, {limit}", retries=retries, back_off_s=pause, limit=limit)
        for pause in (0.025, 0.25, 1.0)
        for retries in (1, 2, 3)
        for limit in limits
    ]
    return (found * -(-count // len(found)))[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=int, default=300)
    parser.add_argument("--recording", default="data/retry-storm")
    told = parser.parse_args()
    mesh = meshlab.connect(told.recording)
    evidence = retries.collect(mesh, mesh.window())
    policy, known = retries.Policy(), edges(evidence)
    found = storm(known, np.ones(len(known.names), np.bool_), evidence.window.start_ms, policy)
    began = time.process_time()
    said = what_if(evidence, known, found, policy)
    print(f"calibration, {len(said.policies)} policies and the cures: {time.process_time() - began:.2f} s")
    assert said.known is not None
    assert said.force is not None
    policies = grid(said.force.chain, told.policies)
    began, own = time.perf_counter(), time.process_time()
    runs = simulate(policies, said.known.service, said.known.load_per_s, said.known.slower, step_s=said.known.step_s)
    table = runs.frame(said.known.end_s)
    took, worked = time.perf_counter() - began, time.process_time() - own
    span = len(said.known.load_per_s) * said.known.step_s
    print(f"{len(table)} policies over {span:.0f} s: {took:.2f} s ({worked:.2f} s of processor time)")
    print(f"{int(table['recovered'].sum())} of them come back")


if __name__ == "__main__":
    main()
