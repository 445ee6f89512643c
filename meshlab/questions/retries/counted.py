"""Requests and attempts of all edges, some edges at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.counts import Counts
from meshlab.questions.retries.cells import CHUNK, Bools, Cells, Floats, Sorted, ratio
from meshlab.questions.retries.goodput import failed, lost
from meshlab.telemetry.dialects.proxies import COUNTERS
from meshlab.telemetry.outcomes import flagged, never_arrived, outcome, where

__all__ = ["Counted", "counted", "counter_sums", "edge_table"]

_UNEXPLAINED: Final = 0.05
"""Share of the arrivals beyond requests and failures from which on they count as no retries at all."""

_STUCK: Final = 1.05
"""Arrivals for a request from which on retry counters that stand at zero are not believed."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Counted:
    """What was counted.

    Parameters
    ----------
    requests, good, attempts, accepted : ndarray, shape (edges, blocks)
        Requests (each once), those that succeeded, attempts, and attempts that were not
        refused at once. NaN in a block where it was not measured.
    injected : ndarray, shape (edges, blocks)
        Requests that a fault filter delayed or aborted.
    offered, overflow : ndarray, shape (edges, blocks)
        All requests, arrived or not, NaN where the sources were not scraped; and of these with the flag UO.
    basis : ndarray of str, shape (edges,)
        What attempts are known from: ``proxies``, ``arrivals`` or nothing.
    stuck_counters, at_source, at_destination : ndarray of bool, shape (edges,)
        Retry counters that are not believed; which ends report.
    totals : DataFrame
        One row an edge: sums over the window.
    """

    requests: Cells
    good: Cells
    attempts: Cells
    accepted: Cells
    injected: Cells
    offered: Cells
    overflow: Cells
    basis: NDArray[np.object_]
    stuck_counters: Bools
    at_source: Bools
    at_destination: Bools
    totals: pd.DataFrame


def counted(
    counts: tuple[Counts, Counts, Counts],
    edge: Sequence[NDArray[np.intp]],
    retries: Floats,
    *,
    counts_attempts: bool,
    error_codes: str,
) -> Counted:
    """Put both ends' requests and the proxies' counters together.

    Parameters
    ----------
    counts, edge : sequence of Counts, of ndarray of int
        Of the source, the destination and the proxies, and the edge of each of their groups; -1 for none.
    retries : ndarray, shape (edges,)
        Retries over the window; NaN where they are not exported.
    counts_attempts : bool
        Whether the sources count each attempt, and not each request once.
    error_codes : str
        What counts as an error.
    """
    edges, blocks = len(retries), counts[0].grid.blocks
    numbers = np.arange(edges)
    at_source, at_destination = np.isin(numbers, edge[0]), np.isin(numbers, edge[1])
    kind = np.result_type(*(part.value for part in counts))
    cells: dict[str, Cells] = {}
    totals: dict[str, Floats] = {}
    own, stuck = np.zeros(edges, np.bool_), np.zeros(edges, np.bool_)
    ends = [Sorted(part, numbers) for part, numbers in zip(counts, edge, strict=True)]
    rules = _rules(*counts, error_codes)
    both = at_source & at_destination & (not counts_attempts)
    lone = ~at_source & at_destination
    for low in range(0, max(edges, 1), CHUNK):
        part = slice(low, min(low + CHUNK, edges))
        chunks = [end.chunk(low, part.stop, blocks) for end in ends]
        of = {name: chunks[end].sums(keep) for name, (end, keep) in rules.items()}
        reached, arriving = _from_arrivals(of)
        exported = np.isfinite(retries[part]) & at_source[part]
        silent = exported & (retries[part] == 0) & at_destination[part]
        stuck[part] = silent & (ratio(arriving.sum(axis=1), reached.sum(axis=1)) > _STUCK)
        own[part] = exported & ~stuck[part]
        by_proxy, by_one_end, scraped = own[part, None], lone[part, None], chunks[0].scraped()
        if counts_attempts:
            requests, attempts = np.maximum(of["offered"] - of["retries"], 0), of["offered"]
        else:
            # What a fault filter aborted was never tried, and not by any retry's fault.
            tried = of["offered"] - of["aborted"]
            requests = np.where(by_proxy, tried, reached)
            attempts = np.where(by_proxy, tried + of["retries"], arriving)
        for name, values in {**of, "requests": requests, "attempts": attempts}.items():
            totals.setdefault(name, np.zeros(edges))[part] = values.sum(axis=1)
        # A whole that nobody counted is not zero.
        hide = (~(by_proxy | both[part, None]) | ~scraped) & ~by_one_end
        accepted = np.where(at_destination[part, None], of["admitted"], of["offered_good"] + of["per_try"])
        for name, values in {
            "requests": np.where(by_one_end, of["arrived"], np.where(hide, np.nan, requests)),
            "good": np.where(by_one_end, of["arrived_good"], np.where(hide, np.nan, of["offered_good"])),
            "attempts": np.where(hide | by_one_end, np.nan, attempts),
            "accepted": accepted,
            "injected": of["injected"],
            "offered": np.where(scraped, requests if counts_attempts else of["offered"], np.nan),
            "overflow": of["overflow"],
        }.items():
            cells.setdefault(name, np.empty((edges, blocks), kind))[part] = values
    return Counted(
        **cells,
        basis=np.where(own, "proxies", np.where(both, "arrivals", "")).astype(object),
        stuck_counters=stuck,
        at_source=at_source,
        at_destination=at_destination,
        totals=pd.DataFrame(totals),
    )


