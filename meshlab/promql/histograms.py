"""Histograms of ``le`` buckets (promql/quantile.go of Prometheus 2.42 and 3)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from meshlab.promql.monotonic import lifted, raised
from meshlab.promql.notes import Notes
from meshlab.promql.syntax import unsupported
from meshlab.promql.values import (
    METRIC,
    Bools,
    Floats,
    Ints,
    Key,
    Labels,
    Vector,
    concatenated,
    key,
    merged,
    nameless,
    without,
)

__all__ = ["histogram_fraction", "histogram_quantile", "histogram_quantiles"]

_NUMBER: Final = re.compile(r"[+-]?(?:inf(?:inity)?|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)", re.ASCII | re.IGNORECASE)


def histogram_quantile(phi: Floats, buckets: Vector, at: Ints, notes: Notes, *, left_open: bool) -> Vector:
    """Quantile of the histograms in a vector of ``le`` buckets, interpolated inside a bucket.

    Parameters
    ----------
    phi : ndarray of float64, shape (steps,)
    buckets : Vector
        Cumulative counts; series without a readable ``le`` are passed over. ``le="1"`` and ``le="1.0"`` are one bucket.
    at : ndarray of int64, shape (steps,)
        Unix milliseconds of each step.
    notes : Notes
        Told of quantiles and edges that are none, and of counts that fall.
    left_open : bool
        Whether Prometheus 3's rules hold: differences that rounding makes are none.

    Raises
    ------
    BadQuery
        Two histograms are alike without their metric's name.
    """
    notes.quantiles(phi)

    def quantile(edges: Floats, counts: Floats, steps: Ints) -> Floats:
        return _quantile(phi[steps], edges, counts, at[steps], notes, left_open=left_open)

    return merged(_of_histograms(buckets, notes, quantile))


def histogram_quantiles(
    phis: Sequence[Floats], label: str, buckets: Vector, at: Ints, notes: Notes, *, left_open: bool
) -> Vector:
    """Several quantiles, each with its number in a label (Prometheus 3).

    Parameters
    ----------
    phis : sequence of ndarray of float64, shape (steps,)
    label : str
    buckets, at, notes, left_open
        As in `histogram_quantile`.

    Raises
    ------
    BadQuery
        Two series become alike.
    UnsupportedQuery
        A quantile that is not the same at every step.
    """
    found = []
    for phi in phis:
        if len(phi) and not (np.isnan(phi).all() or (phi == phi[0]).all()):
            raise unsupported("histogram_quantiles with a quantile that changes")
        values = histogram_quantile(phi, buckets, at, notes, left_open=left_open)
        named = [{**row, label: _openmetrics(phi[0])} for row in values.labels]
        found.append(Vector(named, values.value, values.present))
    return merged(concatenated(found))


def histogram_fraction(low: Floats, high: Floats, buckets: Vector, notes: Notes) -> Vector:
    """The share of what was counted between two values, interpolated inside a bucket (Prometheus 3).

    Parameters
    ----------
    low, high : ndarray of float64, shape (steps,)
    buckets : Vector
        Cumulative counts, as in `histogram_quantile`.
    notes : Notes
        Told of edges that are none.

    Raises
    ------
    BadQuery
        Two histograms are alike without their metric's name.
    """
    return merged(_of_histograms(buckets, notes, lambda edges, counts, at: _fraction(low[at], high[at], edges, counts)))


def _openmetrics(value: float) -> str:
    """A number as OpenMetrics writes it: ``1.0``, ``0.25``, ``+Inf``."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    exponent = 0 if value == 0 else math.floor(math.log10(abs(value)))
    if -5 < exponent < 21:
        return str(np.format_float_positional(value, trim="0"))
    mantissa, power = np.format_float_scientific(value, trim="-", exp_digits=2).split("e")
    return f"{mantissa}e{power}"


def _of_histograms(buckets: Vector, notes: Notes, function: Callable[[Floats, Floats, Ints], Floats]) -> Vector:
    """One value for each histogram and step.

    Parameters
    ----------
    buckets : Vector
    notes : Notes
    function : callable
        Gets edges, counts (histograms, buckets, steps) and the numbers of the steps; returns (histograms, steps).
    """
    groups: dict[Key, tuple[Labels, list[tuple[float, int]]]] = {}
    edge_of = {text: _edge(text) for text in {labels.get("le", "") for labels in buckets.labels}}
    for row, labels in enumerate(buckets.labels):
        edge = edge_of[labels.get("le", "")]
        if edge is None:
            if buckets.present[row].any():
                notes.bucket(labels.get("le", ""), labels.get(METRIC, ""))
        else:
            mine = without(labels, ("le",))
            groups.setdefault(key(mine), (mine, []))[1].append((edge, row))
    # Histograms with the same edges are computed together: nearly always all of them.
    alike: dict[tuple[float, ...], list[int]] = {}
    members = [sorted(found) for _, found in groups.values()]
    for number, found in enumerate(members):
        alike.setdefault(tuple(edge for edge, _ in found), []).append(number)
    shape = len(groups), buckets.value.shape[1]
    value, present = np.full(shape, np.nan), np.zeros(shape, np.bool_)
    for edges, numbers in alike.items():
        rows = np.array([[row for _, row in members[number]] for number in numbers])
        counts, here = buckets.value[rows], buckets.present[rows]
        with np.errstate(all="ignore"):
            value[numbers], present[numbers] = _values(function, np.array(edges), counts, here)
    return Vector(nameless(labels for labels, _ in groups.values()), value, present)


