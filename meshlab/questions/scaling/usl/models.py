"""Four models of throughput against concurrency, and which one the data prefer.

* ``linear``: X = single N; nothing limits.
* ``capacity``: X = min(N, c) / S; at most c requests at once, S seconds each: a concurrency limit or worker pool.
* ``amdahl``: the Universal Scalability Law without coherency.
* ``usl``: the whole law.

They are ranked by the corrected Akaike criterion (C. Hurvich and C.-L. Tsai, Biometrika 76, 1989) for normal errors
with the spread estimated. Models within two units of the best cannot be distinguished (K. Burnham and D. Anderson,
"Model Selection and Multimodel Inference", 2002): the one with the fewest unknowns is then taken, and `Choice` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meshlab.questions.scaling.usl import solve

__all__ = ["MODELS", "Candidate", "Choice", "aicc", "capacity", "choose"]

Floats = NDArray[np.float64]

MODELS: Final = ("linear", "capacity", "amdahl", "usl")
# With the spread of the noise, which is estimated too.
_UNKNOWNS: Final = (2, 3, 3, 4)
_CLOSE: Final = 2.0
_COEFFICIENTS: Final = ("contention", "coherency", "single")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model as fitted."""

    name: str
    """One of `MODELS`."""
    parameters: Mapping[str, float]
    """``limit`` (requests at once) and ``seconds`` (each) for capacity, else contention, coherency, single."""
    aicc: float
    """Infinite when there are too few points for this model."""
    weight: float
    """Akaike weight: the relative support among the four."""
    squares: float
    """Weighted sum of squared residuals."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The four candidates in the order of `MODELS`, and the chosen one."""

    candidates: tuple[Candidate, ...]
    chosen: str
    rivals: tuple[str, ...]
    """Models that fit as well (within two units of AICc); empty when the choice is clear."""
    sentence: str

    def candidate(self, name: str) -> Candidate:
        """The candidate of this name."""
        return self.candidates[MODELS.index(name)]


def aicc(squares: Floats, points: Floats, unknowns: int) -> Floats:
    """AICc of a least squares fit; infinite when the points do not outnumber the unknowns by two."""
    room = points - unknowns - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        value = points * np.log(squares / points) + 2.0 * unknowns * points / room
    return np.where(room > 0, value, np.inf)


def capacity(n: Floats, x: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Fit X = min(N, c) / S exactly: between two neighbouring concurrencies the best c is in closed form.

    Parameters
    ----------
    n, x, w : ndarray of float64, shape (curves, points)
        As in `solve.usl`.

    Returns
    -------
    limit, seconds, squares : ndarray of float64, shape (curves,)
        The limit is never above the largest concurrency measured.
    """
    far = np.where(w > 0, n, np.inf)
    order = np.argsort(far, axis=1, kind="stable")
    n, x, w = (np.take_along_axis(values, order, 1) for values in (n, x, w))
    last = np.max(np.where(w > 0, n, 0.0), axis=1, keepdims=True)
    below, square = np.cumsum(w * n * x, 1), np.cumsum(w * n * n, 1)
    above = np.sum(w * x, 1, keepdims=True) - np.cumsum(w * x, 1)
    weight = np.maximum(np.sum(w, 1, keepdims=True) - np.cumsum(w, 1), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        best = above * square / (below * weight)
    low = np.where(w > 0, n, last)
    high = np.concatenate([low[:, 1:], last], axis=1)
    limit = np.clip(np.where(np.isfinite(best), best, high), low, high)
    top, bottom = below + limit * above, square + limit**2 * weight
    gain = np.where(w > 0, top**2 / bottom, -1.0)
    at = np.argmax(gain, axis=1)[:, None]
    c = np.take_along_axis(limit, at, 1)
    rate = np.take_along_axis(top / bottom, at, 1)
    squares = np.sum(w * (x - rate * np.minimum(n, c)) ** 2, 1)
    with np.errstate(divide="ignore"):
        return c[:, 0], (1.0 / rate)[:, 0], squares


def choose(n: Floats, x: Floats, w: Floats) -> tuple[Choice, ...]:
    """Fit all four models to each row and rank them.

    Parameters
    ----------
    n, x, w : ndarray of float64, shape (curves, points)
        As in `solve.usl`.

    Returns
    -------
    tuple of Choice
    """
    line, amdahl, whole = (fitted(n, x, w) for fitted in (solve.linear, solve.amdahl, solve.usl))
    limit, seconds, kinked = capacity(n, x, w)
    points = np.sum(w > 0, axis=1).astype(np.float64)
    # Data without noise would send every logarithm to its own minus infinity: rounding is the least noise there is.
    floor = 1e-18 * np.sum(w * x * x, 1) + 1e-300
    squares = np.stack([np.maximum(s, floor) for s in (line.squares, kinked, amdahl.squares, whole.squares)])
    score = np.stack([aicc(s, points, k) for s, k in zip(squares, _UNKNOWNS, strict=True)])
    parameters = [{name: getattr(curves, name) for name in _COEFFICIENTS} for curves in (line, amdahl, whole)]
    parameters.insert(1, {"limit": limit, "seconds": seconds})
    return tuple(
        _ranked(score[:, i], squares[:, i], [{name: float(v[i]) for name, v in model.items()} for model in parameters])
        for i in range(len(n))
    )


def _ranked(score: Floats, squares: Floats, parameters: list[dict[str, float]]) -> Choice:
    """One row's choice; the arguments are in the order of `MODELS`."""
    best = float(np.min(score))
    away = score - best if np.isfinite(best) else np.array([0.0, np.inf, np.inf, np.inf])
    weights = np.exp(-0.5 * away) / np.sum(np.exp(-0.5 * away))
    close = [k for k in range(len(MODELS)) if away[k] < _CLOSE]
    taken = min(close, key=lambda k: (_UNKNOWNS[k], away[k]))
    rivals = tuple(MODELS[k] for k in close if k != taken)
    candidates = tuple(
        Candidate(name, parameters[k], float(score[k]), float(weights[k]), float(squares[k]))
        for k, name in enumerate(MODELS)
    )
    sentence = f"the {MODELS[taken]} model fits best (Akaike weight {weights[taken]:.2f})"
    if rivals:
        sentence = f"the models {', '.join((MODELS[taken], *rivals))} fit equally well; the simplest is used"
    return Choice(candidates, MODELS[taken], rivals, sentence)
