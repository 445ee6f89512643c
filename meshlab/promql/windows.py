"""Reductions over ragged windows of samples, all series and steps at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from meshlab.promql.values import Floats, Ints

__all__ = ["fold", "over_members"]

_AT_ONCE = 1 << 22
"""Members that are laid out at a time: it bounds the memory."""


def fold(ufunc: np.ufunc, x: Floats, low: Ints, high: Ints) -> Floats:
    """Reduce ``x[low:high]`` for every window; windows without members give an undefined value.

    Parameters
    ----------
    ufunc : numpy.ufunc
        With ``reduceat``, such as `numpy.add`. Each window is reduced by itself: differences of running sums would
        lose digits and let one infinity spoil all later windows.
    x : ndarray of float64, shape (samples,)
    low, high : ndarray of int64, any shape

    Returns
    -------
    ndarray of float64, shape of `low`
    """
    if not low.size:
        return np.empty(low.shape)
    # Windows without members may lie behind the last sample.
    padded = np.append(x, 0.0)
    pairs = np.minimum(np.stack([low.ravel(), high.ravel()], axis=1).ravel(), len(x))
    reduced: Floats = ufunc.reduceat(padded, pairs)[::2]
    return reduced.reshape(low.shape)


def over_members(function: Callable[[Ints, Ints, Ints], Floats], low: Ints, high: Ints) -> Floats:
    """Compute from the laid-out members of the windows, a bounded number of members at a time.

    Parameters
    ----------
    function : callable
        Gets ``member`` (index of each sample, window after window), ``window`` (the number of each one's window) and
        ``first`` (where each window begins in `member`); returns one value a window.
    low, high : ndarray of int64, any shape
        Every window has at least one member.

    Returns
    -------
    ndarray of float64, shape of `low`
    """
    flat_low, size = low.ravel(), (high - low).ravel()
    out = np.empty(len(size))
    total = np.cumsum(size)
    begin = 0
    while begin < len(size):
        done = total[begin - 1] if begin else 0
        end = max(int(np.searchsorted(total, done + _AT_ONCE, side="right")), begin + 1)
        count = size[begin:end]
        first = np.cumsum(count) - count
        window = np.repeat(np.arange(end - begin), count)
        member = np.arange(int(count.sum())) + np.repeat(flat_low[begin:end] - first, count)
        out[begin:end] = function(member, window, first)
        begin = end
    return out.reshape(low.shape)