def _edge(text: str) -> float | None:
    """A bucket's upper edge as Go's ``ParseFloat`` reads it; None where it reads nothing."""
    if not _NUMBER.fullmatch(text):
        return None
    edge = float(text)
    return None if math.isinf(edge) and text[-1].isdigit() else edge


def _values(
    function: Callable[[Floats, Floats, Ints], Floats], edges: Floats, counts: Floats, here: Bools
) -> tuple[Floats, Bools]:
    """For histograms with the same edges; `counts` and `here` have the shape (histograms, buckets, steps)."""
    some: Bools = np.asarray(here.any(axis=1))
    if (here.all(axis=1) == some).all():
        return function(edges, counts, np.arange(counts.shape[2])), some
    value = np.full(some.shape, np.nan)
    for number in range(len(counts)):
        # Steps at which the same buckets are present are computed together.
        patterns, which = np.unique(here[number], axis=1, return_inverse=True)
        for column in range(patterns.shape[1]):
            at, there = np.flatnonzero(which.ravel() == column), patterns[:, column]
            if there.any():
                value[number, at] = function(edges[there], counts[number][there][:, at][None], at)[0]
    return value, some


def _fraction(low: Floats, high: Floats, edges: Floats, counts: Floats) -> Floats:
    """``BucketFraction``; `counts` has the shape (histograms, buckets, steps), the answer (histograms, steps)."""
    if not np.isposinf(edges[-1]):
        return np.full((counts.shape[0], counts.shape[2]), np.nan)
    first = np.flatnonzero(np.r_[True, edges[1:] != edges[:-1]])
    edges, counts = edges[first], np.add.reduceat(counts, first, axis=1)
    total = counts[:, -1]
    # What is counted in the lowest bucket is taken to lie above 0 if it may.
    lower = np.r_[0.0 if edges[0] > 0 else -np.inf, edges[:-1]]
    ranks = np.concatenate([np.zeros_like(counts[:, :1]), counts], axis=1)

    def below(value: Floats) -> Floats:
        at = np.searchsorted(edges, value, side="right").clip(0, len(edges) - 1)
        steps = np.arange(len(value))
        before, after = ranks[:, at, steps], ranks[:, at + 1, steps]
        inside = before + (after - before) * (value - lower[at]) / (edges[at] - lower[at])
        # A bucket without a lower edge has no inside: all of it lies below.
        inside = np.where(np.isneginf(lower[at]), after, inside)
        found = np.where(lower[at] >= value, before, inside)
        return np.where(value >= edges[-1], total, np.where(found > total, total, found))

    found = np.where(low >= high, 0.0, (below(high) - below(low)) / total)
    return np.where((total == 0) | np.isnan(low) | np.isnan(high), np.nan, found)


def _quantile(phi: Floats, edges: Floats, counts: Floats, at_ms: Ints, notes: Notes, *, left_open: bool) -> Floats:
    """``bucketQuantile``; `counts` has the shape (histograms, buckets, steps), the answer (histograms, steps)."""
    nothing = np.full((counts.shape[0], counts.shape[2]), np.nan)
    if not np.isposinf(edges[-1]):
        return _outside(phi, nothing)
    first = np.flatnonzero(np.r_[True, edges[1:] != edges[:-1]])
    if len(first) < 2:
        return _outside(phi, nothing)
    if len(first) < len(edges):
        edges, counts = edges[first], np.add.reduceat(counts, first, axis=1)
    if left_open:
        counts, found = raised(edges, counts, at_ms, asked=(phi >= 0) & (phi <= 1))
        if found is not None:
            notes.lifted(found)
    else:
        counts = lifted(counts)
    total = counts[:, -1]
    rank = phi * total
    at = _search(counts[:, :-1], rank)
    below = np.where(at > 0, _picked(counts, np.clip(at - 1, 0, None)), 0.0)
    low = np.where(at > 0, edges[np.clip(at - 1, 0, None)], 0.0)
    value = low + (edges[at] - low) * ((rank - below) / (_picked(counts, at) - below))
    value = np.where((at == 0) & (edges[0] <= 0), edges[0], value)
    value = np.where(at == len(edges) - 1, edges[-2], value)
    return _outside(phi, np.where(total == 0, np.nan, value))


def _search(counts: Floats, rank: Floats) -> Ints:
    """First bucket that reaches the rank; the binary search of Go's ``sort.Search``, which NaN leads astray alike."""
    low = np.zeros(rank.shape, np.int64)
    high = np.full(rank.shape, counts.shape[1])
    while (low < high).any():
        middle = (low + high) // 2
        reached = _picked(counts, np.minimum(middle, counts.shape[1] - 1)) >= rank
        open_ = low < high
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    return low


def _picked(counts: Floats, at: Ints) -> Floats:
    """One bucket of each histogram and step."""
    found: Floats = np.take_along_axis(counts, at[:, None, :], axis=1)[:, 0]
    return found


def _outside(phi: Floats, found: Floats) -> Floats:
    return np.where(np.isnan(phi), np.nan, np.where(phi < 0, -np.inf, np.where(phi > 1, np.inf, found)))
