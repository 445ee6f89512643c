"""Second stage: the edge where a storm starts, the edges that amplify on the way to it, and where their load enters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meshlab.questions.retries.cells import Bools, ratio, total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.graph import above, below
from meshlab.questions.retries.storm.rises import Rises

__all__ = ["Origin", "amplified", "depths", "find_origin"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Origin:
    """Where a storm starts.

    Parameters
    ----------
    edge : int
        The deepest edge whose requests fail.
    hops, tops : ndarray of bool, shape (edges,)
        The amplified edges on the paths to it, and the edges by which requests enter these paths.
    """

    edge: int
    hops: Bools
    tops: Bools


def find_origin(edges: Edges, known: Bools, rises: Rises) -> Origin:
    """Look downwards from the amplified edges, along edges that are amplified or fail."""
    troubled = known & (rises.amplified | rises.failing)
    edge = _deepest(edges, rises, troubled)
    paths = above(edges, np.arange(len(troubled)) == edge, troubled)
    hops = paths & rises.amplified
    below_top = edges.destination[paths & (edges.destination != edges.destination[edge])]
    tops = paths & ~np.isin(edges.source, below_top)
    return Origin(edge=edge, hops=hops, tops=tops if tops.any() else hops)


def _deepest(edges: Edges, rises: Rises, troubled: Bools) -> int:
    """The deepest troubled edge below the amplified ones: of several the one with most failed attempts."""
    reach = below(edges, rises.amplified, troubled)
    sources = edges.source[reach & troubled]
    leaves = reach & ~np.isin(edges.destination, sources[sources >= 0])
    # In a circle nobody is deepest.
    deepest = np.flatnonzero(leaves if leaves.any() else rises.amplified)
    failures = total(edges.attempts[deepest] - edges.good[deepest])
    since = np.where(rises.onset >= 0, rises.onset, rises.failing_since)[deepest]
    return int(deepest[np.lexsort((since, -failures))[0]])


def depths(edges: Edges, edge: int, hops: Bools) -> NDArray[np.intp]:
    """How many calls each hop is above an edge."""
    distance = np.full(len(hops), len(hops), np.intp)
    level = edges.destination == edges.destination[edge]
    at = 0
    while (new := level & hops & (distance > at) & (distance == len(hops))).any():
        distance[new] = at
        level = np.isin(edges.destination, edges.source[new & (edges.source >= 0)])
        at += 1
    return distance


def amplified(edges: Edges, origin: Origin, blocks: Bools) -> float:
    """The product of the hops' attempts per request, edges of one depth taken together."""
    distance = depths(edges, origin.edge, origin.hops)
    product = 1.0
    for depth in np.unique(distance[origin.hops]):
        level = origin.hops & (distance == depth)
        attempts, requests = (total(cells[level], blocks).sum() for cells in (edges.attempts, edges.requests))
        product *= float(ratio(attempts, requests))
    return product
