"""``histogram_quantile`` (promql/quantile.go of Prometheus 2.42)."""

from __future__ import annotations

import math

import numpy as np

from meshlab.recordings.promql.values import METRIC, Bools, Floats, Labels, Vector, key, without

__all__ = ["histogram_quantile"]


def histogram_quantile(phi: Floats, buckets: Vector) -> Vector:
    """Quantile of the histograms in a vector of ``le`` buckets, interpolated inside a bucket.

    Parameters
    ----------
    phi : ndarray of float64, shape (steps,)
    buckets : Vector
        Cumulative counts; series without a readable ``le`` are passed over. ``le="1"`` and ``le="1.0"`` are one bucket.
    """
    groups: dict[tuple[tuple[str, str], ...], tuple[Labels, list[tuple[float, int]]]] = {}
    for row, labels in enumerate(buckets.labels):
        edge = _edge(labels.get("le", ""))
        if edge is None:
            continue
        mine = without(labels, ("le", METRIC))
        groups.setdefault(key(mine), (mine, []))[1].append((edge, row))
    steps = buckets.value.shape[1]
    value, present = np.full((len(groups), steps), np.nan), np.zeros((len(groups), steps), np.bool_)
    for number, (_, members) in enumerate(groups.values()):
        members.sort()
        edges = np.array([edge for edge, _ in members])
        rows = [row for _, row in members]
        here = buckets.present[rows]
        present[number] = here.any(axis=0)
        # Steps at which the same buckets are present are computed together: nearly always all of them.
        for at in _patterns(here):
            some = here[:, at[0]]
            if some.any():
                counts = buckets.value[np.array(rows)[some]][:, at]
                value[number, at] = _quantile(phi[at], edges[some], counts)
    return Vector([labels for labels, _ in groups.values()], value, present)


def _edge(text: str) -> float | None:
    try:
        edge = float(text)
    except ValueError:
        return None
    return None if math.isnan(edge) else edge


def _patterns(here: Bools) -> list[np.ndarray[tuple[int], np.dtype[np.intp]]]:
    if here.all():
        return [np.arange(here.shape[1])]
    _, number = np.unique(here, axis=1, return_inverse=True)
    number = number.ravel()
    return [np.flatnonzero(number == n) for n in range(int(number.max()) + 1)] if here.shape[1] else []


def _quantile(phi: Floats, edges: Floats, counts: Floats) -> Floats:
    """``bucketQuantile`` for one set of buckets at several steps; counts of shape (buckets, steps)."""
    if not np.isposinf(edges[-1]):
        return _outside(phi, np.full(len(phi), np.nan))
    first = np.flatnonzero(np.r_[True, edges[1:] != edges[:-1]])
    edges, counts = edges[first], np.add.reduceat(counts, first, axis=0)
    # Counts that fall over the edges come from scrapes in the middle of an update: lift them.
    counts = np.where(np.isnan(counts), np.nan, np.fmax.accumulate(counts, axis=0))
    if len(edges) < 2:
        return _outside(phi, np.full(len(phi), np.nan))
    with np.errstate(all="ignore"):
        total = counts[-1]
        rank = phi * total
        reached = counts[:-1] >= rank
        at = np.where(reached.any(axis=0), reached.argmax(axis=0), len(edges) - 1)
        column = np.arange(len(phi))
        before = np.clip(at - 1, 0, None)
        inner = at > 0
        low = np.where(inner, edges[before], 0.0)
        below = np.where(inner, counts[before, column], 0.0)
        inside = low + (edges[at] - low) * ((rank - below) / (counts[at, column] - below))
        found = np.where((at == 0) & (edges[0] <= 0), edges[0], inside)
        found = np.where(at == len(edges) - 1, edges[-2], found)
        return _outside(phi, np.where(total == 0, np.nan, found))


def _outside(phi: Floats, found: Floats) -> Floats:
    return np.where(np.isnan(phi), np.nan, np.where(phi < 0, -np.inf, np.where(phi > 1, np.inf, found)))
