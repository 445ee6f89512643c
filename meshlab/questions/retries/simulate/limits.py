"""How likely a retry is allowed at this moment, for each policy and hop."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["blocking", "expected_limit"]

Floats = NDArray[np.float64]

_COUNTED: Final = 40


def _highest() -> Floats:
    """Nine equally likely values of the highest that a count of active requests reaches within one holding time.

    In standard deviations. The count is that of arrivals in a window as long as the holding time: its highest over as
    long again has a closed form.

    References
    ----------
    D. Slepian, First passage time for a particular Gaussian process, Ann. Math. Stat. 32, 1961.
    """
    at = np.linspace(-4.0, 6.0, 2001)
    density = np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
    below = ndtr(at) ** 2 - density * (at * ndtr(at) + density)
    return np.interp((np.arange(9) + 0.5) / 9, below, at)


_HIGHEST: Final = _highest()


def blocking(places: Floats, erlangs: Floats) -> Floats:
    """Share of requests that find all places taken (Erlang's loss formula).

    It holds for any distribution of the holding time, so that retries that are over in milliseconds and retries that
    time out may share the places; a fluid in which nobody meets by chance would refuse far too few.

    Parameters
    ----------
    places : ndarray of float64
        Between whole numbers the chance is interpolated; infinite where there is no limit.
    erlangs : ndarray of float64
        Requests a second times the mean time that one would hold a place.

    Returns
    -------
    ndarray of float64
        0..1.

    References
    ----------
    A. K. Erlang, 1917; the recursion: L. Kosten. 1/B(n) = 1 + n/a 1/B(n-1).
    """
    load = np.maximum(erlangs, 1e-12)
    finite = np.isfinite(places)
    if not finite.any():
        return np.zeros_like(load)
    known = np.where(finite, places, 0.0)
    whole, part = np.floor(known), known - np.floor(known)
    # Beyond so many places chance no longer matters beside the mean.
    chance = np.maximum(1.0 - known / load, 0.0)
    inverse = np.ones_like(load)
    for n in range(int(min(whole.max(), _COUNTED)) + 1):
        # An unloaded limit makes this grow without bound; it is no chance at all then.
        above = np.minimum(1.0 + (n + 1) / load * inverse, 1e15)
        chance = np.where(whole == n, (1.0 - part) / inverse + part / above, chance)
        inverse = above
    return np.where(finite, chance, 0.0)


def expected_limit(active: Floats, percent: Floats, least: Floats) -> Floats:
    """Places that retries hold when many ask: ``max(least, floor(percent of the active requests))``.

    The active come and go by chance. A retry that was allowed when they were many stays when they are few, so what
    counts is their highest number over one holding time. Envoy cuts the fraction off.

    Parameters
    ----------
    active, percent, least : ndarray of float64
        `active` on average.
    """
    highest = np.maximum(active[..., None] + np.sqrt(active)[..., None] * _HIGHEST, 0.0)
    return np.asarray(np.maximum(least[..., None], np.floor(highest * percent[..., None] / 100)).mean(axis=-1))
