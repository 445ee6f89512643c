"""From samples over time to points of a curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meshlab.errors import ParameterError

__all__ = ["Points", "binned", "checked"]

Floats = NDArray[np.float64]

_NORMAL: Final = 1.4826
# The spread of fewer samples is more chance than a property of the bin.
_ENOUGH: Final = 8
# A bin of equal count may reach from idle to saturation when saturation is rare: its median would be neither.
_WIDE: Final = 2.0
# No bin may weigh more than this many times the usual one at the same number of samples.
_TRUST: Final = 16.0


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points of a curve, by concurrency; each array has the shape (points,)."""

    concurrency: Floats
    throughput: Floats
    """Medians of each bin."""
    weights: Floats
    """Inverse variance of the throughput, up to a factor."""
    counts: NDArray[np.int64]
    """Samples in each bin."""


def checked(name: str, values: ArrayLike, shape: tuple[int, ...] | None = None) -> Floats:
    """Read numbers that may be missing (NaN) but are neither negative nor infinite.

    Raises
    ------
    ParameterError
        With one sentence that names the argument.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be numbers", "give an array of floats, NaN where nothing is known") from None
    if array.ndim != 1:
        raise ParameterError(f"{name} has {array.ndim} axes instead of 1", "give one value for each row")
    if shape is not None and array.shape != shape:
        raise ParameterError(f"{name} has shape {array.shape}, concurrency {shape}", "give one value for each row")
    if np.any(np.isinf(array)):
        raise ParameterError(f"{name} holds infinite values", "use NaN where nothing is known")
    if np.any(array < 0):
        raise ParameterError(f"{name} holds negative values", "concurrency, throughput and weights are 0 or more")
    return array


def binned(concurrency: ArrayLike, throughput: ArrayLike, bins: int = 16) -> Points:
    """Group samples in bins over concurrency: of equal count, and none wider than a factor of two.

    A median a bin keeps rollouts, restarts and single slow scrapes from distorting the curve. The upper envelope would
    not do: what lies above the median is traffic mix, not capacity.

    Parameters
    ----------
    concurrency, throughput : array_like, shape (samples,)
        In the order of time; NaN where missing. Samples with nothing in flight carry no information and are left out.
    bins : int
        At most this many; 12 to 20 serve well.

    Returns
    -------
    Points

    Raises
    ------
    ParameterError
        Shapes differ, values are negative or infinite, or there are fewer than 3 bins.
    """
    n = checked("concurrency", concurrency)
    x = checked("throughput", throughput, n.shape)
    if bins < 3:
        raise ParameterError(f"{bins} bins cannot show a curve", "use 12 to 20")
    known = np.flatnonzero(np.isfinite(n) & np.isfinite(x) & (n > 0))
    if not len(known):
        none = np.empty(0)
        return Points(none, none, none, np.empty(0, np.int64))
    order = known[np.lexsort((x[known], n[known]))]
    ns = n[order]
    # Equal concurrencies stay together, so that the order of rows cannot matter.
    cuts = np.searchsorted(ns, ns[np.arange(1, bins) * len(ns) // bins], side="left")
    starts = _narrow(ns, np.unique(np.concatenate([[0], cuts])))
    pieces = np.split(order, starts[1:])
    middle, height = (np.array([np.median(values[piece]) for piece in pieces]) for values in (n, x))
    counts = np.array([len(piece) for piece in pieces], dtype=np.int64)
    spread = np.array([_spread(n[piece], x[piece]) for piece in pieces])
    return Points(middle, height, _weights(spread, counts), counts)


def _narrow(ns: Floats, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut bins that reach over more than a factor of `_WIDE`: rare loads are where a curve bends."""
    ends = np.r_[starts[1:], len(ns)]
    found = [starts]
    for start, end in zip(starts, ends, strict=True):
        # Sums of logarithms are rounded, and the edge itself belongs to the lower bin.
        pieces = int(np.ceil(np.log(ns[end - 1] / ns[start]) / np.log(_WIDE) - 1e-9))
        if pieces > 1:
            edges = ns[start] * (ns[end - 1] / ns[start]) ** (np.arange(1, pieces) / pieces)
            found.append(np.searchsorted(ns, edges, side="right"))
    return np.unique(np.concatenate(found))


def _spread(n: Floats, x: Floats) -> float:
    """Robust standard deviation about the line through the bin."""
    off = n - n.mean()
    square = float(off @ off)
    rest = x - (float(off @ x) / square if square > 0 else 0.0) * off
    return _NORMAL * float(np.median(np.abs(rest - np.median(rest))))


def _weights(spread: Floats, counts: NDArray[np.int64]) -> Floats:
    enough = counts >= _ENOUGH
    if not np.all(enough) or not np.all(spread > 0):
        return np.asarray(counts / counts.mean(), np.float64)
    usual = float(np.median(spread))
    variance = np.clip(spread**2, usual**2 / _TRUST, None)
    weights = counts / variance
    return np.asarray(weights / weights.mean())
