"""Timeouts, breakers, retry limits and ejections: when they acted, and what they shed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.questions.retries.cells import EDGE, Bools, Cells, Floats, totals
from meshlab.questions.retries.edges import Edges

__all__ = ["BREAKER", "EJECTION", "LIMIT", "Acted", "acted", "gauges", "open_scrapes", "shed_of"]

BREAKER: Final = "circuit breaker"
LIMIT: Final = "retry limit"
TRY_TIMEOUT: Final = "try timeout"
TIMEOUT: Final = "request timeout"
EJECTION: Final = "ejection"

_COUNTERS: Final = {
    BREAKER: ("pending_overflow", "active_overflow"),
    LIMIT: ("retry_overflow",),
    TRY_TIMEOUT: ("per_try_timeout",),
    TIMEOUT: ("timeout",),
    EJECTION: ("ejections",),
}
"""What each one counts when it acts; of two counters of one thing the larger."""

_KINDS: Final = {
    "rq_open": BREAKER,
    "rq_pending_open": BREAKER,
    "rq_retry_open": LIMIT,
    "ejected": EJECTION,
}
"""Gauges that stand above zero while it is open. An idle pooled connection holds that of connections open."""

_FLAGGED: Final = {BREAKER: "breaker_rejected", LIMIT: "retries_refused"}
"""Columns of the edges' table that say what was shed where no counter does."""


@dataclass(frozen=True, slots=True, eq=False)
class Acted:
    """What acted on which edge, shape (rows,), and how much it shed, shape (rows, blocks)."""

    edge: NDArray[np.intp]
    kind: NDArray[np.object_]
    cells: Cells


def gauges(evidence: Evidence) -> pd.DataFrame:
    """At how many scrapes each breaker stood open and hosts were ejected, over the window."""
    keys = [*EDGE, "gauge"]
    each = evidence.frames["breakers"].groupby(keys, sort=True, observed=True)
    table: pd.DataFrame = each.agg({"scrapes": "sum", "open": "sum", "most": "max"}).reset_index()
    return table


def acted(evidence: Evidence, edges: Edges, judged: Bools) -> Acted:
    """What each kind of protection shed by edge and block: by the proxies' counters, else by the flag UO."""
    proxies = evidence.counts["proxies"]
    index = pd.MultiIndex.from_frame(edges.names)
    parts = []
    for kind, counters in _COUNTERS.items():
        shed: dict[int, Cells] = {}
        exported = np.zeros(len(judged), np.bool_)
        for counter in counters:
            counts = proxies.select(metric=counter)
            edge = index.get_indexer(pd.MultiIndex.from_frame(counts.labels[list(EDGE)]))
            exported[edge[edge >= 0]] = True
            busy = np.flatnonzero((edge >= 0) & (totals(counts) > 0))
            for at, cells in zip(edge[busy].tolist(), np.nan_to_num(counts.cells()[busy]), strict=True):
                shed[at] = np.maximum(shed[at], cells) if at in shed else cells
        if kind in _FLAGGED:
            sums = np.nan_to_num(edges.table[_FLAGGED[kind]].to_numpy(np.float64))
            for at in np.flatnonzero(~exported & (sums >= 1)).tolist():
                flagged = edges.counts.overflow[at]
                shed[at] = flagged * (sums[at] / max(float(flagged.sum(dtype=np.float64)), 1.0))
        numbers = [at for at in sorted(shed) if judged[at]]
        cells = np.stack([shed[at] for at in numbers]) if numbers else np.empty((0, edges.blocks))
        parts.append((np.asarray(numbers, np.intp), np.full(len(numbers), kind, object), cells))
    return Acted(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def open_scrapes(evidence: Evidence, edges: Edges) -> pd.DataFrame:
    """Scrapes and those that saw it open, by edge and kind; of two gauges of one thing the one that was open more."""
    table = gauges(evidence)
    table["kind"] = table["gauge"].astype(str).map(_KINDS)
    index = pd.MultiIndex.from_frame(edges.names)
    table["edge"] = index.get_indexer(pd.MultiIndex.from_frame(table[list(EDGE)].astype(str)))
    table = table[table["kind"].notna() & (table["edge"] >= 0)].sort_values("open")
    return table.drop_duplicates(["edge", "kind"], keep="last").set_index(["edge", "kind"])[["scrapes", "open"]]


def shed_of(actions: Acted, edges: Edges, shed: Floats) -> Floats:
    """What it was shed of: requests, attempts, or retries made and refused; NaN for ejections."""
    requests, attempts = (edges.table[name].to_numpy(np.float64)[actions.edge] for name in ("requests", "attempts"))
    # Requests that a breaker refused are no longer among those that both ends report.
    blocked = np.where(edges.counts.basis[actions.edge] == "arrivals", shed, 0.0)
    wholes = {
        BREAKER: requests + blocked,
        LIMIT: attempts - requests + shed,
        TRY_TIMEOUT: attempts,
        TIMEOUT: requests,
    }
    return np.select([actions.kind == kind for kind in wholes], list(wholes.values()), np.nan)
