"""Time-outs, breakers, limits of retries and ejections: when they acted, what they shed, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from meshlab.core.evidence import Evidence
from meshlab.questions.retries.cube import CHUNK, EDGE, Bools, Cells, Cube, Floats, Sorted, cube, quantile
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.settings import Policy

__all__ = ["BETTER", "NOTHING", "UNKNOWN", "WORSE", "gauges", "protection"]

BETTER: Final = "better"
WORSE: Final = "worse"
NOTHING: Final = "no difference seen"
UNKNOWN: Final = "not measured"

LEVEL: Final = 0.95
"""Of the interval."""

_COUNTS: Final = {
    "circuit breaker": ("pending_overflow", "active_overflow"),
    "limit of retries": ("retry_overflow",),
    "time-out of a try": ("per_try_timeout",),
    "time-out of a request": ("timeout",),
    "ejection": ("ejections",),
}
"""What each one counts when it acts; of two counters of one thing the larger."""

_GAUGES: Final = {
    "circuit breaker": ("rq_open", "rq_pending_open"),
    "limit of retries": ("rq_retry_open",),
    "ejection": ("ejected",),
}
"""What stands above zero while it is open. A pooled connection holds the breaker of connections open without harm."""

_NEAR: Final = 6
"""Blocks before it acted that are compared."""

_LEAST_BLOCKS: Final = 3
"""On either side; fewer bound nothing."""

_RARE: Final = f"it acted alone in fewer than {_LEAST_BLOCKS} blocks with requests"
_AT_ONCE: Final = f"requests failed in fewer than {_LEAST_BLOCKS} blocks before it acted"


def gauges(evidence: Evidence) -> pd.DataFrame:
    """At how many scrapes each breaker stood open and hosts were ejected, over the window."""
    keys = [*EDGE, "gauge"]
    each = evidence.frames["breakers"].groupby(keys, sort=True, observed=True)
    table: pd.DataFrame = each.agg({"scrapes": "sum", "open": "sum", "most": "max"}).reset_index()
    return table


def protection(evidence: Evidence, all_edges: Edges, among: Bools, policy: Policy) -> pd.DataFrame:
    """Tell what protected each edge, and whether its destination did better for it.

    Compared are the shares of good answers of all requests to the destination, from whichever caller, shed ones
    included: while it acted, and in the up to six blocks before in which requests failed already and it did not act.
    An ejection is compared with the blocks in which the host was back until it was ejected anew. It is a comparison in
    time: whatever else changed in the meantime is in it.

    Parameters
    ----------
    evidence : Evidence
    all_edges : Edges
    among : ndarray of bool, shape (edges,)
        The edges that are judged.
    policy : Policy

    Returns
    -------
    DataFrame
        One row an edge and kind that acted: the words of `EDGE`, ``kind``, ``scrapes``, ``open`` and ``open_share``
        (NaN without a gauge), ``blocks`` in which it acted, ``shed`` (refused, cut off or ejected), ``shed_share`` (of
        requests, of attempts, or of the retries that were wanted; NaN for ejections), ``good_before``, ``good_while``,
        ``difference``, ``low``, ``high``, ``helped`` (`BETTER`, `WORSE`, `NOTHING`, `UNKNOWN`) and ``why`` it was not
        measured. The most shed first.
    """
    index = pd.MultiIndex.from_frame(all_edges.names)
    tables = [_counted(kind, evidence, all_edges, index, among) for kind in _COUNTS]
    acted = _Acted(*(np.concatenate(column) for column in zip(*(t.columns() for t in tables), strict=True)))
    out = _Out.at(evidence, index, all_edges.blocks)
    compared = _compared(acted, out, all_edges, among, policy)
    table = all_edges.names.iloc[acted.edge].reset_index(drop=True)
    table["kind"] = acted.kind
    seen = _open(evidence, index)
    at = pd.MultiIndex.from_arrays([acted.edge, acted.kind])
    table["scrapes"] = seen["scrapes"].reindex(at).to_numpy(np.float64)
    table["open"] = seen["open"].reindex(at).to_numpy(np.float64)
    table["open_share"] = table["open"] / table["scrapes"]
    shed = acted.cells.sum(axis=1, dtype=np.float64)
    table["blocks"], table["shed"] = (acted.cells > 0).sum(axis=1), shed
    whole = _whole(acted, all_edges, shed)
    table["shed_share"] = np.divide(shed, whole, out=np.full(len(shed), np.nan), where=whole > 0)
    table = pd.concat([table, compared], axis=1)
    return table.sort_values(["shed", *EDGE, "kind"], ascending=[False] + 5 * [True]).reset_index(drop=True)


@dataclass(frozen=True, slots=True, eq=False)
class _Acted:
    """What acted on which edge, shape (rows,), and how much it shed, shape (rows, blocks)."""

    edge: NDArray[np.intp]
    kind: NDArray[np.object_]
    cells: Cells

    def columns(self) -> tuple[NDArray[np.intp], NDArray[np.object_], Cells]:
        return self.edge, self.kind, self.cells


def _counted(kind: str, evidence: Evidence, all_edges: Edges, index: pd.MultiIndex, among: Bools) -> _Acted:
    """What a kind shed by edge and block: by the proxies' counters, else by the flag UO."""
    proxies = cube(evidence.frames["proxies"])
    told: dict[int, Cells] = {}
    exported = np.zeros(len(among), np.bool_)
    for metric in _COUNTS[kind]:
        rows = np.flatnonzero((proxies.table["metric"] == metric).to_numpy(np.bool_))
        edge = index.get_indexer(pd.MultiIndex.from_frame(proxies.table.iloc[rows][list(EDGE)]))
        exported[edge[edge >= 0]] = True
        busy = (edge >= 0) & (proxies.cells[rows] > 0).any(axis=1)
        for row, at in zip(rows[busy].tolist(), edge[busy].tolist(), strict=True):
            cells = np.nan_to_num(proxies.cells[row])
            told[at] = np.maximum(told[at], cells) if at in told else cells
    column = {"circuit breaker": "breaker_rejected", "limit of retries": "retries_refused"}.get(kind)
    if column is not None:
        shed = np.nan_to_num(all_edges.table[column].to_numpy(np.float64))
        for at in np.flatnonzero(~exported & (shed >= 1)).tolist():
            flagged = all_edges.overflow[at]
            told[at] = flagged * (shed[at] / max(float(flagged.sum(dtype=np.float64)), 1.0))
    chosen = [at for at in sorted(told) if among[at]]
    cells = np.stack([told[at] for at in chosen]) if chosen else np.empty((0, all_edges.blocks))
    return _Acted(np.asarray(chosen, np.intp), np.full(len(chosen), kind, object), cells)


