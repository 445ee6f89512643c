"""Is one share larger than another by more than a margin? Evidence that may be looked at any time.

Method
------
Time is cut into blocks. For a block with n requests and k errors an arm, and a point alternative (b*, c*) chosen from
*earlier* blocks only, the likelihood ratio of (b*, c*) and of its reverse information projection (b°, c°) on the null
is an e-value: its mean is at most 1 whatever shares of the null rule in that block, even if every request has a share
of its own, as long as the block's mean shares lie in the null. Products over blocks are therefore valid under any
drift of load and error level that both arms live through, and at every look.

Source: R. Turner, A. Ly and P. Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for
optional stopping", J. Stat. Plan. Inference 230 (2024), arXiv 2106.02693, theorem 2. The null must be convex.
For unequal shares within a block: the ratio's mean is the product over requests of 1 + (x - x°)(x* - x°)/(x°(1 - x°));
log(1 + u) <= u, and the sum of the u is at most 0 by the projection's first-order condition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meshlab.stats.blocks import Blocks
from meshlab.stats.ratios import log_ratio_below

__all__ = ["Margin", "difference_interval", "log_evidence_below"]

Floats = NDArray[np.float64]

_EDGE: Final = 1e-9
_ROUNDS: Final = 44  # bisections: 2**-44 of the unit interval
_GRID: Final = 160


@dataclass(frozen=True, slots=True)
class Margin:
    """How much larger the second share may be: ``max(absolute, relative * first share)``."""

    absolute: float
    """Share, 0..1, greater than 0: 0.005 is half a percentage point."""
    relative: float
    """Part of the first share, greater than 0: 0.5 allows half as much again."""

    def of(self, share: float) -> float:
        """The margin in force at a first share; both in 0..1."""
        return max(self.absolute, self.relative * share)


def log_evidence_below(blocks: Blocks, margin: Margin, phi: float = 1.0) -> Floats:
    """Evidence that the second arm's share is less than the margin above the first's.

    The null, "at least the margin above", is convex. Three alternatives share the stake: that the arms are equal,
    whatever the earlier blocks showed, and (given the events of both) any ratio below the relative margin.

    Parameters
    ----------
    blocks : Blocks
    margin : Margin
    phi : float
        Dispersion (>= 1) by which the evidence is deflated; see `meshlab.stats.scatter`.

    Returns
    -------
    ndarray of float64, shape (blocks,)
        Natural logarithm of the e-process after each block. It is refuted at level alpha, at any look, when this
        reaches ``log(1 / alpha)``.
    """
    logs = [np.cumsum(_corner_logs(blocks, a, margin) / phi) for a in (_equal(blocks), _plug_in(blocks))]
    logs.append(log_ratio_below(blocks, 1.0 + margin.relative, phi))
    return np.asarray(np.logaddexp.reduce(logs) - np.log(len(logs)), dtype=np.float64)


def difference_interval(blocks: Blocks, alpha: float, phi: float = 1.0) -> tuple[Floats, Floats]:
    """Interval of the difference of the shares (second minus first) that holds at all looks together.

    It inverts the tests "the difference is at most d" and "at least d", each at alpha / 2.

    Parameters
    ----------
    blocks : Blocks
    alpha : float
        1 - confidence level.
    phi : float
        Dispersion by which the evidence is deflated.

    Returns
    -------
    lower, upper : ndarray of float64, shape (blocks,)
        Shares, -1..1, after each block.
    """
    need = np.log(2.0 / alpha)
    lower = _largest_refuted(blocks, need, phi)
    upper = -_largest_refuted(blocks.swapped(), need, phi)
    return lower, upper


Point = tuple[Floats, Floats]


def _before(events: Floats, total: Floats) -> Floats:
    """Share in the blocks before each one; half an event of one keeps it inside (0, 1)."""
    k, n = np.cumsum(events) - events, np.cumsum(total) - total
    return np.asarray((k + 0.5) / (n + 1.0), dtype=np.float64)


def _plug_in(blocks: Blocks) -> Point:
    return _before(blocks.events_b, blocks.total_b), _before(blocks.events_c, blocks.total_c)


def _equal(blocks: Blocks) -> Point:
    both = _before(blocks.events_b + blocks.events_c, blocks.total_b + blocks.total_c)
    return both, both


def _staked(blocks: Blocks, inside: NDArray[np.bool_], logs: Floats) -> Floats:
    """No stake where the alternative lies in the null, and none before both arms have shown a request."""
    seen = (np.cumsum(blocks.total_b) > blocks.total_b) & (np.cumsum(blocks.total_c) > blocks.total_c)
    return np.where(inside | ~seen, 0.0, logs)


def _log_ratio(blocks: Blocks, alternative: Point, null: Point) -> Floats:
    (b1, c1), (b0, c0) = alternative, null
    return (
        blocks.events_b * np.log(b1 / b0)
        + (blocks.total_b - blocks.events_b) * np.log((1 - b1) / (1 - b0))
        + blocks.events_c * np.log(c1 / c0)
        + (blocks.total_c - blocks.events_c) * np.log((1 - c1) / (1 - c0))
    )


def _divergence(blocks: Blocks, alternative: Point, null: Point) -> Floats:
    (b1, c1) = alternative
    mean = Blocks(blocks.total_b * b1, blocks.total_b, blocks.total_c * c1, blocks.total_c)
    return _log_ratio(mean, alternative, null)


def _project(blocks: Blocks, alternative: Point, slope: float, offset: Floats | float) -> Floats:
    """First share of the projection on the line ``second = slope * first + offset`` (convex: bisect the slope)."""
    b1, c1 = alternative
    shape = np.broadcast(b1, offset)
    low = np.broadcast_to(np.maximum(_EDGE, (_EDGE - offset) / slope), shape.shape)
    high = np.broadcast_to(np.minimum(1 - _EDGE, (1 - _EDGE - offset) / slope), shape.shape)
    for _ in range(_ROUNDS):
        b = (low + high) / 2
        c = slope * b + offset
        rising = blocks.total_b * (b - b1) / (b * (1 - b)) + slope * blocks.total_c * (c - c1) / (c * (1 - c)) > 0
        low, high = np.where(rising, low, b), np.where(rising, b, high)
    middle: Floats = (low + high) / 2
    return middle


def _line_logs(blocks: Blocks, alternative: Point, slope: float, offset: Floats | float) -> Floats:
    """Logarithm of each block's e-value against ``second <= slope * first + offset``."""
    b1, c1 = alternative
    b0 = _project(blocks, alternative, slope, offset)
    log = _log_ratio(blocks, alternative, (b0, slope * b0 + offset))
    return _staked(blocks, c1 <= slope * b1 + offset, log)


