"""Where attempts rise more than the load explains: a CUSUM over all edges at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from meshlab.questions.retries.cells import Floats, quantile

__all__ = ["Rise", "rise", "usual"]

_ALARM: Final = 25.0
"""Log likelihood at which a rise is believed. Counts of two ends come in clumps: chance alone would do with ten."""

Rise = tuple[NDArray[np.bool_], NDArray[np.intp]]


def usual(events: Floats, exposure: Floats, low: float, high: float) -> Floats:
    """What is usual on each edge: the lower quartile of the blocks' ratios, within bounds; shape (edges,).

    The bounds keep a window that lies in the storm from taking it for usual.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(exposure > 0, events / exposure, np.nan)
    found = quantile(ratio, 0.25)
    clipped: Floats = np.clip(np.where(np.isfinite(found), found, low), low, high)
    return clipped


def rise(events: Floats, exposure: Floats, base: Floats, times: float) -> Rise:
    """Find the edges whose events rose beyond what is usual, and since when.

    Parameters
    ----------
    events, exposure : ndarray, shape (edges, blocks)
        Such as attempts and requests; NaN where not measured.
    base : ndarray, shape (edges,)
        Events for a unit of exposure, as is usual.
    times : float
        The rise that is looked for.

    Returns
    -------
    risen : ndarray of bool, shape (edges,)
    onset : ndarray of int, shape (edges,)
        The first block of the rise; -1 where there is none.
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
