"""The curve of the Universal Scalability Law, its derivatives and its peak.

    X(N) = single * N / (1 + contention (N - 1) + coherency N (N - 1)),   R(N) = N / X(N)

``single`` is the throughput of one request in flight (Gunther's gamma or lambda), ``contention`` the share of work that
must queue (alpha, sigma), ``coherency`` the cost of keeping each pair consistent (beta, kappa).

Source: N. Gunther, "Guerrilla Capacity Planning" (2007), with the three-coefficient form of his later papers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["gradient", "peak_concurrency", "throughput", "with_error"]

Floats = NDArray[np.float64]


def throughput(concurrency: ArrayLike, contention: float, coherency: float, single: float) -> Floats:
    """X(N), in the unit of ``single``."""
    n = np.asarray(concurrency, dtype=np.float64)
    return np.asarray(single * n / (1.0 + contention * (n - 1.0) + coherency * n * (n - 1.0)), np.float64)


def gradient(concurrency: ArrayLike, contention: float, coherency: float, single: float) -> Floats:
    """Derivatives of X(N) by contention, coherency and single.

    Returns
    -------
    ndarray of float64, shape (N, 3)
    """
    n = np.asarray(concurrency, dtype=np.float64)
    slow = 1.0 + contention * (n - 1.0) + coherency * n * (n - 1.0)
    by_contention = -single * n * (n - 1.0) / slow**2
    return np.stack([by_contention, by_contention * n, n / slow], axis=-1)


def with_error(concurrency: Floats, coefficients: Sequence[float], covariance: Floats) -> tuple[Floats, Floats]:
    """X(N) and its standard error by the delta method, each of shape (N,)."""
    slope = gradient(concurrency, *coefficients)
    variance = np.einsum("ij,jk,ik->i", slope, covariance, slope)
    return throughput(concurrency, *coefficients), np.sqrt(np.maximum(variance, 0.0))


def peak_concurrency(contention: float, coherency: float) -> float | None:
    """Concurrency of the largest throughput; None when the curve never falls."""
    if coherency <= 0.0 or contention >= 1.0:
        return None
    return float(np.sqrt((1.0 - contention) / coherency))
