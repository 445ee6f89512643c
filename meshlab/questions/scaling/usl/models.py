"""Four models of throughput against concurrency, and which one the data prefer.

* ``linear``: X = single N; nothing limits.
* ``capacity``: X = min(N, c) / S; c places that each take S seconds, as a concurrency limit or a pool of workers does.
* ``amdahl``: the Universal Scalability Law without coherency.
* ``usl``: the whole law.

They are ranked by the corrected Akaike criterion (C. Hurvich and C.-L. Tsai, Biometrika 76, 1989) for normal errors
with the spread estimated. Models within two units of the best are told apart by nobody (K. Burnham and D. Anderson,
"Model Selection and Multimodel Inference", 2002): the one with the fewest unknowns is then taken, and `Choice` says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model as fitted.

    Attributes
    ----------
    name : str
        One of `MODELS`.
    parameters : tuple of (str, float)
        ``places`` and ``seconds`` (of one place, 1 / X a request) for capacity, else contention, coherency, single.
    aicc : float
        Infinite when there are too few points for this model.
    weight : float
        Akaike weight: the share of belief among the four.
    squares : float
        Weighted sum of squared residuals.
    """

    name: str
    parameters: tuple[tuple[str, float], ...]
    aicc: float
    weight: float
    squares: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The four candidates in the order of `MODELS`, and the chosen one.

    Attributes
    ----------
    chosen : str
    rivals : tuple of str
        Models that describe the data as well (within two units of AICc); empty when the choice is clear.
    sentence : str
    """

    candidates: tuple[Candidate, ...]
    chosen: str
    rivals: tuple[str, ...]
    sentence: str

    @property
    def clear(self) -> bool:
        """Whether no other model is as good."""
        return not self.rivals

    def scaled(self, factor: float) -> Choice:
        """The same choice for throughputs this many times as large."""
        return replace(self, candidates=tuple(_rescaled(one, factor) for one in self.candidates))

    def candidate(self, name: str) -> Candidate:
        """The candidate of this name."""
        return self.candidates[MODELS.index(name)]


def _rescaled(one: Candidate, factor: float) -> Candidate:
    change = {"single": factor, "seconds": 1.0 / factor}
    parameters = tuple((name, value * change.get(name, 1.0)) for name, value in one.parameters)
    return replace(one, parameters=parameters, squares=one.squares * factor**2)


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
    places, seconds, squares : ndarray of float64, shape (curves,)
        c is never beyond the largest concurrency: more was not seen.
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
    places = np.clip(np.where(np.isfinite(best), best, high), low, high)
    top, bottom = below + places * above, square + places**2 * weight
    gain = np.where(w > 0, top**2 / bottom, -1.0)
    at = np.argmax(gain, axis=1)[:, None]
    c = np.take_along_axis(places, at, 1)
    rate = np.take_along_axis(top / bottom, at, 1)
    squares = np.sum(w * (x - rate * np.minimum(n, c)) ** 2, 1)
    with np.errstate(divide="ignore"):
        return c[:, 0], (1.0 / rate)[:, 0], squares


def choose(n: Floats, x: Floats, w: Floats, whole: solve.Curves | None = None) -> tuple[Choice, ...]:
    """Fit all four models to each row and rank them.

    Parameters
    ----------
    n, x, w : ndarray of float64, shape (curves, points)
        As in `solve.usl`.
    whole : Curves, optional
        The law as already fitted.

    Returns
    -------
    tuple of Choice
    """
    whole = whole or solve.usl(n, x, w)
    line, bent = solve.linear(n, x, w), solve.amdahl(n, x, w)
    places, seconds, kinked = capacity(n, x, w)
    points = np.sum(w > 0, axis=1).astype(np.float64)
    # Data without noise would send every logarithm to its own minus infinity: rounding is the least noise there is.
    floor = 1e-18 * np.sum(w * x * x, 1) + 1e-300
    squares = np.stack([np.maximum(s, floor) for s in (line.squares, kinked, bent.squares, whole.squares)])
    score = np.stack([aicc(s, points, k) for s, k in zip(squares, _UNKNOWNS, strict=True)])
    return tuple(_one(i, score[:, i], squares[:, i], line, bent, whole, places, seconds) for i in range(len(n)))


def _one(
    i: int,
    score: Floats,
    squares: Floats,
    line: solve.Curves,
    bent: solve.Curves,
    whole: solve.Curves,
    places: Floats,
    seconds: Floats,
) -> Choice:
    best = float(np.min(score))
    away = score - best if np.isfinite(best) else np.array([0.0, np.inf, np.inf, np.inf])
    weights = np.exp(-0.5 * away) / np.sum(np.exp(-0.5 * away))
    close = [k for k in range(len(MODELS)) if away[k] < _CLOSE]
    taken = min(close, key=lambda k: (_UNKNOWNS[k], away[k]))
    rivals = tuple(MODELS[k] for k in close if k != taken)
    parameters = [
        tuple((name, float(getattr(curves, name)[i])) for name in ("contention", "coherency", "single"))
        for curves in (line, bent, whole)
    ]
    parameters.insert(1, (("places", float(places[i])), ("seconds", float(seconds[i]))))
    candidates = tuple(
        Candidate(MODELS[k], parameters[k], float(score[k]), float(weights[k]), float(squares[k]))
        for k in range(len(MODELS))
    )
    said = f"{MODELS[taken]} describes the data best (Akaike weight {weights[taken]:.2f})"
    if rivals:
        said = f"none of {', '.join((MODELS[taken], *rivals))} is better than the other; the simplest is taken"
    return Choice(candidates, MODELS[taken], rivals, said)
