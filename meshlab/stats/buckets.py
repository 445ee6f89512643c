"""What a histogram's buckets can say, and no more: nothing is interpolated inside a bucket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["QuantileBucket", "quantile_bucket", "share_above", "superiority"]

Floats = NDArray[np.float64]


def share_above(counts: Floats) -> Floats:
    """Share of observations above each bucket's upper edge: exact at the edges.

    Parameters
    ----------
    counts : ndarray, shape (..., buckets)
        Observations in each bucket (not cumulative), the last one open to +Inf.

    Returns
    -------
    ndarray of float64, shape (..., buckets - 1)
        0..1; NaN where there is no observation.
    """
    total = counts.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Floats = 1.0 - np.cumsum(counts, axis=-1)[..., :-1] / total
    return np.clip(share, 0.0, 1.0)


def superiority(first: Floats, second: Floats) -> Floats:
    """Probability that an observation of the second arm is larger than one of the first, ties counting half.

    The grouped Mann-Whitney statistic over its maximum (the common language effect size); 0.5 when the arms are alike.

    Parameters
    ----------
    first, second : ndarray, shape (..., buckets)
        Observations in each bucket, on the same edges.

    Returns
    -------
    ndarray of float64, shape (...)
        0..1; NaN where an arm has no observation.
    """
    below = np.cumsum(first, axis=-1) - first
    pairs = first.sum(axis=-1) * second.sum(axis=-1)
    wins = (second * (below + first / 2.0)).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(wins / pairs, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class QuantileBucket:
    """The bucket in which a quantile lies: more the buckets do not know."""

    lower: float
    upper: float
    """Edges, in the histogram's unit; `upper` may be infinite."""


def quantile_bucket(edges: Floats, counts: Floats, q: float, *, tail: int = 10) -> QuantileBucket | None:
    """Find the bucket of a quantile, where there is enough to speak of it.

    Parameters
    ----------
    edges : ndarray, shape (buckets,)
        Upper edges, ascending, the last one +Inf.
    counts : ndarray, shape (buckets,)
        Observations in each bucket.
    q : float
        0..1.
    tail : int
        Observations that must lie beyond the quantile on either side.

    Returns
    -------
    QuantileBucket or None
        None when fewer than `tail` observations lie beyond it, or when it lies in the open last bucket.
    """
    total = float(counts.sum())
    if total * min(q, 1 - q) < tail:
        return None
    at = int(np.searchsorted(np.cumsum(counts), q * total, side="left"))
    if not np.isfinite(edges[at]):
        return None
    return QuantileBucket(float(edges[at - 1]) if at else 0.0, float(edges[at]))
