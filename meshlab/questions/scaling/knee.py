"""Where a curve bends, stated only when it bends and the ways to look for it agree.

Gate
----
A model that bends (Amdahl, the whole law, a capacity limit, two joined lines) must beat the straight line by 6 units of
AICc, under noise that is the same everywhere and under noise that grows with the throughput: of two suppositions that
the data cannot tell apart, the more doubtful one counts.

Candidates
----------
* ``contention``: 1 / contention of the fitted law; from here on most of an added request waits.
* ``break``: where two joined lines meet, with the interval of all breaks whose squares are not worse (an F test).
* ``power``: largest throughput / latency on the fitted curve (L. Kleinrock's power, ICC 1979).
* ``kneedle``: farthest from the chord, on the fitted curve and never on the points: there it finds a knee in any noise
  (V. Satopaa et al., "Finding a Kneedle in a Haystack", ICDCSW 2011).
* ``capacity``: the places of min(N, c) / S, when that is the model the data prefer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as fisher

from meshlab.questions.scaling.usl import Answer, Estimate, Fit, Reason, Refusal, curve
from meshlab.questions.scaling.usl.models import aicc, choose

__all__ = ["Candidate", "Knee", "find"]

Floats = NDArray[np.float64]

_GATE: Final = 6.0
_APART: Final = 2.0
_GRID: Final = 400
_BREAKS: Final = 200
# A break that leaves less than two points on a side is drawn by one point.
_SIDE: Final = 2
_UNFIT: Final = frozenset(
    {Reason.NO_DATA, Reason.ONE_LEVEL, Reason.FEW_LEVELS, Reason.NARROW_RANGE, Reason.SUPERLINEAR, Reason.THROTTLED}
    | {Reason.REPLICAS_CHANGED, Reason.ERRORS, Reason.LITTLE_MISMATCH, Reason.HYSTERESIS}
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to find the knee, and what it found or why it did not."""

    name: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Knee:
    """The knee as a range.

    Attributes
    ----------
    answer : Answer
        Value: the middle one of the candidates; low and high: the lowest and highest of them. A refusal when nothing
        bends, or when the candidates are more than a factor of two apart.
    candidates : tuple of Candidate
        In the order above; empty when the gate is shut.
    gain : float
        By how much AICc prefers the best bending model to the line, under the more doubtful noise.
    """

    answer: Answer
    candidates: tuple[Candidate, ...]
    gain: float


def find(fit: Fit) -> Knee:
    """Look for the knee of a fitted curve.

    Parameters
    ----------
    fit : Fit
        What `usl.fit`, `usl.fit_samples` or `usl.fit_many` answered.

    Returns
    -------
    Knee
    """
    for refusal in fit.refusals:
        if fit.coefficients is None or refusal.reason in _UNFIT:
            return Knee(Answer(refusal=refusal), (), 0.0)
    n, x = fit.concurrency, fit.throughput
    broken = _broken(n, x, fit.weights)
    gain = min(_gain(n, x, fit.weights), _gain(n, x, _growing(fit)))
    if gain < _GATE:
        said = f"a straight line describes the data as well (a bend gains {gain:.1f} of AICc, {_GATE:g} are needed)"
        return Knee(Answer(refusal=Refusal(Reason.NO_BEND, said)), (), gain)
    candidates = _candidates(fit, broken)
    stated = sorted(one.answer.estimate.value for one in candidates if one.answer.estimate is not None)
    return Knee(_joined(stated, float(n[-1])), candidates, gain)


def _joined(stated: list[float], largest: float) -> Answer:
    if not stated:
        return _no(
            Reason.OUT_OF_REACH, f"the curve bends, but no knee lies within the data, which end at {largest:.3g}"
        )
    if stated[-1] > _APART * stated[0]:
        said = f"no single knee: the candidates lie from {stated[0]:.3g} to {stated[-1]:.3g}"
        return _no(Reason.DISAGREEMENT, said)
    return Answer(Estimate(float(np.median(stated)), stated[0], stated[-1]))


def _growing(fit: Fit) -> Floats:
    """Weights for noise that grows with the throughput."""
    fitted = fit.predict(fit.concurrency).throughput
    weights = fit.weights / np.maximum(fitted, 1e-3 * fitted.max()) ** 2
    return np.asarray(weights / weights.mean())


def _gain(n: Floats, x: Floats, w: Floats) -> float:
    """AICc of the line less that of the best model that bends."""
    choice = choose(n[None], x[None], w[None])[0]
    points = np.array([float(len(n))])
    floor = 1e-18 * float(np.sum(w * x * x)) + 1e-300
    two = float(aicc(np.maximum(np.array([_broken(n, x, w)[1]]), floor), points, 4)[0])
    return choice.candidate("linear").aicc - min(
        two, *(choice.candidate(m).aicc for m in ("capacity", "amdahl", "usl"))
    )


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


def _candidates(fit: Fit, broken: tuple[Estimate | None, float]) -> tuple[Candidate, ...]:
    three = fit.coefficients
    assert three is not None
    low, high = float(fit.concurrency[0]), float(fit.concurrency[-1])
    grid = np.linspace(low, high, _GRID)
    fitted = curve.throughput(grid, *three)
    found = [Candidate("contention", _within(fit.knee, high)), Candidate("break", _break(broken[0], low, high))]
    # X / R = X^2 / N.
    found.append(Candidate("power", _inside(grid, fitted**2 / grid, "throughput / latency is largest")))
    chord = fitted[0] + (fitted[-1] - fitted[0]) * (grid - low) / (high - low)
    size = max(float(np.ptp(fitted)), 1e-300)
    found.append(Candidate("kneedle", _inside(grid, (fitted - chord) / size, "the curve is farthest from its chord")))
    if fit.choice is not None and fit.choice.chosen == "capacity":
        places = dict(fit.choice.candidate("capacity").parameters)["places"]
        value = Estimate(places, places, places)
        # The law rounds off a sharp corner: its own marks say less than the corner itself.
        return (
            *(
                Candidate(c.name, _no(Reason.SMALLER_MODEL, "a capacity limit describes the data better"))
                if c.name != "break"
                else c
                for c in found
            ),
            Candidate("capacity", Answer(value)),
        )
    return tuple(found)


def _within(knee: Answer, high: float) -> Answer:
    if knee.estimate is not None and knee.estimate.value > high:
        return _no(Reason.OUT_OF_REACH, f"1 / contention is {knee.estimate.value:.3g}, the data end at {high:.3g}")
    return knee


def _break(found: Estimate | None, low: float, high: float) -> Answer:
    if found is None:
        return _no(Reason.NO_BEND, "two joined lines do not bend downwards")
    if found.high - found.low > 0.5 * (high - low):
        return _no(Reason.NO_BEND, f"two joined lines could meet anywhere from {found.low:.3g} to {found.high:.3g}")
    return Answer(found)


def _inside(grid: Floats, height: Floats, what: str) -> Answer:
    at = int(np.argmax(height))
    if at in (0, len(grid) - 1):
        return _no(Reason.OUT_OF_REACH, f"{what} at the end of the data ({grid[at]:.3g})")
    return Answer(Estimate(float(grid[at]), float(grid[at]), float(grid[at])))


def _no(reason: Reason, sentence: str) -> Answer:
    return Answer(refusal=Refusal(reason, sentence))
