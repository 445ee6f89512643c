"""What a service serves when it is full, and whether its usual load would fill it if each request were tried again."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom

from meshlab.questions.retries.cube import CHUNK, Bools, Cube, Floats, Sorted, total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.settings import Policy
from meshlab.questions.retries.storm import Storm

__all__ = ["OVERLOADED", "STABLE", "UNKNOWN", "VULNERABLE", "capacity"]

STABLE: Final = "stable"
VULNERABLE: Final = "vulnerable"
OVERLOADED: Final = "overloaded"
UNKNOWN: Final = "not measured"

LEVEL: Final = 0.95
"""Of the interval."""

_MORE: Final = 1.5
"""Attempts over the usual from which a service may be full."""
_TAKEN: Final = 0.8
"""Share of the attempts that a full one takes in at most."""
_WORKS: Final = 1.1
"""What it takes in over the usual: less is a service in trouble, and no full one."""
_ANSWERED: Final = 0.9
"""Share of its own calls that must be answered well."""
_LEAST_BLOCKS: Final = 3


def capacity(all_edges: Edges, among: Bools, found: Storm, ways: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Tell what each service that was seen full takes in, and what its usual load comes to with all retries.

    A service is full in a block in which far more is tried than usual, it refuses a fifth and more at once, takes in
    more than usual all the same, and its own calls are answered: what it takes in then is its capacity. Errors do not
    look like this, because nobody takes in more than is asked while each request fails. With at most W attempts for a
    request at the top, a load up to capacity / W comes back by itself; between that and the capacity every time-out can
    tip it.

    Parameters
    ----------
    all_edges : Edges
    among : ndarray of bool, shape (edges,)
        The edges that are judged.
    found : Storm
    ways : DataFrame
        Of `paths`.
    policy : Policy

    Returns
    -------
    DataFrame
        One row a service that was seen full: ``namespace, service, load_per_s`` (usual, in calm blocks),
        ``capacity_per_s``, ``low``, ``high`` (95 %), ``blocks``, ``worst`` (attempts for a request at the top),
        ``worst_from``, ``safe_per_s`` (NaN where no retries are known) and ``state``.
    """
    columns = ["namespace", "service", "load_per_s", "capacity_per_s", "low", "high", "blocks"]
    rows: list[tuple[object, ...]] = []
    calm = (found.timeline["phase"] == "calm").to_numpy(np.bool_)
    seconds = all_edges.block_ms / 1000
    for service, tried, taken in _by_service(all_edges, among) if calm.any() else ():
        full = _full(tried, taken, calm, policy)
        if full.sum() < _LEAST_BLOCKS or _fails_below(all_edges, service, full):
            continue
        low, middle, high = _middle(taken[full] / seconds)
        name = all_edges.services.iloc[service]
        usual = float(np.nanmedian(tried[calm])) / seconds
        rows.append((name["namespace"], name["service"], usual, middle, low, high, int(full.sum())))
    table = pd.DataFrame(rows, columns=columns)
    worst = ways[["namespace", "service", "worst", "worst_from"]]
    table = table.merge(worst, how="left", on=["namespace", "service"])
    some = table["worst"] > 1
    table["worst"] = table["worst"].where(some)
    table["worst_from"] = table["worst_from"].where(some, "").astype(str)
    table["safe_per_s"] = table["capacity_per_s"] / table["worst"]
    load, most = table["load_per_s"], table["capacity_per_s"]
    state = np.where(load > table["safe_per_s"], VULNERABLE, np.where(some, STABLE, UNKNOWN))
    table["state"] = np.where(load > most, OVERLOADED, state).astype(object)
    return table.sort_values(["namespace", "service"]).reset_index(drop=True)


def _by_service(all_edges: Edges, among: Bools) -> list[tuple[int, Floats, Floats]]:
    """Attempts and what was taken in, of the services whose attempts rose at all, by block."""
    count, blocks = len(all_edges.services), all_edges.blocks
    place: NDArray[np.intp] = np.where(among & (all_edges.basis != ""), all_edges.callee, -1)
    ends = [Sorted(Cube(pd.DataFrame(), cells), place) for cells in (all_edges.attempts, all_edges.accepted)]
    found = []
    for low in range(0, count, CHUNK):
        tried, taken = (end.part(low, min(low + CHUNK, count), blocks) for end in ends)
        scraped = tried.scraped()
        tries, took = (np.where(scraped, part.sums(), np.nan) for part in (tried, taken))
        # The cheapest of the conditions first: few services are ever full.
        able = ((took < _TAKEN * tries).sum(axis=1) >= _LEAST_BLOCKS).nonzero()[0]
        found += [(low + int(at), tries[at], took[at]) for at in able]
    return found


def _full(tried: Floats, taken: Floats, calm: Bools, policy: Policy) -> Bools:
    nothing = np.zeros(len(tried), np.bool_)
    if not np.isfinite(tried[calm]).any():
        return nothing
    usual, usually = float(np.nanmedian(tried[calm])), float(np.nanmedian(taken[calm]))
    # Of a service that is idle in the calm, or counted in a few blocks only, nothing is usual.
    if usual <= 0 or usually <= 0:
        return nothing
    refused = (taken <= _TAKEN * tried) & (tried - taken >= policy.least)
    full: Bools = refused & (tried >= _MORE * usual) & (taken >= _WORKS * usually)
    return full


def _fails_below(all_edges: Edges, service: int, full: Bools) -> bool:
    """Whether what a service calls fails: then its own refusals are not its own."""
    calls = np.flatnonzero((all_edges.caller == service) & (all_edges.basis != ""))
    asked, good = (float(total(cells[calls], full).sum()) for cells in (all_edges.logical, all_edges.good))
    return good < _ANSWERED * asked


def _middle(values: Floats) -> tuple[float, float, float]:
    """The median, and the order statistics that bound it whatever the distribution."""
    ordered = np.sort(values)
    at = max(int(binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5)) - 1, 0)
    return float(ordered[at]), float(np.median(ordered)), float(ordered[-1 - at])
