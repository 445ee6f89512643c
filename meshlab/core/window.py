"""Spans of time: what samples are asked for in, and with a step the grid that PromQL is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from meshlab.core.times import Moment, format_duration, format_instant, from_ms, parse_duration, parse_instant, to_ms
from meshlab.errors import ParameterError

__all__ = ["Span", "Window"]

_STEPS_MS: Final = tuple(1_000 * s for s in (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400))
_POINTS: Final = 400


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time, in UTC: for raw samples, and for whatever else needs no step.

    Parameters
    ----------
    start_ms, end_ms : int
        Unix milliseconds, `start_ms` < `end_ms`.

    Notes
    -----
    Raw samples belong to a span when start < time <= end, so that spans which touch share none.
    """

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.end_ms <= self.start_ms:
            raise ParameterError(
                f"the window ends at {format_instant(self.end_ms)}, which is not after its start at "
                f"{format_instant(self.start_ms)}",
                "choose an end after the start",
            )

    @classmethod
    def between(cls, start: datetime, end: datetime) -> Span:
        """The span between two moments (aware), in whole milliseconds."""
        return Span(to_ms(start), to_ms(end))

    @classmethod
    def parse(cls, start: Moment, end: Moment = "", *, now: datetime) -> Span:
        """Read a span as it is typed: two of `parse_instant`, an empty end means `now` (the engine's own time)."""
        last = now if isinstance(end, str) and not end else parse_instant(end, now, "end")
        return Span.between(parse_instant(start, now, "start"), last)

    @property
    def start(self) -> datetime:
        """Start, aware, UTC."""
        return from_ms(self.start_ms)

    @property
    def end(self) -> datetime:
        """End, aware, UTC."""
        return from_ms(self.end_ms)

    @property
    def duration_ms(self) -> int:
        """Length in milliseconds."""
        return self.end_ms - self.start_ms

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.duration_ms / 1000

    def with_lead(self, lead_ms: int) -> Span:
        """The same, begun earlier by so many milliseconds."""
        return Span(self.start_ms - lead_ms, self.end_ms)

    def last(self, length_ms: int) -> Span:
        """Its last so many milliseconds; all of it where it is shorter."""
        return Span(max(self.start_ms, self.end_ms - length_ms), self.end_ms)

    def __str__(self) -> str:
        return f"{format_instant(self.start_ms)} to {format_instant(self.end_ms)}"


@dataclass(frozen=True, slots=True)
class Window(Span):
    """A span on a grid: what a question is asked about. PromQL is evaluated at the grid's points.

    Parameters
    ----------
    start_ms, end_ms : int
        Unix milliseconds. Multiples of `step_ms`, `start_ms` < `end_ms`.
    step_ms : int
        Distance of the grid's points, in milliseconds.
    """

    step_ms: int

    def __post_init__(self) -> None:
        if self.step_ms <= 0:
            raise ParameterError("the window's step is not greater than zero", "try step=15s")
        if self.start_ms % self.step_ms or self.end_ms % self.step_ms:
            raise ParameterError("the window does not lie on its step's grid", "use Window.aligned or Window.parse")
        if self.end_ms <= self.start_ms:
            raise ParameterError(
                f"the window is empty: it starts at {format_instant(self.start_ms)} and ends at "
                f"{format_instant(self.end_ms)} on a grid of {format_duration(self.step_ms)}",
                "choose an end after the start, or a smaller step",
            )

    @classmethod
    def aligned(cls, start: datetime, end: datetime, step_ms: int = 0) -> Self:
        """Shrink a span to its step's grid: never a moment that was not asked for.

        Parameters
        ----------
        start, end : datetime
            Aware.
        step_ms : int
            Milliseconds; 0 chooses one that gives at most about 400 points, at least 5 s.
        """
        span = Span.between(start, end)
        step_ms = step_ms or next((s for s in _STEPS_MS if span.duration_ms / s <= _POINTS), 86_400_000)
        return cls(-(-span.start_ms // step_ms) * step_ms, span.end_ms // step_ms * step_ms, step_ms)

    @classmethod
    def parse(cls, start: Moment, end: Moment = "", step: str | timedelta = "", *, now: datetime) -> Self:
        """Read a window as it is typed.

        Parameters
        ----------
        start, end : str, float or datetime
            As `parse_instant` reads them; an empty end means `now`.
        step : str or timedelta
            A duration; empty chooses one by the window's length.
        now : datetime
            The engine's own time.

        Raises
        ------
        ParameterError
            Not a time, a time without an offset, or an end that is not after the start.
        """
        span = Span.parse(start, end, now=now)
        return cls.aligned(span.start, span.end, parse_duration(step) if step else 0)

    @property
    def points(self) -> int:
        """Number of grid points, both ends included."""
        return self.duration_ms // self.step_ms + 1

    def grid(self) -> NDArray[np.datetime64]:
        """The grid's points, both ends included; shape (points,), datetime64[ms]."""
        return np.arange(self.start_ms, self.end_ms + 1, self.step_ms, dtype=np.int64).astype("datetime64[ms]")

    def __str__(self) -> str:
        return f"{Span.__str__(self)}, step {format_duration(self.step_ms)}"
