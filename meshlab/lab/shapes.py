"""The rate of the load over time, and the moments at which requests are sent.

Arrivals are a Poisson process whose rate changes: those of a process with rate one, set to the times at which the
integral of the rate reaches them (Çinlar's method). The same seed gives the same arrivals under every shape, only
closer together or wider apart.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from meshlab.lab.specs.load import Form, Shape

__all__ = ["Rate", "arrivals"]

_STEPS: Final = 64
_LOWEST_PER_S: Final = 1e-9


@dataclass(frozen=True, slots=True)
class _Piece:
    """A straight line: the rate at its begin, and its change a second."""

    start_s: float
    per_s: float
    slope: float


class Rate:
    """A rate over time, made of straight lines; a wave is cut into many.

    Parameters
    ----------
    base_per_s : float
        Requests a second before the first shape.
    shapes : sequence of Shape
        In the order of their start.
    until_s : float
        How far waves are drawn; after it the rate stays.
    """

    def __init__(self, base_per_s: float, shapes: Sequence[Shape], until_s: float) -> None:
        plain = [shape for shape in shapes if shape.form is not Form.WAVE]
        waves = [shape for shape in shapes if shape.form is Form.WAVE]
        edges = {0.0}
        for shape in plain:
            edges |= {shape.start_s, shape.end_s}
        for wave in waves:
            step = wave.period_s / _STEPS
            edges |= {wave.start_s + step * number for number in range(math.ceil((until_s - wave.start_s) / step) + 1)}

        def without_waves(at_s: float) -> float:
            return _plain(base_per_s, plain, at_s)

        times = sorted(edge for edge in edges if edge >= 0)
        self._pieces = [_piece(begin, end, without_waves, waves) for begin, end in pairwise([*times, times[-1] + 1.0])]
        last = self._pieces[-1]
        self._pieces[-1] = _Piece(last.start_s, last.per_s, 0.0)
        areas = (
            (piece.per_s + piece.slope * (after.start_s - piece.start_s) / 2) * (after.start_s - piece.start_s)
            for piece, after in pairwise(self._pieces)
        )
        self._areas = [0.0, *accumulate(areas)]
        self._starts = [piece.start_s for piece in self._pieces]

    def at(self, at_s: float) -> float:
        """Requests a second at a moment, which is not before 0."""
        piece = self._pieces[max(0, bisect_right(self._starts, at_s) - 1)]
        return max(0.0, piece.per_s + piece.slope * (at_s - piece.start_s))

    def expected(self, at_s: float) -> float:
        """Requests expected from 0 to a moment."""
        number = max(0, bisect_right(self._starts, at_s) - 1)
        piece, passed = self._pieces[number], at_s - self._pieces[number].start_s
        return self._areas[number] + (piece.per_s + piece.slope * passed / 2) * passed

    def when(self, requests: float) -> float:
        """The moment at which so many are expected: the inverse of `expected`."""
        number = min(bisect_right(self._areas, requests) - 1, len(self._pieces) - 1)
        piece, left = self._pieces[number], requests - self._areas[number]
        if abs(piece.slope) < _LOWEST_PER_S:
            return piece.start_s + left / max(piece.per_s, _LOWEST_PER_S)
        # The positive root of slope/2 t^2 + rate t = left, in the form that loses no digits.
        root = math.sqrt(max(piece.per_s**2 + 2 * piece.slope * left, 0.0))
        return piece.start_s + 2 * left / max(piece.per_s + root, _LOWEST_PER_S)


def arrivals(when: Callable[[float], float], stream: random.Random) -> Iterator[float]:
    """The endless times of a Poisson process, in seconds.

    Parameters
    ----------
    when : callable
        The time at which so many requests are expected; ``Rate.when``.
    stream : random.Random
        The same seed gives the same process, however fast it is used.
    """
    expected = 0.0
    while True:
        expected += stream.expovariate(1.0)
        yield when(expected)


def _piece(begin_s: float, end_s: float, plain: Callable[[float], float], waves: Sequence[Shape]) -> _Piece:
    # Just inside of the piece: at its ends the rate may jump.
    inside = (end_s - begin_s) * 1e-9
    first, last = (
        plain(at_s) * math.prod(_swing(wave, at_s) for wave in waves) for at_s in (begin_s + inside, end_s - inside)
    )
    return _Piece(begin_s, first, (last - first) / (end_s - begin_s))


def _plain(base_per_s: float, shapes: Sequence[Shape], at_s: float) -> float:
    """The rate without waves."""
    per_s = base_per_s
    for shape in shapes:
        if at_s < shape.start_s:
            break
        target_per_s = shape.rate_per_s or 0.0
        if shape.form is Form.STEP or (shape.form is Form.RAMP and at_s >= shape.end_s):
            per_s = target_per_s
        elif shape.form is Form.RAMP:
            per_s += (target_per_s - per_s) * (at_s - shape.start_s) / (shape.end_s - shape.start_s)
        elif at_s < shape.end_s:
            return target_per_s
    return per_s


def _swing(wave: Shape, at_s: float) -> float:
    if at_s < wave.start_s:
        return 1.0
    return 1.0 + wave.amplitude * math.sin(2 * math.pi * (at_s - wave.start_s) / wave.period_s)
