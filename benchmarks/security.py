"""How fast a large mesh's security is judged: 5,000 edges, 24 hours. Prints seconds and memory."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from measure import resident_peak_mb

from meshlab.core.counts import BlockGrid, Counts
from meshlab.core.evidence import Evidence
from meshlab.core.window import Window
from meshlab.questions.security import Security
from meshlab.questions.security.needs import COLUMNS, WORDS
from meshlab.questions.security.question import Facts

WORKLOADS, EDGES, HOURS = 1_000, 5_000, 24
BLOCK_MS = 864_000
"""As `collect` chooses it for a day."""
OUTCOMES = (("200", "mutual_tls", 300.0), ("503", "mutual_tls", 1.0))
EMPTY = ("rejections", "versions", "ciphers")


def edges(rng: np.random.Generator) -> pd.DataFrame:
    """A tree of workloads, and calls across it."""
    callee = np.r_[np.arange(1, WORKLOADS), rng.integers(1, WORKLOADS, 2 * EDGES)]
    caller = (callee * rng.random(len(callee))).astype(int)
    frame = pd.DataFrame({word: pd.Series("", range(len(callee)), dtype=str) for word in WORDS})
    frame["source"] = [f"workload-{k}" for k in caller]
    frame["destination_workload"] = [f"workload-{k}" for k in callee]
    frame["source_namespace"] = [f"team-{k % 50}" for k in caller]
    frame["destination_namespace"] = [f"team-{k % 50}" for k in callee]
    for side in ("source", "destination"):
        name = frame["source"] if side == "source" else frame["destination_workload"]
        frame[f"{side}_principal"] = "spiffe://cluster.local/ns/" + frame[f"{side}_namespace"] + "/sa/" + name
    frame["destination_service"] = frame["destination_workload"]
    frame["destination_host"] = frame["destination_workload"] + ".svc.cluster.local"
    frame["protocol"], frame["flags"] = "http", "-"
    return frame.drop_duplicates().head(EDGES).reset_index(drop=True)


def counts(edge: pd.DataFrame, window: Window, rng: np.random.Generator, *, called: bool) -> Counts:
    """Every edge by outcome in every block, as `collect` leaves it."""
    grid = BlockGrid.over(window, BLOCK_MS)
    words = edge.loc[edge.index.repeat(len(OUTCOMES))].reset_index(drop=True)
    words["code"] = [code for code, _, _ in OUTCOMES] * len(edge)
    words["tls"] = [tls for _, tls, _ in OUTCOMES] * len(edge) if called else "unknown"
    rates = np.array([rate for _, _, rate in OUTCOMES] * len(edge))
    if called:
        # One edge in twenty speaks plain text, one in fifty is denied.
        words.loc[rng.random(len(words)) < 0.05, ["tls", "source_principal"]] = ["none", ""]
        words.loc[rng.random(len(words)) < 0.02, "code"] = "403"
    sid, block = np.divmod(np.arange(len(words) * grid.blocks), grid.blocks)
    return Counts.of(words, sid, block, rng.poisson(rates[sid]), grid)


def ends(window: Window) -> pd.DataFrame:
    """A certificate of each workload, renewed every 12 hours, scraped every five minutes."""
    at = np.arange(window.start_ms, window.end_ms, 300_000)
    pods = np.repeat(np.arange(WORKLOADS), len(at))
    time_ms = np.tile(at, WORKLOADS)
    turned = (time_ms + pods * 43_200) // 43_200_000 * 43_200
    frame = pd.DataFrame({"pod": [f"workload-{k}-0" for k in range(WORKLOADS)]}).loc[pods].reset_index(drop=True)
    moment = pd.DatetimeIndex(time_ms.astype("datetime64[ms]")).tz_localize("UTC")
    more = {"cluster": "", "namespace": "team", "instance": "", "name": "default", "view": "served"}
    return frame.assign(**more, time=moment, value=(turned + 86_400).astype(np.float64))


def main() -> None:
    rng = np.random.default_rng(1)
    window = Window(1_767_225_600_000, 1_767_225_600_000 + HOURS * 3_600_000, 60_000)
    edge = edges(rng)
    grid, pod = BlockGrid.over(window, BLOCK_MS), ("cluster", "namespace", "pod", "instance")
    none = {
        **dict.fromkeys(("connections", "bytes"), COLUMNS),
        "refused": (*COLUMNS, "unit", "denied"),
        "signing": (*pod, "error", "what"),
        "rbac": (*pod, "result"),
    }
    evidence = Evidence(
        counts={
            "destination": counts(edge, window, rng, called=True),
            "source": counts(edge, window, rng, called=False),
            **{name: Counts.none(words, grid, quantity="value") for name, words in none.items()},
        },
        frames={"certificates": ends(window), **dict.fromkeys(EMPTY, pd.DataFrame())},
        window=window,
        source="benchmark",
        block_ms=BLOCK_MS,
        facts=Facts(),
    )
    rows = sum(len(part.value) for part in evidence.counts.values()) + len(evidence.frames["certificates"])
    before, began, own = resident_peak_mb(), time.perf_counter(), time.process_time()
    result = Security().answer(evidence)
    took, worked = time.perf_counter() - began, time.process_time() - own
    print(f"{len(edge):,} edges, {HOURS} hours, {rows:,} rows: {result.verdict.value}")
    print(f"judged in {took:.2f} s ({worked:.2f} s of processor), asked: under 5 s")
    print(f"memory {before:.0f} MB before, {resident_peak_mb():.0f} MB at most")


if __name__ == "__main__":
    main()
