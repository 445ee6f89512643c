"""Whether a destination did better for what protected it."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from meshlab.core.evidence import Evidence
from meshlab.questions.retries.cells import CHUNK, EDGE, Bools, Floats, Sorted, quantile, ratio
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.protection import EJECTION, Acted, acted, open_scrapes, shed_of
from meshlab.questions.retries.settings import RetriesSettings
from meshlab.questions.retries.tables import LEVEL, UNKNOWN

__all__ = ["BETTER", "NOTHING", "WORSE", "find_protection"]

BETTER: Final = "better"
WORSE: Final = "worse"
NOTHING: Final = "no difference seen"

_NEAR: Final = 6
"""Blocks before it acted that are compared."""

_LEAST_BLOCKS: Final = 3
"""On either side; fewer bound nothing."""

_RARE: Final = f"it acted alone in fewer than {_LEAST_BLOCKS} blocks with requests"
_AT_ONCE: Final = f"requests failed in fewer than {_LEAST_BLOCKS} blocks before it acted"


def find_protection(evidence: Evidence, edges: Edges, judged: Bools, settings: RetriesSettings) -> pd.DataFrame:
    """What protected each judged edge, and whether its destination did better for it.

    Compared are the success rates of all requests to the destination, from whichever source, shed ones included: while
    it acted, and in the up to six blocks before in which requests failed already and it did not act. An ejection is
    compared with the blocks in which the host was back until it was ejected anew. It is a comparison in time: whatever
    else changed in the meantime is in it.

    Returns
    -------
    DataFrame
        As the result's table ``protection``: one row an edge and kind that acted, the most shed first. The interval is
        of 95 %.
    """
    actions = acted(evidence, edges, judged)
    shed, whole = actions.shed, shed_of(actions, edges)
    scrapes = open_scrapes(evidence, edges).reindex(pd.MultiIndex.from_arrays([actions.edge, actions.kind]))
    seen, opened = (scrapes[name].to_numpy(np.float64) for name in ("scrapes", "open"))
    table = edges.names.iloc[actions.edge].reset_index(drop=True)
    table = table.assign(
        kind=actions.kind,
        scrapes=seen,
        open=opened,
        open_share=opened / seen,
        blocks=actions.blocks.sum(axis=1),
        shed=shed,
        shed_share=ratio(shed, whole),
    )
    compared = _compared(actions, _ejected(evidence, edges), edges, judged, settings)
    table = pd.concat([table, compared], axis=1)
    return table.sort_values(["shed", *EDGE, "kind"], ascending=[False] + 5 * [True]).reset_index(drop=True)


def _ejected(evidence: Evidence, edges: Edges) -> dict[int, Bools]:
    """The blocks in which a host was ejected, by edge."""
    frame = evidence.frames["breakers"]
    frame = frame[(frame["gauge"] == "ejected") & (frame["open"] > 0)]
    away: dict[int, Bools] = {}
    for edge, first, blocks in zip(edges.numbers_of(frame).tolist(), frame["block"], frame["blocks"], strict=True):
        if edge >= 0:
            away.setdefault(edge, np.zeros(edges.blocks, np.bool_))[int(first) : int(first + blocks)] = True
    return away


def _compared(
    actions: Acted, ejected: dict[int, Bools], edges: Edges, judged: Bools, settings: RetriesSettings
) -> pd.DataFrame:
    """The destination's success rate with and without each action, in the order of the actions."""
    services = edges.destination[actions.edge]
    wanted = np.unique(services)
    known = judged & edges.known & np.isin(edges.destination, wanted)
    place = np.where(known, np.searchsorted(wanted, edges.destination), -1)
    # A request that a breaker refused is one that was not answered with success, whatever else it counts as.
    ends = [Sorted(cells, place) for cells in (edges.offered, edges.good)]
    order = np.argsort(services, kind="stable")
    tables = []
    for low in range(0, max(len(order), 1), CHUNK):
        rows = order[low : low + CHUNK]
        at = np.searchsorted(wanted, services[rows])
        first, last = (int(at[0]), int(at[-1])) if len(at) else (0, 0)
        offered, good = (end.chunk(first, last + 1, edges.blocks).sums() for end in ends)
        troubled = _troubled(good, offered, settings)
        offered, good, troubled = offered[at - first], good[at - first], troubled[at - first]
        acting = actions.blocks[rows]
        during, before = acting.copy(), _before(acting, troubled)
        for row in np.flatnonzero(actions.kind[rows] == EJECTION):
            during[row] = ejected.get(int(actions.edge[rows[row]]), False) & ~acting[row]
            before[row] = acting[row]
        tables.append(_welch(good, offered, before, during, settings.least).set_axis(rows))
    return pd.concat(tables).sort_index().reset_index(drop=True)


def _welch(good: Floats, offered: Floats, before: Bools, during: Bools, least: int) -> pd.DataFrame:
    """Both success rates and the interval of their difference (Welch), a row an action."""
    (n0, offered0, share0, variance0), (n1, offered1, share1, variance1) = (
        _rate(good, offered, mask) for mask in (before, during)
    )
    variance = variance0 + variance1
    with np.errstate(invalid="ignore", divide="ignore"):
        half = variance0**2 / (n0 - 1) + variance1**2 / (n1 - 1)
        half = stdtrit(variance**2 / half, 0.5 + LEVEL / 2) * np.sqrt(variance)
    difference = share1 - share0
    few_before, few_during = (n0 < _LEAST_BLOCKS) | (offered0 < least), (n1 < _LEAST_BLOCKS) | (offered1 < least)
    enough = ~few_before & ~few_during
    low, high = difference - half, difference + half
    helped = np.where(low > 0, BETTER, np.where(high < 0, WORSE, NOTHING)).astype(object)
    return pd.DataFrame(
        {
            "success_before": np.where(few_before, np.nan, share0),
            "success_during": np.where(few_during, np.nan, share1),
            "difference": np.where(enough, difference, np.nan),
            "low": np.where(enough, low, np.nan),
            "high": np.where(enough, high, np.nan),
            "helped": np.where(enough, helped, UNKNOWN),
            "why": np.where(few_during, _RARE, np.where(few_before, _AT_ONCE, "")).astype(object),
        }
    )


def _troubled(good: Floats, offered: Floats, settings: RetriesSettings) -> Bools:
    """Blocks in which a destination answered worse than usual: the upper quartile of its blocks."""
    share = ratio(good, offered)
    return np.asarray(share < settings.goodput * quantile(share, 0.75)[:, None], np.bool_)


def _before(acting: Bools, troubled: Bools) -> Bools:
    """Troubled blocks without it, at most `_NEAR` before one with it."""
    ahead = np.zeros_like(acting)
    for blocks in range(1, _NEAR + 1):
        ahead[:, :-blocks] |= acting[:, blocks:]
    return ahead & troubled & ~acting


def _rate(good: Floats, offered: Floats, mask: Bools) -> tuple[Floats, Floats, Floats, Floats]:
    """Blocks, requests, success rate and its variance, shape (rows,).

    A ratio over blocks, each of which is drawn as a whole; never surer than if all requests were drawn singly.
    """
    mask = mask & (offered > 0)
    requests, fine = (offered * mask).sum(axis=1), (good * mask).sum(axis=1)
    blocks = mask.sum(axis=1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = fine / requests
        rest = ((good - share[:, None] * offered) * mask) ** 2
        between = rest.sum(axis=1) * blocks / (blocks - 1) / requests**2
        single = (fine + 1) / (requests + 2)
        return blocks, requests, share, np.fmax(between, single * (1 - single) / requests)
