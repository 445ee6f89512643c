"""Lines through windows: ``deriv`` and ``predict_linear`` (promql/functions.go: linearRegression)."""

from __future__ import annotations

import numpy as np

from meshlab.promql.values import Floats, Ints, Ranges
from meshlab.promql.windows import per_window

__all__ = ["line"]


def line(over: Ranges, origin: Ints) -> tuple[Floats, Floats]:
    """Least squares through the samples of each window, by centred sums.

    Parameters
    ----------
    over : Ranges
    origin : ndarray of int64, shape (series, steps)
        Where the line's height is wanted, unix milliseconds.

    Returns
    -------
    slope, height : ndarray of float64, shape (series, steps)
        Slope per second, and value at `origin`; NaN where a window has less than two samples.
    """
    present = over.present(2)
    origins = origin[present]
    height = np.full(present.shape, np.nan)
    heights: list[Floats] = []

    def compute(member: Ints, window: Ints, first: Ints, here: slice) -> Floats:
        size = np.diff(np.r_[first, len(member)])
        x = (over.time[member] - origins[here][window]) / 1000.0
        y = over.value[member]
        x_mean, y_mean = np.add.reduceat(x, first) / size, np.add.reduceat(y, first) / size
        dx, dy = x - x_mean[window], y - y_mean[window]
        found = np.add.reduceat(dx * dy, first) / np.add.reduceat(dx * dx, first)
        # A constant is distinguished, so that no rounding tilts it; an infinite one has no line.
        constant = np.minimum.reduceat(y, first) == np.maximum.reduceat(y, first)
        endless = np.isinf(y[first])
        heights.append(np.where(constant, np.where(endless, np.nan, y[first]), y_mean - found * x_mean))
        return np.where(constant, np.where(endless, np.nan, 0.0), found)

    slope = per_window(over, compute, least=2)
    height[present] = np.concatenate(heights) if heights else np.empty(0)
    return slope, height
