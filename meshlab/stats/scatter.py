"""How much more events scatter over blocks of time than independent requests would: bursts make counts less telling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from meshlab.stats.blocks import Blocks

__all__ = ["at_every_look", "deflation", "dispersion"]

Floats = NDArray[np.float64]

_BURSTY: Final = 0.001
"""Probability of so much scatter by chance, below which it is none."""
_COMPARED: Final = 5
"""Blocks with events of both arms that tell bursts of one arm from what both live through."""
_STEP: Final = 1.1
"""Deflations are rounded up to powers of this, so that few are distinguished."""


def dispersion(blocks: Blocks) -> tuple[Floats, NDArray[np.int64]]:
    """Scatter of the second arm's events over that of independent requests, as it was known after each block.

    Given the events of both arms in a block, those of the second are binomial with the odds of the two overall rates:
    Pearson's chi-square over its degrees of freedom is about 1. Bursts make it larger. Where the first arm has too few
    events to be compared with, the second's are compared with its own mean over the blocks.

    Returns
    -------
    phi : ndarray of float64, shape (blocks,)
        Pearson's chi-square / degrees of freedom; NaN while too few blocks have enough events.
    degrees : ndarray of int64, shape (blocks,)
        Degrees of freedom: the blocks that were used, less one.
    """
    events = blocks.events_b + blocks.events_c
    before = np.tri(len(events), dtype=bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        share_b, share_c = (
            (np.cumsum(k) / np.cumsum(n))[:, None]
            for k, n in ((blocks.events_b, blocks.total_b), (blocks.events_c, blocks.total_c))
        )
        weight = blocks.total_c * share_c / (blocks.total_c * share_c + blocks.total_b * share_b)
        expected = events * weight
        use = before & (expected >= 1) & (events - expected >= 1)
        scatter = np.where(use, (blocks.events_c - expected) ** 2 / (expected * (1 - weight)), 0.0).sum(axis=1)
        degrees = np.maximum(use.sum(axis=1) - 1, 0)
        alone = blocks.total_c * share_c
        own = np.where(before & (alone > 0), (blocks.events_c - alone) ** 2 / alone, 0.0).sum(axis=1)
        seen = np.maximum((before & (blocks.total_c > 0)).sum(axis=1) - 1, 0)
        few = degrees < _COMPARED
        scatter, degrees = np.where(few, own, scatter), np.where(few, seen, degrees)
        phi = np.where(degrees > 0, scatter / degrees, np.nan)
    return phi, degrees


def deflation(blocks: Blocks) -> Floats:
    """By how much evidence on counts is divided at each look: the dispersion where it is beyond doubt, else 1."""
    phi, degrees = dispersion(blocks)
    with np.errstate(invalid="ignore", divide="ignore"):
        bursty = (degrees > 0) & (chi2.sf(phi * degrees, np.maximum(degrees, 1)) < _BURSTY)
        rounded = _STEP ** np.ceil(np.log(phi) / np.log(_STEP))
    return np.where(bursty & (phi > 1), rounded, 1.0)


def at_every_look(evidence: Callable[[float], Floats], deflations: Floats) -> Floats:
    """Evidence at each look with the deflation that was known then.

    Parameters
    ----------
    evidence : callable
        Gives the evidence after each block for one deflation; shape (blocks,).
    deflations : ndarray of float64, shape (blocks,)

    Returns
    -------
    ndarray of float64, shape (blocks,)
    """
    found = np.zeros(len(deflations))
    for phi in np.unique(deflations):
        found = np.where(deflations == phi, evidence(float(phi)), found)
    return found
