"""Who stands below whom: paths through the observed graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meshlab.questions.retries.cells import Bools
from meshlab.questions.retries.edges import Edges

__all__ = ["above", "below", "forward"]


def below(edges: Edges, start: Bools, among: Bools) -> Bools:
    """The edges of a set that lie at or below some edges, following called services to their own calls."""
    return _spread(edges.destination, edges.source, start, among)


def above(edges: Edges, start: Bools, among: Bools) -> Bools:
    """The edges of a set that lie at or above some edges."""
    return _spread(edges.source, edges.destination, start, among)


def _spread(out: NDArray[np.intp], into: NDArray[np.intp], reached: Bools, among: Bools) -> Bools:
    while True:
        following = np.unique(out[reached])
        more = reached | (among & np.isin(into, following[following >= 0]))
        if (more == reached).all():
            return reached
        reached = more


def forward(edges: Edges) -> tuple[Bools, list[int]]:
    """The edges without those that close a circle, and the services in an order in which callers come first."""
    count = len(edges.services)
    out: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    pairs = zip(edges.source.tolist(), edges.destination.tolist(), strict=True)
    for edge, (source, destination) in enumerate(pairs):
        if source >= 0:
            out[source].append((edge, destination))
    kept = np.ones(len(edges.source), np.bool_)
    visited, finished = [False] * count, [False] * count
    order: list[int] = []
    roots = np.unique(edges.destination[edges.source < 0])
    for root in [*roots.tolist(), *range(count)]:
        if visited[root]:
            continue
        visited[root] = True
        stack = [(root, iter(out[root]))]
        while stack:
            service, calls = stack[-1]
            for edge, destination in calls:
                if not visited[destination]:
                    visited[destination] = True
                    stack.append((destination, iter(out[destination])))
                    break
                if not finished[destination]:
                    kept[edge] = False
            else:
                finished[service] = True
                order.append(service)
                stack.pop()
    return kept, order[::-1]
