"""What Envoy's bucket edges mean, by the release of the proxy that counted.

Envoy keeps durations in bins of two significant digits (circonus-labs/libcircllhist: 100 is the bin of 100 to 110 ms,
25 that of 25 to 26 ms) and reports how many lie at or below an edge. Up to 1.37 an edge leaves its own bin out:
``le="100"`` holds what took less than 100 ms. Since 1.38 it takes the bin in: ``le="100"`` holds what took less than
110 ms. Measured with durations of whole milliseconds on releases of both kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Release", "incomparable_edges", "proxy_release", "true_edges"]

_TAKES_BIN_IN: Final = (1, 38)
_VERSION: Final = re.compile(r"(?:.*[^0-9.])?(\d+)\.(\d+)(?:\.\d+)?(?:[-+.].*)?")

Release = tuple[int, int]


def proxy_release(version: str, *, ahead: int = 0) -> Release | None:
    """Major and minor release of Envoy.

    Parameters
    ----------
    version : str
        Such as ``1.38.0``, ``v1.37.2-dev``, or that of a mesh.
    ahead : int
        By how many minor releases Envoy is ahead of the mesh that is named.

    Returns
    -------
    (int, int) or None
        None where it is no version, such as the hash that ``envoy_server_version`` is by default.
    """
    found = _VERSION.fullmatch(version.strip())
    if not found:
        return None
    major, minor = int(found[1]), int(found[2])
    return (major, minor + ahead)


def true_edges(edges: ArrayLike, release: Release | None) -> NDArray[np.float64]:
    """The durations below which the counted requests lie.

    Parameters
    ----------
    edges : array_like of float, shape (edges,)
        ``le`` in milliseconds, +Inf among them.
    release : (int, int) or None
        Of Envoy; None where it is not known: the edges stay as they are written.

    Returns
    -------
    ndarray of float64, shape (edges,)
        Exclusive upper bounds, milliseconds. Durations are whole milliseconds: a bound of 25 or 26 differ by those that
        took 25 ms, one of 5 or 5.1 by those that took 5 ms.
    """
    le = np.asarray(edges, np.float64)
    if release is None or release < _TAKES_BIN_IN:
        return le.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        # The bin that begins at the edge is one unit of the second significant digit wide.
        width = 10.0 ** (np.floor(np.log10(le)) - 1.0)
    return np.where(np.isfinite(le) & (le > 0), le + np.where(np.isfinite(width), width, 0.0), le)


def incomparable_edges(edges: Sequence[float], releases: Iterable[Release | None]) -> list[float]:
    """The edges below which proxies of different releases count different requests.

    Parameters
    ----------
    edges : sequence of float
        ``le`` in milliseconds.
    releases : iterable of (int, int) or None
        Of the proxies that are compared; those that are not known are left out.

    Returns
    -------
    list of float
        None where all count alike.
    """
    generations = {release >= _TAKES_BIN_IN for release in releases if release is not None}
    if len(generations) < 2:
        return []
    after = true_edges(edges, _TAKES_BIN_IN)
    return [edge for edge, bound in zip(edges, after.tolist(), strict=True) if bound != edge]