@dataclass(frozen=True, slots=True, eq=False)
class _Out:
    """Edges with ejected hosts, and when, shape (rows, blocks)."""

    edge: NDArray[np.intp]
    cells: Bools

    @classmethod
    def at(cls, evidence: Evidence, index: pd.MultiIndex, blocks: int) -> _Out:
        frame = evidence.frames["breakers"]
        frame = frame[(frame["gauge"] == "ejected") & (frame["open"] > 0)]
        edge = index.get_indexer(pd.MultiIndex.from_frame(frame[list(EDGE)].astype(str)))
        chosen = np.unique(edge[edge >= 0])
        # Up at the first block of each run, down after its last.
        step = np.zeros((len(chosen), blocks + 1), np.int64)
        row = np.searchsorted(chosen, edge[edge >= 0])
        first = frame["block"].to_numpy(np.int64)[edge >= 0]
        np.add.at(step, (row, first), 1)
        np.add.at(step, (row, first + frame["blocks"].to_numpy(np.int64)[edge >= 0]), -1)
        return cls(chosen, np.cumsum(step, axis=1)[:, :blocks] > 0)


def _open(evidence: Evidence, index: pd.MultiIndex) -> pd.DataFrame:
    """Scrapes and those that saw it open, by edge and kind; of two gauges of one thing the one that was open more."""
    kinds = {gauge: kind for kind, names in _GAUGES.items() for gauge in names}
    table = gauges(evidence)
    table["kind"] = table["gauge"].astype(str).map(kinds)
    table["edge"] = index.get_indexer(pd.MultiIndex.from_frame(table[list(EDGE)].astype(str)))
    table = table[table["kind"].notna() & (table["edge"] >= 0)].sort_values("open")
    return table.drop_duplicates(["edge", "kind"], keep="last").set_index(["edge", "kind"])[["scrapes", "open"]]


def _whole(acted: _Acted, all_edges: Edges, shed: Floats) -> Floats:
    """Of what it shed: requests, attempts, or retries made and refused."""
    asked, tried = (all_edges.table[name].to_numpy(np.float64)[acted.edge] for name in ("logical", "attempts"))
    # Requests that a breaker refused are no longer among those that both ends tell.
    blocked = np.where(all_edges.basis[acted.edge] == "arrivals", shed, 0.0)
    choice = {
        "circuit breaker": asked + blocked,
        "limit of retries": tried - asked + shed,
        "time-out of a try": tried,
        "time-out of a request": asked,
    }
    whole = np.full(len(shed), np.nan)
    for kind, values in choice.items():
        whole = np.where(acted.kind == kind, values, whole)
    return whole


