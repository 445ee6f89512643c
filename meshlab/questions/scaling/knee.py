"""The knee of a curve, its saturation point: stated only where the curve has one and the methods agree.

Gate
----
A model with a knee (Amdahl, the whole law, a capacity limit, two joined lines) must beat the straight line by 6 units
of AICc, under noise that is the same everywhere and under noise that grows with the throughput: the data cannot show
which one holds, so the less favourable one counts.

Candidates
----------
* ``contention``: 1 / contention of the fitted law; from here on added requests mostly queue.
* ``break``: where two joined lines meet, with the interval of all breaks whose squares are not worse (an F test).
* ``power``: largest throughput / latency on the fitted curve (L. Kleinrock's power, ICC 1979).
* ``kneedle``: farthest from the chord, on the fitted curve and never on the points: there it finds a knee in any noise
  (V. Satopaa et al., "Finding a Kneedle in a Haystack", ICDCSW 2011).
* ``capacity``: the limit c of min(N, c) / S, when that model fits best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as fisher

from meshlab.questions.scaling.usl import Answer, Estimate, Fit, Reason, curve, refuse
from meshlab.questions.scaling.usl.compare import HARMLESS
from meshlab.questions.scaling.usl.models import aicc, choose

__all__ = ["Knee", "find"]

Floats = NDArray[np.float64]

_GATE: Final = 6.0
_APART: Final = 2.0
_GRID: Final = 400
_BREAKS: Final = 200
# A break that leaves less than two points on a side is drawn by one point.
_SIDE: Final = 2


@dataclass(frozen=True, slots=True)
class Knee:
    """The knee as a range."""

    answer: Answer
    """Value: the median of the candidates; low and high: the lowest and highest of them. A refusal when there is no
    knee, or when the candidates are more than a factor of two apart."""
    candidates: Mapping[str, Answer]
    """The answer of each method, in the order above; empty when the gate is shut."""
    gain: float
    """By how much AICc prefers the best model with a knee to the line, under the less favourable noise."""


def find(fit: Fit) -> Knee:
    """Look for the knee of a fitted curve, of whichever function of `usl` it comes."""
    for refusal in fit.refusals:
        if fit.coefficients is None or refusal.reason not in HARMLESS:
            return Knee(Answer(refusal=refusal), {}, 0.0)
    n, x, w = fit.points.concurrency, fit.points.throughput, fit.points.weights
    gain = min(_gain(n, x, w), _gain(n, x, _growing(fit)))
    if gain < _GATE:
        reason = f"a straight line fits as well (a knee improves AICc by {gain:.1f}, {_GATE:g} is required)"
        return Knee(refuse(Reason.NO_KNEE, reason), {}, gain)
    candidates = _candidates(fit, _broken(n, x, w)[0])
    stated = sorted(answer.estimate.value for answer in candidates.values() if answer.estimate is not None)
    return Knee(_combined(stated, float(n[-1])), candidates, gain)


def _combined(stated: list[float], largest: float) -> Answer:
    if not stated:
        reason = f"the curve flattens, but its knee lies beyond the data, which end at {largest:.3g}"
        return refuse(Reason.OUT_OF_REACH, reason)
    if stated[-1] > _APART * stated[0]:
        reason = f"the methods disagree: estimates range from {stated[0]:.3g} to {stated[-1]:.3g}"
        return refuse(Reason.DISAGREEMENT, reason)
    return Answer(Estimate(float(np.median(stated)), stated[0], stated[-1]))


def _growing(fit: Fit) -> Floats:
    """Weights for noise that grows with the throughput."""
    fitted = fit.predict(fit.points.concurrency).throughput
    weights = fit.points.weights / np.maximum(fitted, 1e-3 * fitted.max()) ** 2
    return np.asarray(weights / weights.mean())


def _gain(n: Floats, x: Floats, w: Floats) -> float:
    """AICc of the line less that of the best model with a knee."""
    choice = choose(n[None], x[None], w[None])[0]
    points = np.array([float(len(n))])
    floor = 1e-18 * float(np.sum(w * x * x)) + 1e-300
    broken = float(aicc(np.maximum(np.array([_broken(n, x, w)[1]]), floor), points, 4)[0])
    line, *others = (candidate.aicc for candidate in choice.candidates)
    return line - min(broken, *others)


def _broken(n: Floats, x: Floats, w: Floats) -> tuple[Estimate | None, float]:
    """Two lines, the first through nothing, joined at a break: least squares over a grid of breaks."""
    if len(np.unique(n)) < 2 * _SIDE + 1:
        return None, np.inf
    levels = np.unique(n)
    grid = np.linspace(levels[_SIDE - 1], levels[-_SIDE], _BREAKS)
    near, beyond = np.minimum(n, grid[:, None]), np.maximum(n - grid[:, None], 0.0)
    aa, bb, ab = (near * near) @ w, (beyond * beyond) @ w, (near * beyond) @ w
    ax, bx = near @ (w * x), beyond @ (w * x)
    det = np.maximum(aa * bb - ab * ab, 1e-300)
    first, second = (ax * bb - bx * ab) / det, (bx * aa - ax * ab) / det
    squares = ((x - first[:, None] * near - second[:, None] * beyond) ** 2) @ w
    squares = np.where(second < first, squares, np.inf)
    at = int(np.argmin(squares))
    if not np.isfinite(squares[at]) or len(n) <= 4:
        return None, np.inf
    worst = squares[at] * (1.0 + float(fisher.ppf(0.95, 1, len(n) - 3)) / (len(n) - 3))
    inside = grid[squares <= worst]
    return Estimate(float(grid[at]), float(inside[0]), float(inside[-1])), float(squares[at])


def _candidates(fit: Fit, broken: Estimate | None) -> dict[str, Answer]:
    three = fit.coefficients
    assert three is not None
    low, high = float(fit.points.concurrency[0]), float(fit.points.concurrency[-1])
    grid = np.linspace(low, high, _GRID)
    fitted = curve.throughput(grid, *three)
    chord = fitted[0] + (fitted[-1] - fitted[0]) * (grid - low) / (high - low)
    bulge = (fitted - chord) / max(float(np.ptp(fitted)), 1e-300)
    answers = {
        "contention": _within(fit.knee, high),
        "break": _break(broken, low, high),
        # X / R = X^2 / N.
        "power": _inside(grid, fitted**2 / grid, "throughput / latency is largest"),
        "kneedle": _inside(grid, bulge, "the curve is farthest from its chord"),
    }
    if fit.capacity_limit is not None:
        # The law rounds off a sharp corner: its own landmarks are less precise than the corner itself.
        better = refuse(Reason.SMALLER_MODEL, "a capacity limit fits better")
        limit = fit.capacity_limit[0]
        answers = {name: answer if name == "break" else better for name, answer in answers.items()}
        answers["capacity"] = Answer(Estimate(limit, limit, limit))
    return answers


def _within(knee: Answer, high: float) -> Answer:
    if knee.estimate is not None and knee.estimate.value > high:
        return refuse(Reason.OUT_OF_REACH, f"1 / contention is {knee.estimate.value:.3g}, the data end at {high:.3g}")
    return knee


def _break(estimate: Estimate | None, low: float, high: float) -> Answer:
    if estimate is None:
        return refuse(Reason.NO_KNEE, "two joined lines do not flatten")
    if estimate.high - estimate.low > 0.5 * (high - low):
        where = f"from {estimate.low:.3g} to {estimate.high:.3g}"
        return refuse(Reason.NO_KNEE, f"two joined lines could meet anywhere {where}")
    return Answer(estimate)


def _inside(grid: Floats, height: Floats, what: str) -> Answer:
    at = int(np.argmax(height))
    if at in (0, len(grid) - 1):
        return refuse(Reason.OUT_OF_REACH, f"{what} at the end of the data ({grid[at]:.3g})")
    return Answer(Estimate(float(grid[at]), float(grid[at]), float(grid[at])))
