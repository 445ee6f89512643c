"""Requests and attempts of all edges, a few hundred edges at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.questions.retries.cube import CHUNK, Bools, Cells, Cube, Floats, Part, Sorted
from meshlab.questions.retries.outcomes import failed, flagged, never_arrived

__all__ = ["Counted", "counted", "ratio"]

_UNEXPLAINED: Final = 0.05
"""Share of the arrivals beyond requests and failures from which on they count as no retries at all."""

_FAULT: Final = 1.05
"""Arrivals for a request from which on retry counters that stand at zero are not believed."""

_TOTALS: Final = (
    "logical",
    "attempts",
    "sent",
    "sent_good",
    "never",
    "injected",
    "overflow",
    "arrived_good",
    "refused",
    "unexplained",
)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What was counted.

    Parameters
    ----------
    logical, good, attempts, accepted, injected, sent, overflow : ndarray, shape (edges, blocks)
        As `Edges` has them.
    kinds : ndarray of str, shape (edges,)
        What tells the attempts.
    fault, has_callers, has_called : ndarray of bool, shape (edges,)
        Retry counters that are not believed; which ends report.
    totals : DataFrame
        One row an edge: sums over the window.
    """

    logical: Cells
    good: Cells
    attempts: Cells
    accepted: Cells
    injected: Cells
    sent: Cells
    overflow: Cells
    kinds: NDArray[np.object_]
    fault: Bools
    has_callers: Bools
    has_called: Bools
    totals: pd.DataFrame


def counted(
    callers: Cube, called: Cube, proxies: Cube, at: list[NDArray[np.intp]], retries: Floats, *, counts_attempts: bool
) -> Counted:
    """Put both ends' requests and the proxies' counters together.

    Parameters
    ----------
    callers, called, proxies : Cube
        At least one edge.
    at : list of ndarray of int
        The edge of each combination of these; -1 for none.
    retries : ndarray, shape (edges,)
        Retries over the window; NaN where they are not exported.
    counts_attempts : bool
        Whether the callers count each attempt, and not each request once.
    """
    edges, blocks = len(retries), callers.cells.shape[1]
    numbers = np.arange(edges)
    has_callers, has_called = np.isin(numbers, at[0]), np.isin(numbers, at[1])
    single = callers.cells.dtype == called.cells.dtype == proxies.cells.dtype == np.float32
    kind = np.float32 if single else np.float64
    names = ("logical", "good", "attempts", "accepted", "injected", "sent", "overflow")
    cubes = {name: np.empty((edges, blocks), kind) for name in names}
    totals = {name: np.zeros(edges) for name in _TOTALS}
    own, fault = np.zeros(edges, np.bool_), np.zeros(edges, np.bool_)
    ends = [Sorted(c, edge) for c, edge in zip((callers, called, proxies), at, strict=True)]
    rules = _Rules.of(callers, called, proxies)
    other = has_callers & has_called & (not counts_attempts)
    for low in range(0, edges, CHUNK):
        part = slice(low, min(low + CHUNK, edges))
        ours = _Chunk.of([end.part(low, part.stop, blocks) for end in ends], rules)
        arrivals = _from_arrivals(ours)
        exported = np.isfinite(retries[part]) & has_callers[part]
        silent = exported & (retries[part] == 0) & has_called[part]
        fault[part] = silent & (ratio(arrivals.attempts.sum(axis=1), arrivals.reached.sum(axis=1)) > _FAULT)
        own[part] = mine = exported & ~fault[part]
        if counts_attempts:
            logical, attempts = np.maximum(ours.sent - ours.retries, 0), ours.sent
        else:
            # What a fault filter aborted was never tried, and not by any retry's fault.
            tried = ours.sent - ours.aborted
            logical = np.where(mine[:, None], tried, arrivals.reached)
            attempts = np.where(mine[:, None], tried + ours.retries, arrivals.attempts)
        for name, values in (
            ("logical", logical),
            ("attempts", attempts),
            ("sent", ours.sent),
            ("sent_good", ours.sent_good),
            ("never", ours.never),
            ("injected", ours.injected),
            ("overflow", ours.overflow),
            ("arrived_good", ours.arrived_good),
            ("refused", arrivals.refused),
            ("unexplained", arrivals.unexplained),
        ):
            totals[name][part] = values.sum(axis=1)
        lone = (~has_callers & has_called)[part, None]
        # A whole that nobody counted is not zero.
        hide = (~(mine | other[part])[:, None] | ~ours.scraped) & ~lone
        cubes["logical"][part] = np.where(lone, ours.arrived, np.where(hide, np.nan, logical))
        cubes["good"][part] = np.where(lone, ours.arrived_good, np.where(hide, np.nan, ours.sent_good))
        cubes["attempts"][part] = np.where(hide | lone, np.nan, attempts)
        cubes["accepted"][part] = np.where(has_called[part, None], ours.taken, ours.sent_good + ours.per_try)
        cubes["injected"][part] = ours.injected
        cubes["sent"][part] = np.where(ours.scraped, logical if counts_attempts else ours.sent, np.nan)
        cubes["overflow"][part] = ours.overflow
    kinds = np.where(own, "proxies", np.where(other, "arrivals", "")).astype(object)
    return Counted(
        **cubes, kinds=kinds, fault=fault, has_callers=has_callers, has_called=has_called, totals=pd.DataFrame(totals)
    )


