"""First stage: on which edges attempts or failures rose beyond what the load explains: a CUSUM over all edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meshlab.questions.retries.cells import CHUNK, Bools, Floats, quantile, ratio
from meshlab.questions.retries.edges import Edges

__all__ = ["Rises", "find_rises"]

_ALARM: Final = 25.0
"""Log likelihood at which a rise is believed. Counts of two ends come in clumps: chance alone would do with ten."""


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
    """Look at all known edges, a few at a time: `amplification` is how many times the usual attempts are a rise."""
    count = len(known)
    base, risen, since = np.ones(count), np.zeros((2, count), np.bool_), np.full((2, count), -1, np.intp)
    numbers = np.flatnonzero(known)
    for low in range(0, len(numbers), CHUNK):
        part = numbers[low : low + CHUNK]
        requests, attempts, good = (
            cells[part].astype(np.float64) for cells in (edges.requests, edges.attempts, edges.good)
        )
        base[part] = _usual(attempts, requests, 1.0, 1.2)
        risen[0, part], since[0, part] = _rise(attempts, requests, base[part], amplification)
        failures = requests - good
        risen[1, part], since[1, part] = _rise(failures, requests, _usual(failures, requests, 0.02, 0.2), 2.0)
    # Two ends are scraped at two moments, and either may miss one at the window's edge: a surplus of a block, or one
    # that the next block pays back, is no retry.
    surplus = max(0.02, 1.0 / max(edges.blocks, 1))
    beyond = (edges.basis == "proxies") | (np.nan_to_num(edges.amplification) >= 1.0 + surplus)
    return Rises(usual=base, amplified=risen[0] & beyond, failing=risen[1], onset=since[0], failing_since=since[1])


def _usual(events: Floats, exposure: Floats, low: float, high: float) -> Floats:
    """What is usual on each edge: the lower quartile of the blocks' ratios, within bounds; shape (edges,).

    The bounds keep a window that lies in the storm from taking it for usual.
    """
    found = quantile(ratio(events, exposure), 0.25)
    clipped: Floats = np.clip(np.where(np.isfinite(found), found, low), low, high)
    return clipped


def _rise(events: Floats, exposure: Floats, base: Floats, times: float) -> tuple[Bools, NDArray[np.intp]]:
    """Whether events (edges, blocks) rose to so many times what is usual for their exposure, and from which block on.

    `base` is how many events a unit of exposure has as is usual, shape (edges,); the block is -1 where nothing rose.
    """
    count, size = np.nan_to_num(events), np.nan_to_num(exposure) * base[:, None]
    walk = np.cumsum(count * np.log(times) - size * (times - 1), axis=1)
    before = np.concatenate([np.zeros((len(walk), 1)), walk], axis=1)
    lowest = np.minimum.accumulate(before, axis=1)
    high = before - lowest
    alarmed = high >= _ALARM
    risen = np.asarray(alarmed.any(axis=1), np.bool_)
    if not risen.any():
        return risen, np.full(len(walk), -1, np.intp)
    rows, blocks = np.arange(len(walk)), np.arange(walk.shape[1] + 1)
    first = np.argmax(alarmed, axis=1)
    # The rise begins after the last low before the alarm.
    low = np.where((before == lowest) & (blocks <= first[:, None]), blocks, 0).max(axis=1)
    # It ends, for the size of it, at the walk's top after the alarm and before the next low.
    after = np.where(blocks >= first[:, None], before, -np.inf)
    top = np.argmax(after, axis=1)
    sums = [np.concatenate([np.zeros((len(x), 1)), np.cumsum(x, axis=1)], axis=1) for x in (count, size)]
    gained, usually = (total[rows, top] - total[rows, low] for total in sums)
    found: NDArray[np.bool_] = np.logical_and(risen, gained >= times * usually)
    return found, np.where(found, low, -1).astype(np.intp)
