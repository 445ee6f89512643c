"""First stage: on which edges attempts or failures rose beyond what is usual, and since when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meshlab.questions.retries.cells import CHUNK, Bools, Floats
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.storm.changes import rise, usual

__all__ = ["Rises", "find_rises"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rises:
    """What rose, shape (edges,) each.

    Parameters
    ----------
    usual : ndarray of float64
        Attempts per request in usual blocks.
    amplified, failing : ndarray of bool
        Whether attempts, and whether failures, rose more than requests.
    onset, failing_since : ndarray of int
        The first block of these rises; -1 for none.
    """

    usual: Floats
    amplified: Bools
    failing: Bools
    onset: NDArray[np.intp]
    failing_since: NDArray[np.intp]


def find_rises(edges: Edges, known: Bools, *, amplification: float) -> Rises:
    """Look at all known edges, a few at a time.

    Parameters
    ----------
    edges : Edges
    known : ndarray of bool, shape (edges,)
        The edges that are looked at.
    amplification : float
        Attempts per request, over the usual, that are a rise.
    """
    count = len(known)
    base, risen, since = np.ones(count), np.zeros((2, count), np.bool_), np.full((2, count), -1, np.intp)
    numbers = np.flatnonzero(known)
    for low in range(0, len(numbers), CHUNK):
        part = numbers[low : low + CHUNK]
        requests, attempts, good = (
            cells[part].astype(np.float64) for cells in (edges.requests, edges.attempts, edges.good)
        )
        base[part] = usual(attempts, requests, 1.0, 1.2)
        risen[0, part], since[0, part] = rise(attempts, requests, base[part], amplification)
        failures = requests - good
        risen[1, part], since[1, part] = rise(failures, requests, usual(failures, requests, 0.02, 0.2), 2.0)
    # Two ends are scraped at two moments, and either may miss one at the window's edge: a surplus of a block, or one
    # that the next block pays back, is no retry.
    surplus = max(0.02, 1.0 / max(edges.blocks, 1))
    beyond = (edges.basis == "proxies") | (np.nan_to_num(edges.amplification) >= 1.0 + surplus)
    return Rises(usual=base, amplified=risen[0] & beyond, failing=risen[1], onset=since[0], failing_since=since[1])
