"""Slow requests: a tail that is worse where the middle is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from canary_evidence import EDGES, MakeEvidence, bucket_frame, finding, judge

from meshlab.core.evidence import Evidence
from meshlab.core.results import Verdict


def with_tail(evidence: Evidence, share: float, seed: int = 3, per_block: int = 560, blocks: int = 40) -> Evidence:
    """Evidence whose canary takes six times as long for a share of its requests."""
    rng = np.random.default_rng(seed)
    buckets = {}
    for version, n, part in (("v1", 3 * per_block, 0.0), ("v2", per_block, share)):
        times = [40 * rng.lognormal(0, 0.5, k) * np.where(rng.random(k) < part, 6, 1) for k in rng.poisson(n, blocks)]
        buckets[version] = np.array([np.bincount(np.searchsorted(EDGES, t), minlength=len(EDGES)) for t in times])
    return dataclasses.replace(evidence, frames={**evidence.frames, "latency": bucket_frame(buckets)})


def test_a_worse_tail_fails_although_the_middle_is_the_same(make_evidence: MakeEvidence) -> None:
    result = judge(with_tail(make_evidence(), 0.04))
    assert finding(result, "ML-CAN-002").verdict is not Verdict.FAIL
    tail = finding(result, "ML-CAN-008")
    assert tail.verdict is Verdict.FAIL
    assert tail.interval is not None
    assert tail.interval[0] < tail.value < tail.interval[1]  # type: ignore[operator]
    assert tail.key == "canary.slow.fail"
    assert "more slow requests" in result.headline


def test_the_same_tail_passes_at_every_edge(make_evidence: MakeEvidence) -> None:
    found = finding(judge(with_tail(make_evidence(), 0.0)), "ML-CAN-008")
    assert found.verdict is Verdict.PASS
    assert found.key == "canary.slow.pass"


def test_little_traffic_settles_nothing(make_evidence: MakeEvidence) -> None:
    found = finding(judge(with_tail(make_evidence(), 0.0, per_block=3)), "ML-CAN-008")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.action


def test_an_objective_between_edges_is_judged_at_the_next_edge_and_says_so(make_evidence: MakeEvidence) -> None:
    result = judge(with_tail(make_evidence(), 0.04), slo_ms=(80.0,))
    edges = result.tables["latency_edges"]
    assert edges.loc[edges["guarded"], "edge_ms"].tolist() == [100.0]
    assert "100 ms stands for 80 ms" in finding(result, "ML-CAN-008").statement
    exact = judge(with_tail(make_evidence(), 0.04), slo_ms=(100.0,))
    assert "stands for" not in finding(exact, "ML-CAN-008").statement


def test_the_first_edge_that_nobody_reaches_speaks_for_those_above(make_evidence: MakeEvidence) -> None:
    evidence = make_evidence()
    latency = evidence.frames["latency"]
    quick = {v: np.tile([0, 0, 300, 260, 0, 0, 0], (40, 1)) for v in ("v1", "v2")}
    result = judge(dataclasses.replace(evidence, frames={**evidence.frames, "latency": bucket_frame(quick)}))
    edges = result.tables["latency_edges"]
    assert latency is not evidence.frames["source"]
    assert edges.loc[edges["guarded"], "edge_ms"].tolist() == [25.0, 50.0]


@pytest.mark.parametrize("seed", range(4))
def test_slow_requests_in_bursts_need_the_blocks_to_agree(make_evidence: MakeEvidence, seed: int) -> None:
    rng = np.random.default_rng(seed)
    burst = np.zeros((40, len(EDGES)))
    burst[:, 3] = 560
    # One block of forty in which everything of the canary is slow: many counts, one event.
    burst[rng.integers(40)] = [0, 0, 0, 0, 0, 560, 0]
    calm = np.zeros((40, len(EDGES)))
    calm[:, 3] = 1680
    evidence = make_evidence()
    frames = {**evidence.frames, "latency": bucket_frame({"v1": calm, "v2": burst})}
    assert finding(judge(dataclasses.replace(evidence, frames=frames)), "ML-CAN-008").verdict is not Verdict.FAIL