def _corner_logs(blocks: Blocks, alternative: Point, margin: Margin) -> Floats:
    """Logarithm of each block's e-value against ``second >= first + margin.of(first)``."""
    b1, c1 = alternative
    corner = margin.absolute / margin.relative
    slope = 1.0 + margin.relative
    low = np.minimum(_project(blocks, alternative, 1.0, margin.absolute), corner)
    high = np.maximum(_project(blocks, alternative, slope, 0.0), corner)
    nulls = ((low, low + margin.absolute), (high, slope * high))
    first = _divergence(blocks, alternative, nulls[0]) <= _divergence(blocks, alternative, nulls[1])
    null = np.where(first, nulls[0][0], nulls[1][0]), np.where(first, nulls[0][1], nulls[1][1])
    inside = c1 >= np.maximum(b1 + margin.absolute, slope * b1)
    return _staked(blocks, inside, _log_ratio(blocks, alternative, null))


def _largest_refuted(blocks: Blocks, need: float, phi: float) -> Floats:
    """The largest d for which "second - first <= d" is refuted, after each block; -1 when none is."""
    share_b, share_c = blocks.shares()
    if not np.isfinite(share_b + share_c):
        return np.full(len(blocks.total_b), -1.0)
    # A grid that is fine around the answer and still reaches to -1: sinh-spaced below and a little above the estimate.
    total_b, total_c = float(blocks.total_b.sum()), float(blocks.total_c.sum())
    variance = (share_b * (1 - share_b) + 1 / total_b) / total_b + (share_c * (1 - share_c) + 1 / total_c) / total_c
    spread = variance**0.5
    steps = np.sinh(np.linspace(-np.arcsinh(1.999 / spread), np.arcsinh(8.0), _GRID)) * spread
    grid = np.clip(share_c - share_b + steps, -0.999, 0.999)[:, None]
    alternative = _plug_in(blocks)
    evidence = np.cumsum(_line_logs(blocks, alternative, 1.0, grid) / phi, axis=1)
    refuted = evidence >= need
    # Refuted differences form a lower set up to noise: take the last of the unbroken run, and interpolate.
    run = np.logical_and.accumulate(refuted, axis=0).sum(axis=0)
    column = np.arange(evidence.shape[1])
    at, after = np.clip(run - 1, 0, None), np.clip(run, None, _GRID - 1)
    low, high = evidence[at, column], evidence[after, column]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(low > high, np.clip((low - need) / (low - high), 0, 1), 0.0)
    found = grid[at, 0] + part * (grid[after, 0] - grid[at, 0])
    return np.where(run > 0, found, -1.0)
