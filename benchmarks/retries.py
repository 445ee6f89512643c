"""How fast a large mesh's retries are judged: 1,000 services, 5,000 edges, 6 hours at 15 s. Prints time and memory."""

from __future__ import annotations

import resource
import time
from types import MappingProxyType

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.window import Window
from meshlab.questions import retries
from meshlab.questions.retries.evidence import Grid

SERVICES, EDGES, STEP_MS, HOURS = 1_000, 5_000, 15_000, 6
# The finest grid there is, a block for each scrape: left to itself `collect` takes two.
BLOCK_MS = STEP_MS
COUNTERS = ("retry", "retry_success", "retry_overflow", "retry_limit_exceeded", "per_try_timeout")


def wide(words: pd.DataFrame, cells: np.ndarray) -> pd.DataFrame:
    """Counts by words and block, as `collect` leaves them."""
    return pd.DataFrame(cells, index=pd.MultiIndex.from_frame(words), columns=pd.RangeIndex(cells.shape[1]))


def frame(edge: pd.DataFrame, outcomes: list[tuple[str, float]], blocks: int, rng: np.random.Generator) -> pd.DataFrame:
    """Counts of every edge by outcome in every block."""
    words = edge.loc[edge.index.repeat(len(outcomes))].reset_index(drop=True)
    words["code"] = [code for code, _ in outcomes] * len(edge)
    words["grpc_status"], words["flags"] = "", "-"
    cells = np.empty((len(words), blocks), np.float32)
    for at, (_, rate) in enumerate(outcomes):
        for low in range(0, len(edge), 256):
            rows = slice(low * len(outcomes) + at, (low + 256) * len(outcomes), len(outcomes))
            cells[rows] = rng.poisson(rate, cells[rows].shape)
    return wide(words, cells)


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
    proxies = wide(words, rng.poisson(1.0, (len(words), blocks)).astype(np.float32))
    # One service fails for two hours, and all who call it, and who call these, try each request three times.
    failing = f"service-{SERVICES - 1}"
    into = edge["destination_service"] == failing
    into |= edge["destination_service"].isin(edge.loc[into, "source"])
    for counts, rows, value in (
        (callers, (into.to_numpy()[:, None] & [True, True]).ravel(), 0.0),
        (callers, (into.to_numpy()[:, None] & [False, True]).ravel(), 300.0),
        (called, (into.to_numpy()[:, None] & [True, True]).ravel(), 0.0),
        (called, (into.to_numpy()[:, None] & [False, True]).ravel(), 900.0),
        (proxies, np.repeat(into.to_numpy(), len(COUNTERS)) & (words["metric"] == "retry").to_numpy(), 600.0),
    ):
        counts.iloc[np.flatnonzero(rows), blocks // 3 : 2 * blocks // 3] = value
    breakers = pd.DataFrame(columns=[*names.columns, "gauge", "block", "blocks", "scrapes", "open", "most"])
    lasting = wide(
        pd.DataFrame(
            {"destination_namespace": "shop", "destination_service": edge["destination_service"].unique()}
        ).merge(pd.DataFrame({"code": ["200", "503"]}), how="cross"),
        rng.uniform(1.0, 60_000.0, (2 * edge["destination_service"].nunique(), blocks)),
    )
    frames = {"callers": callers, "called": called, "proxies": proxies, "breakers": breakers, "lasting": lasting}
    evidence = Evidence(frames=MappingProxyType(frames), window=window, source="benchmark", chosen=Grid(BLOCK_MS))
    held = sum(f.size for f in frames.values())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, own = time.perf_counter(), time.process_time()
    result = retries.judge(evidence)
    took, worked = time.perf_counter() - began, time.process_time() - own
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = result.findings[0].statement.split(":")[0]
    print(f"{len(edge):,} edges, {blocks} blocks, {held:,} counts: {result.verdict.value}, {said}")
    print(f"judged in {took:.2f} s ({worked:.2f} s of processor time)")
    print(f"memory at most {after / 1024:,.0f} MB, of which the evidence {before / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