def ratio(a: Floats, b: Floats) -> Floats:
    """One by the other; NaN where there is nothing to divide by."""
    quotient: Floats = np.divide(a, b, out=np.full(np.shape(a), np.nan), where=b > 0)
    return quotient


@dataclass(frozen=True, slots=True, eq=False)
class _Rules:
    """Which combinations count as what, shape (combinations,) of the end that is named."""

    good: Bools
    never: Bools
    overflow: Bools
    injected: Bools
    aborted: Bools
    arrived_good: Bools
    taken: Bools
    retry: Bools
    per_try: Bools

    @classmethod
    def of(cls, callers: Cube, called: Cube, proxies: Cube) -> _Rules:
        never = never_arrived(callers.table).to_numpy(np.bool_)
        refused = flagged(callers.table["flags"], "UO").to_numpy(np.bool_)
        bad = failed(called.table).to_numpy(np.bool_)
        # An attempt whose caller gave up has no code: it was taken in. What is refused at once has one.
        broken = bad & (called.table["code"] == "0").to_numpy(np.bool_)
        metric = proxies.table["metric"]
        return cls(
            good=~failed(callers.table).to_numpy(np.bool_),
            never=never,
            overflow=refused & ~never,
            injected=flagged(callers.table["flags"], "DI", "FI").to_numpy(np.bool_),
            aborted=flagged(callers.table["flags"], "FI").to_numpy(np.bool_),
            arrived_good=~bad,
            taken=~bad | broken,
            retry=(metric == "retry").to_numpy(np.bool_),
            per_try=(metric == "per_try_timeout").to_numpy(np.bool_),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    """Sums of a few edges, shape (edges, blocks)."""

    sent: Floats
    sent_good: Floats
    never: Floats
    overflow: Floats
    injected: Floats
    aborted: Floats
    scraped: Bools
    arrived: Floats
    arrived_good: Floats
    taken: Floats
    retries: Floats
    per_try: Floats

    @classmethod
    def of(cls, parts: list[Part], rules: _Rules) -> _Chunk:
        callers, called, proxies = parts
        return cls(
            sent=callers.sums(),
            sent_good=callers.sums(rules.good),
            never=callers.sums(rules.never),
            overflow=callers.sums(rules.overflow),
            injected=callers.sums(rules.injected),
            aborted=callers.sums(rules.aborted),
            scraped=callers.scraped(),
            arrived=called.sums(),
            arrived_good=called.sums(rules.arrived_good),
            taken=called.sums(rules.taken),
            retries=proxies.sums(rules.retry),
            per_try=proxies.sums(rules.per_try),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Arrivals:
    """What both ends of an edge tell without any retry counter, shape (edges, blocks)."""

    reached: Floats
    attempts: Floats
    unexplained: Floats
    refused: Floats


def _from_arrivals(of: _Chunk) -> _Arrivals:
    """Requests that reached a server, and their attempts, from both ends of an edge.

    UO is two things: a breaker that refused the request itself (it never arrived), and one that refused a retry of a
    request that did. Only as many are taken for the former as must be: those for which there is no arrival, and those
    for which there is no failure that a retry could have followed.
    """
    sent, never, overflow, arrived, good = (
        cells.sum(axis=1) for cells in (of.sent, of.never, of.overflow, of.arrived, of.arrived_good)
    )
    bad = arrived - good
    must = np.maximum(sent - never - arrived, overflow - bad)
    # Counts of two ends are scraped at two moments: less than a hundredth is no difference.
    must = np.where(must > 0.01 * sent + 1, np.clip(must, 0, overflow), 0.0)
    refused = of.overflow * np.nan_to_num(ratio(must, overflow))[:, None]
    reached = np.maximum(of.sent - of.never - refused, 0)
    # A retry follows a failure: what arrives beyond requests and failures is mirrored, or comes from outside the mesh.
    beyond = arrived - reached.sum(axis=1) - bad
    odd = beyond > _UNEXPLAINED * arrived + 1
    share = np.where(odd, np.nan_to_num(ratio(beyond, arrived)), 0.0)
    unexplained = of.arrived * share[:, None]
    return _Arrivals(reached, np.maximum(of.arrived - unexplained, 0), unexplained, refused)
