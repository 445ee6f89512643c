"""Requests and attempts of all edges, a few hundred edges at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.counts import Counts
from meshlab.questions.retries.cells import CHUNK, Bools, Cells, Chunk, Floats, Sorted, is_single
from meshlab.questions.retries.outcomes import failed, flagged, never_arrived

__all__ = ["Counted", "counted", "ratio"]

_UNEXPLAINED: Final = 0.05
"""Share of the arrivals beyond requests and failures from which on they count as no retries at all."""

_STUCK: Final = 1.05
"""Arrivals for a request from which on retry counters that stand at zero are not believed."""

_OF_CHUNK: Final = ("offered", "offered_good", "never", "injected", "overflow", "arrived_good")
_TOTALS: Final = ("requests", "attempts", "refused", "unexplained", *_OF_CHUNK)
_CUBES: Final = ("requests", "good", "attempts", "accepted", "injected", "offered", "overflow")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Counted:
    """What was counted.

    Parameters
    ----------
    requests, good, attempts, accepted : ndarray, shape (edges, blocks)
        Requests (each once, whatever its tries), those that were answered well, attempts, and attempts that were not
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
    counts: tuple[Counts, Counts, Counts], edge: Sequence[NDArray[np.intp]], retries: Floats, *, counts_attempts: bool
) -> Counted:
    """Put both ends' requests and the proxies' counters together.

    Parameters
    ----------
    counts : tuple of Counts
        Of the source, the destination and the proxies.
    edge : sequence of ndarray of int
        The edge of each group of these; -1 for none.
    retries : ndarray, shape (edges,)
        Retries over the window; NaN where they are not exported.
    counts_attempts : bool
        Whether the sources count each attempt, and not each request once.
    """
    edges, blocks = len(retries), counts[0].grid.blocks
    numbers = np.arange(edges)
    at_source, at_destination = np.isin(numbers, edge[0]), np.isin(numbers, edge[1])
    single = all(map(is_single, counts))
    cells = {name: np.empty((edges, blocks), np.float32 if single else np.float64) for name in _CUBES}
    totals: list[pd.DataFrame] = []
    own, stuck = np.zeros(edges, np.bool_), np.zeros(edges, np.bool_)
    ends = [Sorted(part, numbers) for part, numbers in zip(counts, edge, strict=True)]
    rules = _Rules.of(*counts)
    both = at_source & at_destination & (not counts_attempts)
    lone = ~at_source & at_destination
    for low in range(0, edges, CHUNK):
        part = slice(low, min(low + CHUNK, edges))
        chunk = _Sums.of([end.chunk(low, part.stop, blocks) for end in ends], rules)
        arrivals = _from_arrivals(chunk)
        exported = np.isfinite(retries[part]) & at_source[part]
        silent = exported & (retries[part] == 0) & at_destination[part]
        stuck[part] = silent & (ratio(arrivals.attempts.sum(axis=1), arrivals.reached.sum(axis=1)) > _STUCK)
        own[part] = exported & ~stuck[part]
        by_proxy, by_one_end = own[part, None], lone[part, None]
        if counts_attempts:
            requests, attempts = np.maximum(chunk.offered - chunk.retries, 0), chunk.offered
        else:
            # What a fault filter aborted was never tried, and not by any retry's fault.
            tried = chunk.offered - chunk.aborted
            requests = np.where(by_proxy, tried, arrivals.reached)
            attempts = np.where(by_proxy, tried + chunk.retries, arrivals.attempts)
        sums = {
            "requests": requests,
            "attempts": attempts,
            "refused": arrivals.refused,
            "unexplained": arrivals.unexplained,
            **{name: getattr(chunk, name) for name in _OF_CHUNK},
        }
        totals.append(pd.DataFrame({name: values.sum(axis=1) for name, values in sums.items()}))
        # A whole that nobody counted is not zero.
        hide = (~(by_proxy | both[part, None]) | ~chunk.scraped) & ~by_one_end
        for name, values in {
            "requests": np.where(by_one_end, chunk.arrived, np.where(hide, np.nan, requests)),
            "good": np.where(by_one_end, chunk.arrived_good, np.where(hide, np.nan, chunk.offered_good)),
            "attempts": np.where(hide | by_one_end, np.nan, attempts),
            "accepted": np.where(at_destination[part, None], chunk.admitted, chunk.offered_good + chunk.per_try),
            "injected": chunk.injected,
            "offered": np.where(chunk.scraped, requests if counts_attempts else chunk.offered, np.nan),
            "overflow": chunk.overflow,
        }.items():
            cells[name][part] = values
    return Counted(
        **cells,
        basis=np.where(own, "proxies", np.where(both, "arrivals", "")).astype(object),
        stuck_counters=stuck,
        at_source=at_source,
        at_destination=at_destination,
        totals=pd.concat(totals, ignore_index=True) if totals else pd.DataFrame(columns=list(_TOTALS), dtype=float),
    )


