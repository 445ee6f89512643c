"""Reductions over ragged windows of samples, all series and steps at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from meshlab.promql.values import Floats, Ints, Ranges

__all__ = ["fold", "per_window"]

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


def per_window(over: Ranges, function: Callable[[Ints, Ints, Ints, slice], Floats], *, least: int = 1) -> Floats:
    """Compute one value a window from its laid-out members, a bounded number of members at a time.

    Parameters
    ----------
    over : Ranges
    function : callable
        Gets ``member`` (index of each sample, window after window), ``window`` (the number of each one's window),
        ``first`` (where each window begins in `member`) and which of the windows with enough samples these are;
        returns one value a window.
    least : int
        How many samples a window must have.

    Returns
    -------
    ndarray of float64, shape (series, steps)
        NaN where a window has fewer samples.
    """
    some = over.present(least)
    low, size = over.low[some], (over.high - over.low)[some]
    out = np.empty(len(size))
    total = np.cumsum(size)
    begin = 0
    while begin < len(size):
        done = total[begin - 1] if begin else 0
        end = max(int(np.searchsorted(total, done + _AT_ONCE, side="right")), begin + 1)
        count = size[begin:end]
        first = np.cumsum(count) - count
        window = np.repeat(np.arange(end - begin), count)
        member = np.arange(int(count.sum())) + np.repeat(low[begin:end] - first, count)
        out[begin:end] = function(member, window, first, slice(begin, end))
        begin = end
    value = np.full(some.shape, np.nan)
    value[some] = out
    return value
