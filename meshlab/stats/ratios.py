"""Is one rate larger than another by more than a factor? Evidence that may be looked at any time.

Method
------
Of all events in a block of time, those of the second arm are binomial, whatever level of events both arms share in
that block: their share is ``w r / (w r + 1 - w)``, with the second arm's part w of the requests and the ratio r of the
two rates. So load and error level may drift as they like. Against "the ratio is at most m" every ratio above m bets,
with weights that are fixed beforehand (`meshlab.stats.bets`): the mixture of the likelihood ratios is an e-process, for
the likelihood ratio of r > m against m has a mean of at most 1 under every ratio up to m.

Sources: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022, arXiv 2011.03567,
for conditioning on the total. It holds for events that are few among the requests (Poisson); larger shares
scatter less than binomial events do, so that the evidence is too small rather than too large.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from meshlab.stats.bets import beyond, settled
from meshlab.stats.blocks import Blocks

__all__ = ["log_ratio_above", "log_ratio_below", "ratio_interval"]

Floats = NDArray[np.float64]

_WIDEST: Final = 4.0
"""Natural logarithm of the largest ratio that an interval ends at: 55 times."""
_ROUNDS: Final = 14  # bisections: to 0.05 %


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
    return _evidence(blocks, factor, 1.0, phi)


def log_ratio_below(blocks: Blocks, factor: float, phi: float = 1.0) -> Floats:
    """Evidence that the second arm's rate is less than `factor` times the first's; see `log_ratio_above`."""
    return _evidence(blocks, factor, -1.0, phi)


def ratio_interval(blocks: Blocks, alpha: float, phi: float = 1.0) -> tuple[float, float]:
    """Interval of the ratio of the rates, second over first, that holds at all looks together.

    It inverts both tests, each at alpha / 2, on the bets that play from the first block on.

    Parameters
    ----------
    blocks : Blocks
    alpha : float
        1 - confidence level.
    phi : float
        Dispersion by which the evidence is deflated.

    Returns
    -------
    lower, upper : float
        0 and infinity where nothing is known.
    """
    need = np.log(2.0 / alpha)
    lower = _last_refuted(blocks, need, phi, 1.0)
    upper = _last_refuted(blocks, need, phi, -1.0)
    return float(np.exp(lower)) if lower > -_WIDEST else 0.0, float(np.exp(upper)) if upper < _WIDEST else float("inf")


def _last_refuted(blocks: Blocks, need: float, phi: float, side: float) -> float:
    """Logarithm of the ratio nearest to what was seen that is refuted: the less far away, the less it is refuted."""
    refuted, held = -side * _WIDEST, side * _WIDEST
    for _ in range(_ROUNDS):
        middle = (refuted + held) / 2
        if _total(blocks, float(np.exp(middle)), side, phi) >= need:
            refuted = middle
        else:
            held = middle
    return refuted


def _total(blocks: Blocks, factor: float, side: float, phi: float) -> float:
    distance, weight = beyond()
    return float(logsumexp(_gains(blocks, factor, side * distance).sum(axis=0) / phi + weight))


def _evidence(blocks: Blocks, factor: float, side: float, phi: float) -> Floats:
    distance, weight = beyond()
    return settled(_gains(blocks, factor, side * distance) / phi, weight)


def _gains(blocks: Blocks, factor: float, distance: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        odds = np.log(blocks.total_c / blocks.total_b)
    # Where an arm had no request, its events say nothing of the ratio.
    use = np.isfinite(odds)
    null = np.where(use, odds, 0.0)[:, None] + np.log(factor)
    other = null + distance[None, :]
    events_c, events_b = (np.where(use, x, 0.0)[:, None] for x in (blocks.events_c, blocks.events_b))
    gains: Floats = events_c * (_log_share(other) - _log_share(null)) + events_b * (
        _log_share(-other) - _log_share(-null)
    )
    return gains


def _log_share(odds: Floats) -> Floats:
    """Logarithm of the share that belongs to the logarithm of odds."""
    found: Floats = -np.logaddexp(0.0, -odds)
    return found