def ratio(part: Floats, whole: Floats) -> Floats:
    """One by the other; NaN where there is nothing to divide by."""
    quotient: Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return quotient


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Rules:
    """Which groups count as what, shape (groups,) of the end that is named."""

    good: Bools
    never: Bools
    overflow: Bools
    injected: Bools
    aborted: Bools
    arrived_good: Bools
    admitted: Bools
    retry: Bools
    per_try: Bools

    @classmethod
    def of(cls, source: Counts, destination: Counts, proxies: Counts) -> _Rules:
        never = never_arrived(source.labels).to_numpy(np.bool_)
        refused = flagged(source.labels["flags"], "UO").to_numpy(np.bool_)
        bad = failed(destination.labels).to_numpy(np.bool_)
        # An attempt whose caller gave up has no code: it was admitted. What is refused at once has one.
        broken = bad & (destination.labels["code"] == "0").to_numpy(np.bool_)
        metric = proxies.labels["metric"]
        return cls(
            good=~failed(source.labels).to_numpy(np.bool_),
            never=never,
            overflow=refused & ~never,
            injected=flagged(source.labels["flags"], "DI", "FI").to_numpy(np.bool_),
            aborted=flagged(source.labels["flags"], "FI").to_numpy(np.bool_),
            arrived_good=~bad,
            admitted=~bad | broken,
            retry=(metric == "retry").to_numpy(np.bool_),
            per_try=(metric == "per_try_timeout").to_numpy(np.bool_),
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Sums:
    """Sums of a few edges, shape (edges, blocks)."""

    offered: Floats
    offered_good: Floats
    never: Floats
    overflow: Floats
    injected: Floats
    aborted: Floats
    scraped: Bools
    arrived: Floats
    arrived_good: Floats
    admitted: Floats
    retries: Floats
    per_try: Floats

    @classmethod
    def of(cls, parts: list[Chunk], rules: _Rules) -> _Sums:
        source, destination, proxies = parts
        return cls(
            offered=source.sums(),
            offered_good=source.sums(rules.good),
            never=source.sums(rules.never),
            overflow=source.sums(rules.overflow),
            injected=source.sums(rules.injected),
            aborted=source.sums(rules.aborted),
            scraped=source.scraped(),
            arrived=destination.sums(),
            arrived_good=destination.sums(rules.arrived_good),
            admitted=destination.sums(rules.admitted),
            retries=proxies.sums(rules.retry),
            per_try=proxies.sums(rules.per_try),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Arrivals:
    """What both ends of an edge say without any retry counter, shape (edges, blocks)."""

    reached: Floats
    attempts: Floats
    unexplained: Floats
    refused: Floats


def _from_arrivals(chunk: _Sums) -> _Arrivals:
    """Requests that reached a server, and their attempts, from both ends of an edge.

    UO is two things: a breaker that refused the request itself (it never arrived), and one that refused a retry of a
    request that did. Only as many are taken for the former as must be: those for which there is no arrival, and those
    for which there is no failure that a retry could have followed.
    """
    offered, never, overflow, arrived, good = (
        cells.sum(axis=1) for cells in (chunk.offered, chunk.never, chunk.overflow, chunk.arrived, chunk.arrived_good)
    )
    bad = arrived - good
    must = np.maximum(offered - never - arrived, overflow - bad)
    # Counts of two ends are scraped at two moments: less than a hundredth is no difference.
    must = np.where(must > 0.01 * offered + 1, np.clip(must, 0, overflow), 0.0)
    refused = chunk.overflow * np.nan_to_num(ratio(must, overflow))[:, None]
    reached = np.maximum(chunk.offered - chunk.never - refused, 0)
    # A retry follows a failure: what arrives beyond requests and failures is mirrored, or comes from outside the mesh.
    beyond = arrived - reached.sum(axis=1) - bad
    odd = beyond > _UNEXPLAINED * arrived + 1
    share = np.where(odd, np.nan_to_num(ratio(beyond, arrived)), 0.0)
    unexplained = chunk.arrived * share[:, None]
    return _Arrivals(reached, np.maximum(chunk.arrived - unexplained, 0), unexplained, refused)
