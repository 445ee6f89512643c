"""How fast a large mesh's retries are judged: 1,000 services, 5,000 edges, 6 hours at 15 s. Prints time and memory."""

from __future__ import annotations

import resource
import time

import numpy as np
import pandas as pd

from meshlab.core.counts import BlockGrid, Counts
from meshlab.core.evidence import Evidence
from meshlab.core.window import Window
from meshlab.questions.retries import Retries
from meshlab.questions.retries.question import Facts

SERVICES, EDGES, STEP_MS, HOURS = 1_000, 5_000, 15_000, 6
# The finest grid there is, a block for each scrape: left to itself `collect` takes two.
BLOCK_MS = STEP_MS
COUNTERS = ("retry", "retry_success", "retry_overflow", "retry_limit_exceeded", "per_try_timeout")


def counted(words: pd.DataFrame, cells: np.ndarray, quantity: str = "count") -> Counts:
    """Counts by dimensions and block, as `collect` leaves them: each group in every block."""
    groups, blocks = cells.shape
    starts = np.arange(groups + 1, dtype=np.int64) * blocks
    grid = BlockGrid(0, BLOCK_MS, blocks)
    block = np.tile(np.arange(blocks, dtype=grid.dtype), groups)
    return Counts(words, starts, block, cells.ravel(), grid, quantity=quantity)


def frame(edge: pd.DataFrame, outcomes: list[tuple[str, float]], blocks: int, rng: np.random.Generator) -> Counts:
    """Counts of every edge by outcome in every block."""
    words = edge.loc[edge.index.repeat(len(outcomes))].reset_index(drop=True)
    words["code"] = [code for code, _ in outcomes] * len(edge)
    words["grpc_status"], words["flags"] = "", "-"
    cells = np.empty((len(words), blocks), np.float32)
    for at, (_, rate) in enumerate(outcomes):
        for low in range(0, len(edge), 256):
            rows = slice(low * len(outcomes) + at, (low + 256) * len(outcomes), len(outcomes))
            cells[rows] = rng.poisson(rate, cells[rows].shape)
    return counted(words, cells)


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
    sources, destinations = (frame(edge, [("200", 300.0), ("503", 1.0)], blocks, rng) for _ in range(2))
    names = edge[["source_namespace", "source", "destination_namespace", "destination_service"]]
    words = names.loc[names.index.repeat(len(COUNTERS))].reset_index(drop=True)
    words["metric"] = list(COUNTERS) * len(names)
    proxies = counted(words, rng.poisson(1.0, (len(words), blocks)).astype(np.float32), "value")
    # One service fails for two hours, and all who call it, and who call these, try each request three times.
    failing = f"service-{SERVICES - 1}"
    into = edge["destination_service"] == failing
    into |= edge["destination_service"].isin(edge.loc[into, "source"])
    for part, rows, value in (
        (sources, (into.to_numpy()[:, None] & [True, True]).ravel(), 0.0),
        (sources, (into.to_numpy()[:, None] & [False, True]).ravel(), 300.0),
        (destinations, (into.to_numpy()[:, None] & [True, True]).ravel(), 0.0),
        (destinations, (into.to_numpy()[:, None] & [False, True]).ravel(), 900.0),
        (proxies, np.repeat(into.to_numpy(), len(COUNTERS)) & (words["metric"] == "retry").to_numpy(), 600.0),
    ):
        part.value.reshape(-1, blocks)[np.flatnonzero(rows), blocks // 3 : 2 * blocks // 3] = value
    breakers = pd.DataFrame(columns=[*names.columns, "gauge", "block", "blocks", "scrapes", "open", "most"])
    durations = counted(
        pd.DataFrame(
            {"destination_namespace": "shop", "destination_service": edge["destination_service"].unique()}
        ).merge(pd.DataFrame({"code": ["200", "503"]}), how="cross"),
        rng.uniform(1.0, 60_000.0, (2 * edge["destination_service"].nunique(), blocks)),
        "sum_ms",
    )
    counts = {"source": sources, "destination": destinations, "proxies": proxies, "durations": durations}
    evidence = Evidence(
        frames={"breakers": breakers},
        counts=counts,
        window=window,
        source="benchmark",
        block_ms=BLOCK_MS,
        facts=Facts(),
    )
    held = sum(len(part.value) for part in counts.values())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, own = time.perf_counter(), time.process_time()
    result = Retries().answer(evidence)
    took, worked = time.perf_counter() - began, time.process_time() - own
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = result.findings[0].statement.split(":")[0]
    print(f"{len(edge):,} edges, {blocks} blocks, {held:,} counts: {result.verdict.value}, {said}")
    print(f"judged in {took:.2f} s ({worked:.2f} s of processor time)")
    print(f"memory at most {after / 1024:,.0f} MB, of which the evidence {before / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
