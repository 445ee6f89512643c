"""Timeouts, breakers, retry limits and ejections: when they acted, and what they shed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.questions.retries.cells import CHUNK, EDGE, Bools, Floats, Sorted, totals
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
    """What acted on which edge, shape (rows,), how much it shed, and in which blocks it did, shape (rows, blocks)."""

    edge: NDArray[np.intp]
    kind: NDArray[np.object_]
    shed: Floats
    blocks: Bools


def gauges(evidence: Evidence) -> pd.DataFrame:
    """At how many scrapes each breaker stood open and hosts were ejected, over the window."""
    each = evidence.frames["breakers"].groupby([*EDGE, "gauge"], sort=True, observed=True)
    return each.agg({"scrapes": "sum", "open": "sum", "most": "max"}).reset_index()


def acted(evidence: Evidence, edges: Edges, judged: Bools) -> Acted:
    """What each kind of protection shed by edge and block: by the proxies' counters, else by the flag UO."""
    proxies = evidence.counts["proxies"]
    edge = edges.numbers_of(proxies.labels)
    metric = proxies.labels["metric"].to_numpy(object)
    counted = Sorted(proxies, np.where((totals(proxies) > 0) & judged[edge], edge, -1))
    exported = {kind: np.isin(np.arange(len(judged)), edge[np.isin(metric, _COUNTERS[kind])]) for kind in _FLAGGED}
    parts = [(np.empty(0, np.intp), np.empty(0, object), np.empty(0), np.empty((0, edges.blocks), np.bool_))]
    for low in range(0, len(judged), CHUNK):
        part = slice(low, min(low + CHUNK, len(judged)))
        chunk = counted.chunk(low, part.stop, edges.blocks)
        for kind, counters in _COUNTERS.items():
            cells = np.maximum.reduce([chunk.sums(metric == counter) for counter in counters])
            if kind in _FLAGGED:
                sums = np.nan_to_num(edges.table[_FLAGGED[kind]].to_numpy(np.float64)[part])
                at = np.flatnonzero(judged[part] & ~exported[kind][part] & (sums >= 1))
                flagged = edges.overflow[part][at].astype(np.float64)
                cells[at] = flagged * (sums[at] / np.maximum(flagged.sum(axis=1), 1.0))[:, None]
            busy = np.flatnonzero(cells.any(axis=1))
            shed = cells[busy]
            parts.append((low + busy, np.full(len(busy), kind, object), shed.sum(axis=1), shed > 0))
    return Acted(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def open_scrapes(evidence: Evidence, edges: Edges) -> pd.DataFrame:
    """Scrapes and those that saw it open, by edge and kind; of two gauges of one thing the one that was open more."""
    table = gauges(evidence)
    table["kind"] = table["gauge"].astype(str).map(_KINDS)
    table["edge"] = edges.numbers_of(table)
    table = table[table["kind"].notna() & (table["edge"] >= 0)].sort_values("open")
    return table.drop_duplicates(["edge", "kind"], keep="last").set_index(["edge", "kind"])[["scrapes", "open"]]


def shed_of(actions: Acted, edges: Edges) -> Floats:
    """What it was shed of: requests, attempts, or retries made and refused; NaN for ejections."""
    requests, attempts = (edges.table[name].to_numpy(np.float64)[actions.edge] for name in ("requests", "attempts"))
    # Requests that a breaker refused are no longer among those that both ends report.
    blocked = np.where(edges.basis[actions.edge] == "arrivals", actions.shed, 0.0)
    wholes = {
        BREAKER: requests + blocked,
        LIMIT: attempts - requests + actions.shed,
        TRY_TIMEOUT: attempts,
        TIMEOUT: requests,
    }
    return np.select([actions.kind == kind for kind in wholes], list(wholes.values()), np.nan)
