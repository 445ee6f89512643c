"""What retries at several hops come to together: the product along the paths from the ingress."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from meshlab.questions.retries.cells import CHUNK, Bools, Floats, ratio, total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.graph import forward
from meshlab.questions.retries.settings import RetriesSettings
from meshlab.questions.retries.tables import TABLES

__all__ = ["find_paths"]

_RETRIES: Final = 1.3
"""Attempts for a request below which a hop is taken for one that does not retry."""


def _pooled(edges: Edges, blocks: Bools) -> Floats:
    """Attempts per request of each edge over some blocks, shape (edges,); 1 where it is not known."""
    requests, attempts = total(edges.requests, blocks), total(edges.attempts, blocks)
    return ratio(attempts, np.where(attempts > 0, requests, 0.0), 1.0)


def _most(edges: Edges, least: int) -> Floats:
    """The most attempts per request that each edge had over three neighbouring blocks, shape (edges,).

    1 where there were no more than chance and the scrapes of two ends make.
    """
    highest = np.ones(len(edges.requests))
    for low in range(0, len(highest), CHUNK):
        requests, attempts = (
            _three(cells[low : low + CHUNK].astype(np.float64)) for cells in (edges.requests, edges.attempts)
        )
        each = ratio(attempts, np.where(requests >= least, requests, 0.0), 1.0)
        highest[low : low + CHUNK] = each.max(axis=1, initial=1.0)
    return np.where(highest >= _RETRIES, highest, 1.0)


def _three(cells: Floats) -> Floats:
    sums = np.concatenate([np.zeros((len(cells), 1)), np.cumsum(np.nan_to_num(cells), axis=1)], axis=1)
    width = min(3, cells.shape[1])
    return np.asarray(sums[:, width:] - sums[:, : sums.shape[1] - width], np.float64)


def find_paths(edges: Edges, incident: Bools, settings: RetriesSettings) -> pd.DataFrame:
    """The most amplified path to each service.

    A product says how often the last service is tried per request at the first, as long as each attempt at one hop
    causes its calls at the next: what is refused on the path makes it smaller than the configured worst case.

    The blocks of the incident are looked at apart from the whole window. An edge's attempts are taken for its worst
    case from ``least`` requests over three blocks on.

    Returns
    -------
    DataFrame
        As the result's table ``paths``, the most amplified first. The worst case is the configured one, or else what
        was observed: the product of the most that each hop had at any time.
    """
    whole = _pooled(edges, np.ones(edges.blocks, np.bool_))
    during = _pooled(edges, incident) if incident.any() else np.full(len(whole), np.nan)
    weight = np.where(np.isfinite(during), during, whole)
    highest = _most(edges, settings.least)
    names = edges.names[["source", "destination_service"]].to_numpy(object)
    rows = []
    for service, path in _most_amplified(edges, weight).items():
        measured = edges.known[path].any()
        configured = float(settings.attempts ** int(edges.known[path].sum())) if settings.attempts else np.nan
        observed = float(highest[path].prod()) if measured else np.nan
        rows.append(
            {
                "namespace": edges.services["namespace"].iloc[service],
                "service": edges.services["service"].iloc[service],
                "path": " > ".join(str(name) for name in (names[path[0], 0] or "outside", *names[path, 1])),
                "hops": len(path),
                "retrying_hops": int((weight[path] > 1.05).sum()),
                "amplification": float(whole[path].prod()) if measured else np.nan,
                "in_incident": float(during[path].prod()) if measured else np.nan,
                "configured": configured,
                "worst": configured if settings.attempts else observed,
                "worst_from": "configured" if settings.attempts else "observed" if measured else "",
            }
        )
    table = pd.DataFrame(rows, columns=list(TABLES["paths"].dtypes))
    return table.sort_values(["amplification", "service"], ascending=[False, True]).reset_index(drop=True)


def _most_amplified(edges: Edges, weight: Floats) -> dict[int, list[int]]:
    """The edges of the path to each service, in the order of the services' numbers, with the largest product."""
    kept, order = forward(edges)
    into: list[list[int]] = [[] for _ in order]
    for edge in np.flatnonzero(kept).tolist():
        into[int(edges.destination[edge])].append(edge)
    best = np.ones(len(order))
    paths: dict[int, list[int]] = {}
    for service in order:
        for edge in into[service]:
            source = int(edges.source[edge])
            value = (best[source] if source >= 0 else 1.0) * weight[edge]
            if service not in paths or value > best[service]:
                best[service] = value
                paths[service] = [*(paths.get(source, [])), edge]
    return dict(sorted(paths.items()))
