"""What retries at several hops come to together: the product along the ways from the ingress."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.questions.retries.cube import CHUNK, Floats, total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.graph import forward

__all__ = ["most", "paths", "pooled"]

_RETRIES: Final = 1.3
"""Attempts for a request below which a hop is taken for one that does not retry."""


def pooled(all_edges: Edges, blocks: NDArray[np.bool_]) -> Floats:
    """Attempts for a request of each edge over some blocks, shape (edges,); 1 where it is not known."""
    asked, tried = total(all_edges.logical, blocks), total(all_edges.attempts, blocks)
    return np.where((asked > 0) & (tried > 0), tried / np.where(asked > 0, asked, 1), 1.0)


def most(all_edges: Edges, least: int) -> Floats:
    """The most attempts for a request that each edge had over three neighbouring blocks, shape (edges,).

    1 where there were no more than chance and the scrapes of two ends make.
    """
    highest = np.ones(len(all_edges.logical))
    for low in range(0, len(highest), CHUNK):
        asked, tried = (
            _three(cells[low : low + CHUNK].astype(np.float64)) for cells in (all_edges.logical, all_edges.attempts)
        )
        ratio = np.divide(tried, asked, out=np.ones_like(asked), where=asked >= least)
        highest[low : low + CHUNK] = ratio.max(axis=1, initial=1.0)
    return np.where(highest >= _RETRIES, highest, 1.0)


def _three(cells: Floats) -> Floats:
    sums = np.concatenate([np.zeros((len(cells), 1)), np.cumsum(np.nan_to_num(cells), axis=1)], axis=1)
    width = min(3, cells.shape[1])
    return np.asarray(sums[:, width:] - sums[:, : sums.shape[1] - width], np.float64)


def paths(all_edges: Edges, incident: NDArray[np.bool_], *, attempts: int = 0, least: int = 20) -> pd.DataFrame:
    """The most amplified way to each service.

    A product says how often the last service is tried for one request at the first, as long as each attempt at one hop
    causes its calls at the next: what is refused on the way makes it smaller than the configured worst case.

    Parameters
    ----------
    all_edges : Edges
    incident : ndarray of bool, shape (blocks,)
        The blocks of the incident, told beside the whole window.
    attempts : int
        Tries that are configured at each hop; 0: not known.
    least : int
        Requests over three blocks from which an edge's attempts are taken for its worst case.

    Returns
    -------
    DataFrame
        ``namespace, service, path, hops, retrying_hops, amplification`` (over the window), ``in_incident`` (NaN where
        there is none), ``configured`` (the worst case; NaN where it is not known), ``worst`` and ``worst_from``: the
        worst case as ``configured``, or else what was ``observed``, the product of the most that each hop had at any
        time. The most amplified first.
    """
    whole = pooled(all_edges, np.ones(all_edges.blocks, np.bool_))
    during = pooled(all_edges, incident) if incident.any() else np.full(len(whole), np.nan)
    weight = np.where(np.isfinite(during), during, whole)
    highest = most(all_edges, least)
    kept, order = forward(all_edges)
    count = len(all_edges.services)
    into: list[list[int]] = [[] for _ in range(count)]
    for edge in np.flatnonzero(kept).tolist():
        into[int(all_edges.callee[edge])].append(edge)
    best = np.ones(count)
    way: list[tuple[int, ...]] = [()] * count
    for service in order:
        for edge in into[service]:
            caller = int(all_edges.caller[edge])
            value = (best[caller] if caller >= 0 else 1.0) * weight[edge]
            if not way[service] or value > best[service]:
                best[service] = value
                way[service] = (*way[caller], edge) if caller >= 0 else (edge,)
    rows = []
    sources, stops_at = (all_edges.names[word].to_numpy(object) for word in ("source", "destination_service"))
    spaces, services = (all_edges.services[word].to_numpy(object) for word in ("namespace", "service"))
    for service in range(count):
        if not (edges := way[service]):
            continue
        own = list(edges)
        first = sources[own[0]] or "outside"
        stops = [str(stops_at[e]) for e in own]
        measured = [e for e in own if all_edges.basis[e]]
        rows.append(
            (
                spaces[service],
                services[service],
                " > ".join([str(first), *stops]),
                len(own),
                int((weight[own] > 1.05).sum()),
                float(whole[own].prod()) if measured else np.nan,
                float(during[own].prod()) if measured else np.nan,
                float(attempts ** len(measured)) if attempts else np.nan,
                float(attempts ** len(measured)) if attempts else float(highest[own].prod()) if measured else np.nan,
                "configured" if attempts else "observed" if measured else "",
            )
        )
    columns = [
        "namespace",
        "service",
        "path",
        "hops",
        "retrying_hops",
        "amplification",
        "in_incident",
        "configured",
        "worst",
        "worst_from",
    ]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["amplification", "service"], ascending=[False, True]).reset_index(drop=True)