def _rules(
    source: Counts, destination: Counts, proxies: Counts, error_codes: str
) -> dict[str, tuple[int, Bools | None]]:
    """Of which end each sum is, and of which of its groups; None for all of them."""

    def mask(chosen: pd.Series[bool]) -> Bools:
        return chosen.to_numpy(np.bool_)

    asked, metric = source.labels, proxies.labels["metric"]
    never, bad = mask(never_arrived(asked)), mask(failed(destination.labels, error_codes))
    return {
        "offered": (0, None),
        "offered_good": (0, ~mask(failed(asked, error_codes))),
        "never": (0, never),
        "lost": (0, mask(lost(asked))),
        "overflow": (0, mask(flagged(asked, "UO")) & ~never),
        "injected": (0, mask(where(asked, lambda *each: outcome(*each).injected))),
        "aborted": (0, mask(flagged(asked, "FI"))),
        "arrived": (1, None),
        "arrived_good": (1, ~bad),
        # An attempt whose caller gave up has no code: it was admitted. What is refused at once has one.
        "admitted": (1, ~bad | mask(destination.labels["code"] == "0")),
        "retries": (2, mask(metric == "retry")),
        "per_try": (2, mask(metric == "per_try_timeout")),
    }


def _from_arrivals(of: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Requests that reached a server, and their attempts, from both ends of an edge, shape (edges, blocks) each.

    UO is two things: a breaker that refused the request itself (it never arrived), and one that refused a retry of a
    request that did. Only as many are taken for the former as must be: those for which there is no arrival, and those
    for which there is no failure that a retry could have followed. Added are ``refused``, and what is ``unexplained``.
    """
    names = ("offered", "never", "overflow", "arrived", "arrived_good")
    offered, never, overflow, arrived, good = (of[name].sum(axis=1) for name in names)
    bad = arrived - good
    must = np.maximum(offered - never - arrived, overflow - bad)
    # Counts of two ends are scraped at two moments: less than a hundredth is no difference.
    must = np.where(must > 0.01 * offered + 1, np.clip(must, 0, overflow), 0.0)
    of["refused"] = of["overflow"] * np.nan_to_num(ratio(must, overflow))[:, None]
    reached = np.maximum(of["offered"] - of["never"] - of["refused"], 0)
    # A retry follows a failure: what arrives beyond requests and failures is mirrored, or comes from outside the mesh.
    beyond = arrived - reached.sum(axis=1) - bad
    odd = beyond > _UNEXPLAINED * arrived + 1
    share = np.where(odd, np.nan_to_num(ratio(beyond, arrived)), 0.0)
    of["unexplained"] = of["arrived"] * share[:, None]
    return reached, np.maximum(of["arrived"] - of["unexplained"], 0)


def counter_sums(proxies: Counts, totals: Floats, edge: NDArray[np.intp], count: int) -> pd.DataFrame:
    """Totals of each proxy counter by edge; NaN where it is not exported."""
    sums = {}
    for name in COUNTERS:
        rows = (proxies.labels["metric"] == name).to_numpy(np.bool_) & (edge >= 0)
        column = np.full(count, np.nan)
        column[edge[rows]] = 0.0
        np.add.at(column, edge[rows], totals[rows])
        sums[name] = column
    return pd.DataFrame(sums)


def edge_table(names: pd.DataFrame, counts: Counted, sums: pd.DataFrame) -> pd.DataFrame:
    """Requests, attempts, and what became of them; NaN for what is not exported."""
    whole = {str(name): values.to_numpy(np.float64) for name, values in counts.totals.items()}
    requests, attempts, refused = whole["requests"], whole["attempts"], whole["refused"]
    retries = attempts - requests
    own, known, at_destination = counts.basis == "proxies", counts.basis != "", counts.at_destination
    both, saved = at_destination & counts.at_source, np.where(own, sums["retry_success"], np.nan)
    # A refused retry is counted by itself; what else bears the flag UO was refused before it was sent.
    blocked = sums[["pending_overflow", "active_overflow"]].max(axis=1).to_numpy(np.float64)
    flagged = np.where(at_destination, whole["overflow"] - refused, np.nan)
    exported = ("retry_limit_exceeded", "per_try_timeout", "timeout", "connect_fail", "ejections")
    return names.assign(
        basis=counts.basis,
        requests=np.where(known, requests, np.nan),
        attempts=np.where(known, attempts, np.nan),
        amplification=np.where(known, ratio(attempts, requests), np.nan),
        retries_per_request=np.where(known, ratio(retries, requests), np.nan),
        retries_per_attempt=np.where(known, ratio(retries, attempts), np.nan),
        saved=saved,
        wasted=np.where(own, 1 - ratio(saved, np.where(retries > 0, retries, np.nan)), np.nan),
        breaker_rejected=np.where(np.isfinite(blocked), blocked, np.where(at_destination, refused, np.nan)),
        retries_refused=np.where(own, sums["retry_overflow"], flagged),
        **{name: sums[name] for name in exported},
        never_arrived=whole["never"],
        injected=whole["injected"],
        unexplained=np.where(at_destination, whole["unexplained"], np.nan),
        success_rate=ratio(whole["offered_good"], whole["offered"]),
        stuck_counters=counts.stuck_counters,
        only_destination=~counts.at_source & at_destination,
        consistency=np.where(both, ratio(whole["arrived_good"], whole["offered_good"]), np.nan),
    )
