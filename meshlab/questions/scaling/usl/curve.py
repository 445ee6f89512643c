"""The curve of the Universal Scalability Law, its derivatives and its inverses.

    X(N) = single * N / (1 + contention (N - 1) + coherency N (N - 1)),   R(N) = N / X(N)

``single`` is the throughput of one request in flight (Gunther's gamma or lambda), ``contention`` the share of work that
must queue (alpha, sigma), ``coherency`` the cost of keeping each pair consistent (beta, kappa).

Source: N. Gunther, "Guerrilla Capacity Planning" (2007), with the three-coefficient form of his later papers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "concurrency_at_latency",
    "concurrency_at_throughput",
    "gradient",
    "peak_concurrency",
    "slowdown",
    "throughput",
]

Floats = NDArray[np.float64]


def slowdown(concurrency: ArrayLike, contention: ArrayLike, coherency: ArrayLike) -> Floats:
    """How many times longer a request takes than alone: 1 + contention (N - 1) + coherency N (N - 1)."""
    n = np.asarray(concurrency, dtype=np.float64)
    return np.asarray(1.0 + np.asarray(contention) * (n - 1.0) + np.asarray(coherency) * n * (n - 1.0), np.float64)


def throughput(concurrency: ArrayLike, contention: ArrayLike, coherency: ArrayLike, single: ArrayLike) -> Floats:
    """X(N), in the unit of ``single``; the arguments are broadcast."""
    n = np.asarray(concurrency, dtype=np.float64)
    return np.asarray(np.asarray(single) * n / slowdown(n, contention, coherency), np.float64)


def gradient(concurrency: ArrayLike, contention: float, coherency: float, single: float) -> Floats:
    """Derivatives of X(N) by contention, coherency and single.

    Returns
    -------
    ndarray of float64, shape (N, 3)
    """
    n = np.asarray(concurrency, dtype=np.float64)
    slow = slowdown(n, contention, coherency)
    x = single * n / slow
    return np.stack([-x * (n - 1.0) / slow, -x * n * (n - 1.0) / slow, n / slow], axis=-1)


def peak_concurrency(contention: float, coherency: float) -> float | None:
    """Concurrency of the largest throughput; None when the curve never falls."""
    if coherency <= 0.0 or contention >= 1.0:
        return None
    return float(np.sqrt((1.0 - contention) / coherency))


def concurrency_at_throughput(wanted: float, contention: float, coherency: float, single: float) -> tuple[float, ...]:
    """Concurrencies at which X(N) is the one wanted, ascending.

    Returns
    -------
    tuple of float
        Two (before and after the peak), one (a curve without a peak), or none (more than the curve ever reaches).
    """
    if wanted <= 0.0:
        return ()
    # X(N) = wanted is coherency N^2 + (contention - coherency - single/wanted) N + (1 - contention) = 0.
    middle, last = contention - coherency - single / wanted, 1.0 - contention
    inside = middle * middle - 4.0 * coherency * last
    if inside < 0.0 or middle >= 0.0:
        return ()
    # Both roots from the sum that does not cancel.
    sum_ = -middle + float(np.sqrt(inside))
    small = 2.0 * last / sum_
    return (small,) if coherency == 0.0 else (small, sum_ / (2.0 * coherency))


def concurrency_at_latency(wanted: float, contention: float, coherency: float, single: float) -> float | None:
    """Concurrency at which R(N) is the one wanted (seconds when ``single`` is per second).

    Returns
    -------
    float or None
        None when no positive concurrency has this latency, or all have (no contention, no coherency).
    """
    # coherency N^2 + (contention - coherency) N + (1 - contention - single wanted) = 0, the rising branch.
    first, last = contention - coherency, 1.0 - contention - single * wanted
    if coherency == 0.0:
        found = -last / first if first > 0.0 else -1.0
    else:
        inside = first * first - 4.0 * coherency * last
        found = (-first + float(np.sqrt(inside))) / (2.0 * coherency) if inside >= 0.0 else -1.0
    return found if found > 0.0 else None
