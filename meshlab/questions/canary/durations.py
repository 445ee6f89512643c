"""The arms' requests by duration: histogram buckets in blocks of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from meshlab.questions.canary.arms import BASELINE, CANARY, Floats, block_ends

__all__ = ["Durations", "durations"]


@dataclass(frozen=True, slots=True, eq=False)
class Durations:
    """Requests of both arms by duration.

    Parameters
    ----------
    edges : ndarray of float64, shape (buckets,)
        Upper edges, milliseconds, ascending, the last one +Inf.
    baseline, canary : ndarray of float64, shape (blocks, buckets)
        Requests in each bucket (not cumulative), of the blocks in which both arms were scraped.
    time : DatetimeIndex
        Their ends.
    """

    edges: Floats
    baseline: Floats
    canary: Floats
    time: pd.DatetimeIndex


def durations(frame: pd.DataFrame) -> Durations:
    """Bucket counts of both arms on their common edges; no block where an arm has none, or no edge is common."""
    sums = frame.groupby(["arm", "block", "le"])["count"].sum()
    arms = sums.index.get_level_values("arm")
    first, second = (sums[arms == arm].droplevel("arm").unstack("le").dropna(axis=0) for arm in (BASELINE, CANARY))
    edges = first.columns.intersection(second.columns)
    index = first.index.intersection(second.index)
    if not len(edges) or not len(index) or not np.isinf(edges[-1]):
        nothing = np.empty((0, 0))
        return Durations(np.empty(0), nothing, nothing, pd.DatetimeIndex([], tz="UTC"))
    counts = (np.diff(t.loc[index, edges].to_numpy(np.float64), axis=1, prepend=0.0) for t in (first, second))
    # Two edges may be scraped between two increments: a step back of a few is noise of the scrape, not a count.
    baseline, canary = (np.clip(c, 0.0, None) for c in counts)
    return Durations(edges.to_numpy(np.float64), baseline, canary, block_ends(frame, index))
