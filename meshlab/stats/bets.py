"""Who bets against a hypothesis of "not worse", and when: stakes that are fixed before anything is seen.

Method
------
Every alternative beyond the margin, and every block as the moment at which an arm turns bad, has a part of the stake.
A mixture of e-processes is an e-process, whatever the parts. Nothing is learned from the data, so that nothing is lost
on learning: this is what makes it quick at few events. Most of the stake plays from the first block on; the rest is
spread over all later starts s with weights 1 / ((s + 1)(s + 2)), for an arm that turns bad after a long time of being
good has lost the first part by then.

Source: H. Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Statist. 41 (1970).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import norm

__all__ = ["beyond", "settled"]

Floats = NDArray[np.float64]

_GRID: Final = 48
_LONGEST: Final = 2.5
"""Natural logarithm of the largest factor beyond the margin that bets: 12 times."""
_CENTRE: Final = 0.6
"""Natural logarithm of the factor beyond the margin that most of the stake stands around: 1.8 times."""
_SPREAD: Final = 0.3
_EVEN: Final = 0.1
"""Part of the stake that stands evenly on all factors."""
_LATE: Final = 0.05
"""Part of the stake that is spread over later starts."""


def beyond() -> tuple[Floats, Floats]:
    """Bets as distances beyond a margin.

    Returns
    -------
    distance : ndarray of float64, shape (bets,)
        Natural logarithms of factors above 1.
    weight : ndarray of float64, shape (bets,)
        Natural logarithms of the parts of the stake.
    """
    edges = np.linspace(0.0, _LONGEST, _GRID + 1)
    mass = np.diff(norm.cdf((edges - _CENTRE) / _SPREAD))
    mass = (1 - _EVEN) * mass / mass.sum() + _EVEN / _GRID
    return (edges[1:] + edges[:-1]) / 2, np.log(mass)


def settled(logs: Floats, weight: Floats) -> Floats:
    """What all bets together have gained.

    Parameters
    ----------
    logs : ndarray of float64, shape (blocks, bets)
        Natural logarithm of each block's likelihood ratio for each bet.
    weight : ndarray of float64, shape (bets,)
        As `beyond` gives them.

    Returns
    -------
    ndarray of float64, shape (blocks,)
        Natural logarithm of the e-process after each block.
    """
    total = np.cumsum(logs, axis=0)
    start = np.arange(len(logs))[:, None]
    part = -np.log((start + 1.0) * (start + 2.0))
    # A start s contributes exp(total[t] - total[s - 1]) from block s on; one still to come holds its stake at 1.
    begun = np.logaddexp.accumulate(part - (total - logs), axis=0) + total
    late = np.logaddexp(begun, -np.log(start + 2.0))
    both = np.logaddexp(total + np.log1p(-_LATE), late + np.log(_LATE))
    return np.asarray(logsumexp(both + weight, axis=1), dtype=np.float64)
