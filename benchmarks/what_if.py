"""How long hundreds of retry policies take: calibrated on data/retry-storm, run against its load and its trigger.

python benchmarks/what_if.py [--policies 300] [--recording data/retry-storm]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import meshlab
from meshlab.questions.retries import Retries
from meshlab.questions.retries.edges import read_edges
from meshlab.questions.retries.simulate import Concurrency, Limit, Ratio, RetryPolicy, Tokens, simulate
from meshlab.questions.retries.storm import find_storm
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
    given = parser.parse_args()
    mesh, question = meshlab.connect(given.recording), Retries()
    evidence, settings = question.collect(mesh, mesh.window()), question.settings()
    edges = read_edges(evidence)
    judged = np.ones(len(edges.names), np.bool_)
    storm = find_storm(edges, judged, settings)
    began = time.process_time()
    answer = what_if(evidence, edges, storm, settings)
    print(f"calibration, {len(answer.policies)} policies and the mitigations: {time.process_time() - began:.2f} s")
    assert answer.calibrated is not None
    assert answer.effective is not None
    known, policies = answer.calibrated, grid(answer.effective.chain, given.policies)
    began, own = time.perf_counter(), time.process_time()
    runs = simulate(policies, known.service, known.load_per_s, known.slower, step_s=known.step_s)
    table = runs.frame(known.end_s)
    took, worked = time.perf_counter() - began, time.process_time() - own
    span = len(known.load_per_s) * known.step_s
    print(f"{len(table)} policies over {span:.0f} s: {took:.2f} s ({worked:.2f} s of processor time)")
    print(f"{int(table['recovered'].sum())} of them come back")


if __name__ == "__main__":
    main()
