"""How fast a large mesh's retries are judged: 1,000 services, 5,000 edges, 6 hours at 15 s. Prints time and memory."""

from __future__ import annotations

import resource
import time
from types import MappingProxyType

import numpy as np
import pandas as pd

from meshlab.evidence import Evidence
from meshlab.questions import retries
from meshlab.questions.retries.evidence import Grid
from meshlab.window import Window

SERVICES, EDGES, STEP_MS, HOURS = 1_000, 5_000, 15_000, 6
BLOCK_MS = 2 * STEP_MS
COUNTERS = ("retry", "retry_success", "retry_overflow", "retry_limit_exceeded", "per_try_timeout")


def frame(edge: pd.DataFrame, outcomes: list[tuple[str, float]], blocks: int, rng: np.random.Generator) -> pd.DataFrame:
    """Counts of every edge by outcome in every block; text stored once, as `collect` leaves it."""
    parts = len(edge) * len(outcomes)
    words = edge.loc[edge.index.repeat(len(outcomes))].reset_index(drop=True)
    words["code"] = [code for code, _ in outcomes] * len(edge)
    words["grpc_status"], words["flags"] = "", "-"
    words = words.astype("category")
    rates = np.tile([rate for _, rate in outcomes], len(edge))
    long = words.loc[words.index.repeat(blocks)].reset_index(drop=True)
    long["block"] = np.tile(np.arange(blocks), parts)
    long["count"] = rng.poisson(np.repeat(rates, blocks))
    return long


def main() -> None:
    rng = np.random.default_rng(1)
    blocks = HOURS * 3_600_000 // BLOCK_MS
    window = Window(0, HOURS * 3_600_000, STEP_MS)
    # A tree of services, and calls across it, always downwards: no circles.
    callee = np.r_[np.arange(1, SERVICES), rng.integers(1, SERVICES, EDGES - SERVICES + 1)]
    caller = (callee * rng.random(EDGES)).astype(int)
    edge = pd.DataFrame(
        {
            "source_namespace": "shop",
            "source": [f"service-{k}" for k in caller],
            "destination_namespace": "shop",
            "destination_service": [f"service-{k}" for k in callee],
            "destination_host": [f"service-{k}.shop.svc.cluster.local" for k in callee],
            "destination_workload": [f"service-{k}" for k in callee],
        }
    ).drop_duplicates()
    edge = edge.reset_index(drop=True)
    callers, called = (frame(edge, [("200", 300.0), ("503", 1.0)], blocks, rng) for _ in range(2))
    names = edge[["source_namespace", "source", "destination_namespace", "destination_service"]]
    words = names.loc[names.index.repeat(len(COUNTERS))].reset_index(drop=True)
    words["metric"] = list(COUNTERS) * len(names)
    proxies = words.astype("category").loc[words.index.repeat(blocks)].reset_index(drop=True)
    proxies["block"] = np.tile(np.arange(blocks), len(words))
    proxies["value"] = rng.poisson(1.0, len(proxies)).astype(np.float64)
    breakers = pd.DataFrame(columns=[*names.columns, "gauge", "scrapes", "open", "most"])
    frames = {"callers": callers, "called": called, "proxies": proxies, "breakers": breakers}
    evidence = Evidence(frames=MappingProxyType(frames), window=window, source="benchmark", chosen=Grid(BLOCK_MS))
    rows = sum(len(f) for f in frames.values())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, own = time.perf_counter(), time.process_time()
    result = retries.judge(evidence)
    took, worked = time.perf_counter() - began, time.process_time() - own
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{len(edge):,} edges, {blocks} blocks, {rows:,} rows: {result.verdict.value}")
    print(f"judged in {took:.2f} s ({worked:.2f} s of processor time)")
    print(f"memory at most {after / 1024:,.0f} MB, of which the evidence {before / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
