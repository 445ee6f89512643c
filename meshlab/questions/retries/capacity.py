"""What a service takes in when it is saturated, and whether its usual load would saturate it with all retries."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom

from meshlab.questions.retries.cells import CHUNK, Bools, Floats, Sorted, total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.settings import RetriesSettings
from meshlab.questions.retries.storm import Storm
from meshlab.questions.retries.tables import LEVEL, UNKNOWN

__all__ = ["OVERLOADED", "STABLE", "VULNERABLE", "find_capacity"]

STABLE: Final = "stable"
VULNERABLE: Final = "vulnerable"
OVERLOADED: Final = "overloaded"

_MORE: Final = 1.5
"""Attempts over the usual from which a service may be saturated."""
_TAKEN: Final = 0.8
"""Share of the attempts that a saturated one takes in at most."""
_WORKS: Final = 1.1
"""What it takes in over the usual: less is a service in trouble, and not a saturated one."""
_ANSWERED: Final = 0.9
"""Share of its own calls that must be answered with success."""
_LEAST_BLOCKS: Final = 3


def find_capacity(
    edges: Edges, judged: Bools, storm: Storm, paths: pd.DataFrame, settings: RetriesSettings
) -> pd.DataFrame:
    """What each service that was seen saturated takes in, and what its usual load comes to with all retries.

    A service is saturated in a block in which far more is tried than usual, it refuses a fifth and more at once, takes
    in more than usual all the same, and its own calls are answered: what it takes in then is its capacity. Errors do
    not look like this, because nobody takes in more than is asked while each request fails. With at most W attempts per
    request at the top, a load up to capacity / W comes back by itself; between that and the capacity a sufficiently
    long timeout can push it into overload.

    Returns
    -------
    DataFrame
        As the result's table ``capacity``: one row a service that was seen saturated. The interval is of 95 %.
    """
    rows = []
    calm = (storm.timeline["phase"] == "calm").to_numpy(np.bool_)
    for service, attempts, accepted in _by_service(edges, judged) if calm.any() else ():
        full = _saturated(attempts, accepted, calm, settings)
        if full.sum() < _LEAST_BLOCKS or _fails_below(edges, service, full):
            continue
        usual = float(np.nanmedian(attempts[calm])) / edges.block_s
        rows.append((*edges.services.iloc[service], usual, *_middle(accepted[full] / edges.block_s), int(full.sum())))
    measured = ("namespace", "service", "load_per_s", "capacity_per_s", "low", "high", "blocks")
    table = pd.DataFrame(rows, columns=measured)
    table = table.merge(paths[["namespace", "service", "worst", "worst_from"]], how="left", on=["namespace", "service"])
    retried = table["worst"] > 1
    table["worst"] = table["worst"].where(retried)
    table["worst_from"] = table["worst_from"].where(retried, "").astype(str)
    table["safe_per_s"] = table["capacity_per_s"] / table["worst"]
    state = np.where(table["load_per_s"] > table["safe_per_s"], VULNERABLE, np.where(retried, STABLE, UNKNOWN))
    table["state"] = np.where(table["load_per_s"] > table["capacity_per_s"], OVERLOADED, state).astype(object)
    return table.sort_values(["namespace", "service"]).reset_index(drop=True)


def _by_service(edges: Edges, judged: Bools) -> list[tuple[int, Floats, Floats]]:
    """Attempts and what was taken in by block, of the services that refused enough to be saturated."""
    count, blocks = len(edges.services), edges.blocks
    place: NDArray[np.intp] = np.where(judged & edges.known, edges.destination, -1)
    ends = [Sorted(cells, place) for cells in (edges.attempts, edges.accepted)]
    services = []
    for low in range(0, count, CHUNK):
        parts = [end.chunk(low, min(low + CHUNK, count), blocks) for end in ends]
        scraped = parts[0].scraped()
        attempts, accepted = (np.where(scraped, part.sums(), np.nan) for part in parts)
        # The cheapest of the conditions first: few services are ever saturated.
        able = ((accepted < _TAKEN * attempts).sum(axis=1) >= _LEAST_BLOCKS).nonzero()[0]
        services += [(low + int(at), attempts[at], accepted[at]) for at in able]
    return services


def _saturated(attempts: Floats, accepted: Floats, calm: Bools, settings: RetriesSettings) -> Bools:
    usual, usually_accepted = (
        float(np.nanmedian(cells[calm])) if np.isfinite(cells[calm]).any() else 0.0 for cells in (attempts, accepted)
    )
    # Of a service that is idle in the calm, or counted in a few blocks only, nothing is usual.
    if usual <= 0 or usually_accepted <= 0:
        return np.zeros(len(attempts), np.bool_)
    refused = (accepted <= _TAKEN * attempts) & (attempts - accepted >= settings.least)
    full: Bools = refused & (attempts >= _MORE * usual) & (accepted >= _WORKS * usually_accepted)
    return full


def _fails_below(edges: Edges, service: int, full: Bools) -> bool:
    """Whether what a service calls fails: then its own refusals are not its own."""
    calls = np.flatnonzero((edges.source == service) & edges.known)
    requests, good = (float(total(cells[calls], full).sum()) for cells in (edges.requests, edges.good))
    return good < _ANSWERED * requests


def _middle(values: Floats) -> tuple[float, float, float]:
    """The median, and the order statistics that bound it whatever the distribution."""
    ordered = np.sort(values)
    at = max(int(binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5)) - 1, 0)
    return float(np.median(ordered)), float(ordered[at]), float(ordered[-1 - at])
