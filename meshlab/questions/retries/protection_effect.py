"""Whether a destination did better for what protected it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from meshlab.core.evidence import Evidence
from meshlab.questions.retries.cells import CHUNK, EDGE, Bools, Floats, Sorted, quantile, ratio
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.protection import EJECTION, Acted, acted, open_scrapes, shed_of
from meshlab.questions.retries.settings import RetriesSettings

__all__ = ["BETTER", "NOTHING", "UNKNOWN", "WORSE", "find_protection"]

BETTER: Final = "better"
WORSE: Final = "worse"
NOTHING: Final = "no difference seen"
UNKNOWN: Final = "not measured"

LEVEL: Final = 0.95
"""Of the interval."""

_NEAR: Final = 6
"""Blocks before it acted that are compared."""

_LEAST_BLOCKS: Final = 3
"""On either side; fewer bound nothing."""

_RARE: Final = f"it acted alone in fewer than {_LEAST_BLOCKS} blocks with requests"
_AT_ONCE: Final = f"requests failed in fewer than {_LEAST_BLOCKS} blocks before it acted"


def find_protection(evidence: Evidence, edges: Edges, judged: Bools, settings: RetriesSettings) -> pd.DataFrame:
    """What protected each edge, and whether its destination did better for it.

    Compared are the success rates of all requests to the destination, from whichever source, shed ones included: while
    it acted, and in the up to six blocks before in which requests failed already and it did not act. An ejection is
    compared with the blocks in which the host was back until it was ejected anew. It is a comparison in time: whatever
    else changed in the meantime is in it.

    Parameters
    ----------
    evidence : Evidence
    edges : Edges
    judged : ndarray of bool, shape (edges,)
        The edges that are judged.
    settings : RetriesSettings

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
    compared = _compared(actions, _Ejected.at(evidence, edges), edges, judged, settings)
    table = pd.concat([table, compared], axis=1)
    return table.sort_values(["shed", *EDGE, "kind"], ascending=[False] + 5 * [True]).reset_index(drop=True)


@dataclass(frozen=True, slots=True, eq=False)
class _Ejected:
    """Edges with ejected hosts, and when, shape (rows, blocks)."""

    edge: NDArray[np.intp]
    cells: Bools

    @classmethod
    def at(cls, evidence: Evidence, edges: Edges) -> _Ejected:
        frame = evidence.frames["breakers"]
        frame = frame[(frame["gauge"] == "ejected") & (frame["open"] > 0)]
        index = pd.MultiIndex.from_frame(edges.names)
        edge = index.get_indexer(pd.MultiIndex.from_frame(frame[list(EDGE)].astype(str)))
        frame, edge = frame[edge >= 0], edge[edge >= 0]
        numbers, row = np.unique(edge, return_inverse=True)
        # Up at the first block of each run, down after its last.
        step = np.zeros((len(numbers), edges.blocks + 1), np.int64)
        first = frame["block"].to_numpy(np.int64)
        np.add.at(step, (row, first), 1)
        np.add.at(step, (row, first + frame["blocks"].to_numpy(np.int64)), -1)
        return cls(numbers, np.cumsum(step, axis=1)[:, : edges.blocks] > 0)

    def of(self, edge: int) -> Bools | None:
        """The blocks in which a host of this edge was ejected; None where none was."""
        at = int(np.searchsorted(self.edge, edge))
        return self.cells[at] if at < len(self.edge) and self.edge[at] == edge else None


def _compared(
    actions: Acted, ejected: _Ejected, edges: Edges, judged: Bools, settings: RetriesSettings
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
        first, last = (int(at.min()), int(at.max())) if len(at) else (0, 0)
        offered, good = (end.chunk(first, last + 1, edges.blocks).sums() for end in ends)
        troubled = _troubled(good, offered, settings)
        offered, good, troubled = offered[at - first], good[at - first], troubled[at - first]
        acting = actions.blocks[rows]
        during, before = acting.copy(), _before(acting, troubled)
        for row in np.flatnonzero(actions.kind[rows] == EJECTION):
            away = ejected.of(int(actions.edge[rows[row]]))
            during[row] = False if away is None else away & ~acting[row]
            before[row] = acting[row]
        table = _welch(good, offered, before, during, settings.least)
        tables.append(table.set_axis(rows))
    return pd.concat(tables).sort_index().reset_index(drop=True)


def _welch(good: Floats, offered: Floats, before: Bools, during: Bools, least: int) -> pd.DataFrame:
    """Both success rates and the interval of their difference (Welch), a row an action."""
    earlier, later = _rate(good, offered, before), _rate(good, offered, during)
    variance = earlier.variance + later.variance
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = sum(rate.variance**2 / (rate.blocks - 1) for rate in (earlier, later))
        half = stdtrit(variance**2 / parts, 0.5 + LEVEL / 2) * np.sqrt(variance)
    difference = later.share - earlier.share
    few_before, few_during = ((rate.blocks < _LEAST_BLOCKS) | (rate.offered < least) for rate in (earlier, later))
    enough = ~few_before & ~few_during
    low, high = difference - half, difference + half
    helped = np.where(low > 0, BETTER, np.where(high < 0, WORSE, NOTHING)).astype(object)
    return pd.DataFrame(
        {
            "success_before": np.where(few_before, np.nan, earlier.share),
            "success_during": np.where(few_during, np.nan, later.share),
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


@dataclass(frozen=True, slots=True, eq=False)
class _Rate:
    """Blocks, requests, success rate and its variance, shape (rows,)."""

    blocks: Floats
    offered: Floats
    share: Floats
    variance: Floats


def _rate(good: Floats, offered: Floats, mask: Bools) -> _Rate:
    """A ratio over blocks, each of which is drawn as a whole; never surer than if all requests were drawn singly."""
    mask = mask & (offered > 0)
    blocks, requests, fine = (
        mask.sum(axis=1).astype(np.float64),
        (offered * mask).sum(axis=1),
        (good * mask).sum(axis=1),
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        share = fine / requests
        rest = ((good - share[:, None] * offered) * mask) ** 2
        between = rest.sum(axis=1) * blocks / (blocks - 1) / requests**2
        single = (fine + 1) / (requests + 2)
        within = single * (1 - single) / requests
    return _Rate(blocks, requests, share, np.fmax(between, within))
