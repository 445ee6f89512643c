"""A span of time on a grid: what every question is asked about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meshlab.errors import ParameterError

__all__ = ["Window", "format_duration", "parse_duration", "parse_instant"]

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION: Final = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNIX: Final = re.compile(r"\d{9,11}(\.\d+)?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS_MS: Final = tuple(1_000 * s for s in (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400))
_POINTS: Final = 400


def parse_duration(text: str) -> int:
    """Read a duration in Prometheus's notation (``90s``, ``1h30m``, ``250ms``).

    Returns
    -------
    int
        Milliseconds, greater than zero.

    Raises
    ------
    ParameterError
        The text is no duration, or is zero.
    """
    match = _DURATION.fullmatch(text.strip())
    parts = match.groups() if match else ()
    units = ("w", "d", "h", "m", "s", "ms")
    total = sum(int(n) * _UNITS_MS[u] for n, u in zip(parts, units, strict=False) if n)
    if total <= 0:
        raise ParameterError(f"{text!r} is no duration", "write a number and a unit, such as 30s, 5m or 1h30m")
    return total


def format_duration(milliseconds: int) -> str:
    """Write a duration in Prometheus's notation, in the largest unit that divides it.

    Parameters
    ----------
    milliseconds : int
        Greater than or equal to zero.
    """
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % _UNITS_MS[unit] == 0:
            return f"{milliseconds // _UNITS_MS[unit]}{unit}"
    return f"{milliseconds}ms"


def parse_instant(text: str, now: datetime, name: str = "time") -> datetime:
    """Read an instant: RFC 3339 with an offset, unix seconds, ``now``, or ``-1h`` (before `now`).

    Parameters
    ----------
    text : str
        What was typed.
    now : datetime
        The engine's own time (aware); meshlab never reads another clock.
    name : str
        The parameter's name, for the message.

    Raises
    ------
    ParameterError
        The text is none of these, or is a time without an offset.
    """
    text = text.strip()
    if text == "now":
        return now
    if text.startswith("-"):
        return now - timedelta(milliseconds=parse_duration(text[1:]))
    if _UNIX.fullmatch(text):
        return _EPOCH + timedelta(milliseconds=round(float(text) * 1000))
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ParameterError(
            f"{name} {text!r} is no time",
            "write RFC 3339 with an offset (2026-01-31T12:00:00Z), unix seconds, or -1h",
        ) from None
    if instant.tzinfo is None:
        raise ParameterError(f"{name} {text!r} has no time zone", f"add an offset, such as {text}Z or {text}+01:00")
    return instant.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, aligned to its step, in UTC.

    Parameters
    ----------
    start_ms, end_ms : int
        Unix milliseconds. Multiples of `step_ms`, `start_ms` < `end_ms`.
    step_ms : int
        Distance of the grid's points, in milliseconds.

    Notes
    -----
    Raw samples belong to a window when start < time <= end, so that windows which touch share none.
    """

    start_ms: int
    end_ms: int
    step_ms: int

    def __post_init__(self) -> None:
        if self.step_ms <= 0:
            raise ParameterError("the window's step is not greater than zero", "try step=15s")
        if self.start_ms % self.step_ms or self.end_ms % self.step_ms:
            raise ParameterError("the window does not lie on its step's grid", "use Window.aligned or Window.parse")
        if self.end_ms <= self.start_ms:
            raise ParameterError(
                f"the window is empty: it starts at {_iso(self.start_ms)} and ends at {_iso(self.end_ms)}"
                f" on a grid of {format_duration(self.step_ms)}",
                "choose an end after the start, or a smaller step",
            )

    @classmethod
    def aligned(cls, start: datetime, end: datetime, step_ms: int = 0) -> Window:
        """Shrink a span to its step's grid: never a moment that was not asked for.

        Parameters
        ----------
        start, end : datetime
            Aware.
        step_ms : int
            Milliseconds; 0 chooses one that gives at most about 400 points, at least 5 s.
        """
        start_ms, end_ms = _ms(start), _ms(end)
        if end_ms <= start_ms:
            raise ParameterError(
                f"the window ends at {_iso(end_ms)}, which is not after its start at {_iso(start_ms)}",
                "choose an end after the start",
            )
        step_ms = step_ms or next((s for s in _STEPS_MS if (end_ms - start_ms) / s <= _POINTS), 86_400_000)
        return cls(-(-start_ms // step_ms) * step_ms, end_ms // step_ms * step_ms, step_ms)

    @classmethod
    def parse(cls, start: str, end: str = "", step: str = "", *, now: datetime) -> Window:
        """Read a window as it is typed.

        Parameters
        ----------
        start, end : str
            RFC 3339 with an offset, unix seconds, ``now`` or ``-1h``; an empty end means `now`.
        step : str
            A duration; empty chooses one by the window's length.
        now : datetime
            The engine's own time.

        Raises
        ------
        ParameterError
            Not a time, a time without an offset, or an end that is not after the start.
        """
        first = parse_instant(start, now, "start")
        last = parse_instant(end, now, "end") if end else now
        return cls.aligned(first, last, parse_duration(step) if step else 0)

    @property
    def start(self) -> datetime:
        """Start, aware, UTC."""
        return _EPOCH + timedelta(milliseconds=self.start_ms)

    @property
    def end(self) -> datetime:
        """End, aware, UTC."""
        return _EPOCH + timedelta(milliseconds=self.end_ms)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return (self.end_ms - self.start_ms) / 1000

    @property
    def points(self) -> int:
        """Number of grid points, both ends included."""
        return (self.end_ms - self.start_ms) // self.step_ms + 1

    def grid(self) -> NDArray[np.datetime64]:
        """The grid's points, both ends included; shape (points,), datetime64[ms]."""
        return np.arange(self.start_ms, self.end_ms + 1, self.step_ms, dtype=np.int64).astype("datetime64[ms]")

    def with_step(self, step_ms: int) -> Window:
        """The part of this window that lies on another step's grid."""
        return Window.aligned(self.start, self.end, step_ms)

    def with_lead(self, lead_ms: int) -> Window:
        """This window, begun earlier by at least that many milliseconds."""
        return Window(self.start_ms - -(-lead_ms // self.step_ms) * self.step_ms, self.end_ms, self.step_ms)

    def __str__(self) -> str:
        return f"{_iso(self.start_ms)} to {_iso(self.end_ms)}, step {format_duration(self.step_ms)}"


def _ms(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise ParameterError(f"{instant} has no time zone", "give an aware datetime")
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _iso(milliseconds: int) -> str:
    text = (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")
    return text.replace(".000", "").replace("+00:00", "Z")
