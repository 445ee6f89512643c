"""How likely a retry is allowed at this moment, for each policy and hop."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["blocking"]

Floats = NDArray[np.float64]

# Beyond so many places chance no longer matters beside the mean.
_COUNTED: Final = 40


def blocking(places: Floats, erlangs: Floats) -> Floats:
    """Share of requests that find all places taken (Erlang's loss formula).

    It holds for any distribution of the holding time, so that retries that are over in milliseconds and retries that
    time out may share the places; a fluid in which nobody meets by chance would refuse far too few.

    Parameters
    ----------
    places : ndarray of float64
        Whole numbers; infinite where there is no limit.
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
    inverse = np.ones_like(load)
    found = np.where(places < 1, 1.0, 0.0)
    finite = places[np.isfinite(places)]
    most = int(min(finite.max(initial=0.0), _COUNTED))
    for n in range(1, most + 1):
        # An unloaded limit makes this grow without bound; it is no chance at all then.
        inverse = np.minimum(1.0 + n / load * inverse, 1e15)
        found = np.where(places == n, 1.0 / inverse, found)
    many = np.isfinite(places) & (places > _COUNTED)
    return np.where(many, np.maximum(1.0 - places / load, 0.0), found)