def _compared(acted: _Acted, out: _Out, all_edges: Edges, among: Bools, policy: Policy) -> pd.DataFrame:
    """The destination's share of good answers with and without it."""
    columns = ("good_before", "good_while", "difference", "low", "high")
    found = {name: np.full(len(acted.edge), np.nan) for name in columns}
    helped, why = np.full(len(acted.edge), UNKNOWN, object), np.full(len(acted.edge), "", object)
    callee = all_edges.callee[acted.edge]
    wanted = np.unique(callee)
    known = among & (all_edges.basis != "")
    place = np.where(known & np.isin(all_edges.callee, wanted), np.searchsorted(wanted, all_edges.callee), -1)
    # A request that a breaker refused is one that was not answered well, whatever else it counts as.
    asked, good = (Sorted(Cube(pd.DataFrame(), c), place) for c in (all_edges.sent, all_edges.good))
    order = np.argsort(callee, kind="stable")
    for low in range(0, len(order), CHUNK):
        rows = order[low : low + CHUNK]
        at = np.searchsorted(wanted, callee[rows])
        span = (int(at.min()), int(at.max()) + 1)
        sent, fine = (end.part(*span, all_edges.blocks).sums() for end in (asked, good))
        troubled = _troubled(fine, sent, policy)
        at -= span[0]
        sent, fine, troubled = sent[at], fine[at], troubled[at]
        shed = acted.cells[rows] > 0
        inside, before = shed.copy(), _before(shed, troubled)
        for row in np.flatnonzero(acted.kind[rows] == "ejection"):
            where = np.searchsorted(out.edge, acted.edge[rows[row]])
            away = where < len(out.edge) and out.edge[where] == acted.edge[rows[row]]
            inside[row] = (out.cells[where] & ~shed[row]) if away else False
            before[row] = shed[row]
        one, two = (_arm(fine, sent, mask) for mask in (before, inside))
        variance = one.variance + two.variance
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = variance**2 / (one.variance**2 / (one.blocks - 1) + two.variance**2 / (two.blocks - 1))
            half = stdtrit(freedom, 0.5 + LEVEL / 2) * np.sqrt(variance)
        difference = two.share - one.share
        few = [(arm.blocks < _LEAST_BLOCKS) | (arm.sent < policy.least) for arm in (one, two)]
        enough = ~few[0] & ~few[1]
        for name, values in (
            ("good_before", np.where(few[0], np.nan, one.share)),
            ("good_while", np.where(few[1], np.nan, two.share)),
            ("difference", np.where(enough, difference, np.nan)),
            ("low", np.where(enough, difference - half, np.nan)),
            ("high", np.where(enough, difference + half, np.nan)),
        ):
            found[name][rows] = values
        said = np.where(difference - half > 0, BETTER, np.where(difference + half < 0, WORSE, NOTHING))
        helped[rows] = np.where(enough, said, UNKNOWN)
        why[rows] = np.where(few[1], _RARE, np.where(few[0], _AT_ONCE, ""))
    return pd.DataFrame(found).assign(helped=helped, why=why)


def _troubled(good: Floats, sent: Floats, policy: Policy) -> Bools:
    """Blocks in which a destination answered worse than usual: the upper quartile of its blocks."""
    share = np.divide(good, sent, out=np.full(good.shape, np.nan), where=sent > 0)
    return np.asarray(share < policy.goodput * quantile(share, 0.75)[:, None], np.bool_)


def _before(acting: Bools, troubled: Bools) -> Bools:
    """Troubled blocks without it, at most `_NEAR` before one with it."""
    ahead = np.zeros_like(acting)
    for blocks in range(1, _NEAR + 1):
        ahead[:, :-blocks] |= acting[:, blocks:]
    return ahead & troubled & ~acting


@dataclass(frozen=True, slots=True, eq=False)
class _Arm:
    """Blocks, requests, share of good answers and its variance, shape (rows,)."""

    blocks: Floats
    sent: Floats
    share: Floats
    variance: Floats


def _arm(good: Floats, sent: Floats, mask: Bools) -> _Arm:
    """A ratio over blocks, each of which is drawn as a whole; never surer than if all requests were drawn singly."""
    mask = mask & (sent > 0)
    blocks, asked, fine = mask.sum(axis=1).astype(np.float64), (sent * mask).sum(axis=1), (good * mask).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = fine / asked
        rest = ((good - share[:, None] * sent) * mask) ** 2
        between = rest.sum(axis=1) * blocks / (blocks - 1) / asked**2
        single = (fine + 1) / (asked + 2)
        within = single * (1 - single) / asked
    return _Arm(blocks, asked, share, np.fmax(between, within))
