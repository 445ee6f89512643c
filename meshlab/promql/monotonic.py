"""Bucket counts that fall from one edge to the next, as scrapes in the middle of an update give: they are lifted."""

from __future__ import annotations

from typing import Final

import numpy as np

from meshlab.promql.notes import Lifted
from meshlab.promql.values import Bools, Floats, Ints

__all__ = ["lifted", "raised"]

_ROUNDING: Final = 1e-12
"""Counts that differ by less, as a share of their sum, differ by rounding."""


def lifted(counts: Floats) -> Floats:
    """As Prometheus 2 does (``ensureMonotonic``).

    Parameters
    ----------
    counts : ndarray of float64, shape (histograms, buckets, steps)
    """
    if (counts[:, 1:] >= counts[:, :-1]).all():
        return counts
    found = np.where(np.isnan(counts), np.nan, np.fmax.accumulate(counts, axis=1))
    # Nothing is less than NaN: where the first count is none, all stay as they are.
    return np.where(np.isnan(counts[:, :1]), counts, found)


def raised(edges: Floats, counts: Floats, at_ms: Ints, *, asked: Bools) -> tuple[Floats, Lifted | None]:
    """As Prometheus 3 does (``ensureMonotonicAndIgnoreSmallDeltas``), and what had to be lifted.

    Parameters
    ----------
    edges : ndarray of float64, shape (buckets,)
    counts : ndarray of float64, shape (histograms, buckets, steps)
    at_ms : ndarray of int64, shape (steps,)
    asked : ndarray of bool, shape (steps,)
        Where a quantile is asked for that needs the counts.
    """
    before, after = counts[:, :-1], counts[:, 1:]
    if ((after == before) | ((after > before) & (after - before >= _ROUNDING * (after + before)))).all():
        return counts, None
    counts = counts.copy()
    fell = np.zeros(counts.shape, np.bool_)
    most = 0.0
    for bucket in range(1, counts.shape[1]):
        previous, current = counts[:, bucket - 1], counts[:, bucket]
        near = _near(previous, current)
        fell[:, bucket] = ~near & (current < previous) & asked
        most = max(most, float((previous - current)[fell[:, bucket]].max(initial=0.0)))
        counts[:, bucket] = np.where(near | (current < previous), previous, current)
    if not fell.any():
        return counts, None
    steps, wrong = at_ms[fell.any(axis=(0, 1))], edges[fell.any(axis=(0, 2))]
    histograms = int(fell.any(axis=1).sum())
    return counts, Lifted(histograms, float(wrong[0]), float(wrong[-1]), most, int(steps[0]), int(steps[-1]))


def _near(a: Floats, b: Floats) -> Bools:
    """``almost.Equal``: two numbers that rounding alone tells apart; NaN is like NaN."""
    apart, size = np.abs(a - b), np.minimum(np.abs(a) + np.abs(b), np.finfo(np.float64).max)
    tiny = np.finfo(np.float64).tiny
    small = (a == 0) | (b == 0) | (np.abs(a) + np.abs(b) < tiny)
    near = np.where(small, apart < _ROUNDING * tiny, apart / size < _ROUNDING)
    found: Bools = (a == b) | near | (np.isnan(a) & np.isnan(b))
    return found
