"""The curve of the Universal Scalability Law, its derivatives and its peak.

    X(N) = single * N / (1 + contention (N - 1) + coherency N (N - 1)),   R(N) = N / X(N)

``single`` is the throughput of one request in flight (Gunther's gamma or lambda), ``contention`` the share of work that
must queue (alpha, sigma), ``coherency`` the cost of keeping each pair consistent (beta, kappa).

Source: N. Gunther, "Guerrilla Capacity Planning" (2007), with the three-coefficient form of his later papers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["gradient", "peak_concurrency", "slowdown", "throughput"]

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
