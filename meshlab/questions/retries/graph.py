"""Who stands below whom: ways through the observed graph."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from meshlab.questions.retries.edges import Edges

__all__ = ["above", "below", "forward"]


def below(all_edges: Edges, start: Iterable[int], among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The edges of a set that lie at or below some edges, following called services to their own calls."""
    return _spread(all_edges.callee, all_edges.caller, start, among)


def above(all_edges: Edges, start: Iterable[int], among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The edges of a set that lie at or above some edges."""
    return _spread(all_edges.caller, all_edges.callee, start, among)


def _spread(
    out: NDArray[np.intp], into: NDArray[np.intp], start: Iterable[int], among: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    found = np.zeros(len(out), np.bool_)
    found[list(start)] = True
    while True:
        next_services = np.unique(out[found])
        more = found | (among & np.isin(into, next_services[next_services >= 0]))
        if (more == found).all():
            return found
        found = more


def forward(all_edges: Edges) -> tuple[NDArray[np.bool_], list[int]]:
    """The edges without those that close a circle, and the services in an order in which callers come first."""
    count = len(all_edges.services)
    out: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for edge, (caller, callee) in enumerate(zip(all_edges.caller.tolist(), all_edges.callee.tolist(), strict=True)):
        if caller >= 0:
            out[caller].append((edge, callee))
    kept = np.ones(len(all_edges.caller), np.bool_)
    state = [0] * count
    order: list[int] = []
    roots = np.setdiff1d(all_edges.callee[all_edges.caller < 0], [])
    for root in [*roots.tolist(), *range(count)]:
        if state[root]:
            continue
        state[root] = 1
        stack = [(root, iter(out[root]))]
        while stack:
            at, calls = stack[-1]
            for edge, callee in calls:
                if state[callee] == 1:
                    kept[edge] = False
                elif state[callee] == 0:
                    state[callee] = 1
                    stack.append((callee, iter(out[callee])))
                    break
            else:
                state[at] = 2
                order.append(at)
                stack.pop()
    return kept, order[::-1]
