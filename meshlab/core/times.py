"""Times and durations as people write them: one parser for all of meshlab."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from numbers import Real
from typing import Final

from meshlab.errors import ParameterError

__all__ = [
    "EPOCH",
    "Moment",
    "format_duration",
    "format_instant",
    "from_ms",
    "parse_duration",
    "parse_instant",
    "to_ms",
]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Moment = str | float | datetime
"""How an instant may be given: text, unix seconds, or an aware datetime (such as a pandas Timestamp)."""

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION: Final = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNIX: Final = re.compile(r"\d{9,11}(\.\d+)?")
_HINT: Final = "write RFC 3339 with an offset (2026-01-31T12:00:00Z), unix seconds, or -1h"


def parse_duration(given: str | timedelta) -> int:
    """Read a duration in Prometheus's notation (``90s``, ``1h30m``, ``250ms``).

    Returns
    -------
    int
        Milliseconds, greater than zero.

    Raises
    ------
    ParameterError
        It is no duration, or is not greater than zero.
    """
    if isinstance(given, timedelta):
        given = f"{round(given / timedelta(milliseconds=1))}ms"
    match = _DURATION.fullmatch(given.strip()) if isinstance(given, str) else None
    parts = match.groups() if match else ()
    units = ("w", "d", "h", "m", "s", "ms")
    total = sum(int(n) * _UNITS_MS[u] for n, u in zip(parts, units, strict=False) if n)
    if total <= 0:
        raise ParameterError(f"{given!r} is no duration", "write a number and a unit, such as 30s, 5m or 1h30m")
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


def parse_instant(given: Moment, now: datetime, name: str = "time") -> datetime:
    """Read an instant: RFC 3339 with an offset, unix seconds, ``now``, ``-1h`` (before `now`), or an aware datetime.

    Parameters
    ----------
    given : str, float or datetime
        What was typed, unix seconds as a number, or a datetime of which a pandas Timestamp is one.
    now : datetime
        The engine's own time (aware); meshlab never reads another clock.
    name : str
        The parameter's name, for the message.

    Returns
    -------
    datetime
        UTC, in whole milliseconds where it was not typed otherwise.

    Raises
    ------
    ParameterError
        It is none of these, or is a time without an offset.
    """
    try:
        if isinstance(given, datetime):
            return _aware(given, name)
        text: object = f"{given}" if _is_number(given) else given
        if not isinstance(text, str):
            raise ParameterError(f"{name} is the {type(given).__name__} {given!r}, which is no time", _HINT)
        text = text.strip()
        if text == "now":
            return now
        if text.startswith("-"):
            return now - timedelta(milliseconds=parse_duration(text[1:]))
        if _UNIX.fullmatch(text):
            return from_ms(round(float(text) * 1000))
        return _aware(datetime.fromisoformat(text), name)
    except (ValueError, OverflowError):
        raise ParameterError(f"{name} {given!r} is no time", _HINT) from None


def format_instant(milliseconds: int) -> str:
    """Unix milliseconds in RFC 3339, UTC."""
    text = from_ms(milliseconds).isoformat(timespec="milliseconds")
    return text.replace(".000", "").replace("+00:00", "Z")


def from_ms(milliseconds: int) -> datetime:
    """Unix milliseconds as a datetime, aware, UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def to_ms(instant: datetime) -> int:
    """An aware datetime in unix milliseconds.

    Raises
    ------
    ParameterError
        It has no time zone.
    """
    return (_aware(instant, "time") - EPOCH) // timedelta(milliseconds=1)


def _is_number(given: object) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool)


def _aware(instant: datetime, name: str) -> datetime:
    if instant.tzinfo is None:
        raise ParameterError(
            f"{name} {str(instant)!r} has no time zone", f"add an offset, such as {instant}Z or {instant}+01:00"
        )
    return instant.astimezone(UTC)
