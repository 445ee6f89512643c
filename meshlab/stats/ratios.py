"""Is one rate larger than another by more than a factor? Evidence that may be looked at any time.

Method
------
Of all events in a block of time, those of the second arm are binomial, whatever level of events both arms share in
that block: their share is ``w r / (w r + 1 - w)``, with the second arm's part w of the requests and the ratio r of the
two rates. So load and error level may drift as they like. Against "the ratio is at most m" every ratio above m bets,
with weights that are fixed beforehand: the mixture of the likelihood ratios is an e-process, for the likelihood ratio
of r > m against m has a mean of at most 1 under every ratio up to m. Nothing is learned from the data, so nothing is
lost on learning: this is what makes it quick at few events.

Sources: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022, arXiv 2011.03567,
for conditioning on the total; H. Robbins, "Statistical methods related to the law of the iterated logarithm", Ann.
Math. Statist. 41 (1970), for the mixture. It holds for events that are few among the requests (Poisson); larger shares
scatter less than binomial events do, so that the evidence is too small rather than too large.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import norm

from meshlab.stats.shares import Blocks

__all__ = ["log_ratio_above", "log_ratio_below"]

Floats = NDArray[np.float64]

_GRID: Final = 96
_WIDEST: Final = 6.0
"""Natural logarithm of the largest factor beyond the margin that bets: 400 times."""
_SPREAD: Final = 0.7
"""Spread of the bets in natural logarithms: most of them stand within a factor of two beyond the margin."""


def log_ratio_above(blocks: Blocks, factor: float, phi: float = 1.0) -> Floats:
    """Evidence that the second arm's rate is more than `factor` times the first's.

    Parameters
    ----------
    blocks : Blocks
    factor : float
        Greater than 0.
    phi : float
        Dispersion (>= 1) by which the evidence is deflated.

    Returns
    -------
    ndarray of float64, shape (blocks,)
        Natural logarithm of the e-process after each block.
    """
    return _evidence(blocks, factor, _bets(), phi)


def log_ratio_below(blocks: Blocks, factor: float, phi: float = 1.0) -> Floats:
    """Evidence that the second arm's rate is less than `factor` times the first's; see `log_ratio_above`."""
    bets, weights = _bets()
    return _evidence(blocks, factor, (-bets, weights), phi)


def _bets() -> tuple[Floats, Floats]:
    """Distances beyond the margin, in natural logarithms, and the logarithms of their weights."""
    edges = np.concatenate([np.linspace(0.0, 2.0, _GRID + 1), [_WIDEST]])
    mass = 2 * np.diff(norm.cdf(edges / _SPREAD))
    return (edges[1:] + edges[:-1]) / 2, np.log(mass / mass.sum())


def _evidence(blocks: Blocks, factor: float, bets: tuple[Floats, Floats], phi: float) -> Floats:
    beyond, weights = bets
    with np.errstate(invalid="ignore", divide="ignore"):
        odds = np.log(blocks.total_c / blocks.total_b)
    # Where an arm had no request, its events say nothing of the ratio.
    use = np.isfinite(odds)
    null = np.where(use, odds, 0.0)[:, None] + np.log(factor)
    other = null + beyond[None, :]
    events_c, events_b = (np.where(use, x, 0.0)[:, None] for x in (blocks.events_c, blocks.events_b))
    gain = events_c * (_log_share(other) - _log_share(null)) + events_b * (_log_share(-other) - _log_share(-null))
    return np.asarray(logsumexp(np.cumsum(gain, axis=0) / phi + weights[None, :], axis=1), dtype=np.float64)


def _log_share(odds: Floats) -> Floats:
    """Logarithm of the share that belongs to the logarithm of odds."""
    found: Floats = -np.logaddexp(0.0, -odds)
    return found
