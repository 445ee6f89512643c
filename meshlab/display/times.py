"""How times are written: for people in UTC, and beside it as their own clocks show them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from meshlab.display.numbers import duration

__all__ = ["moment", "moments", "span", "window"]

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_DAY: Final = "%-d %b %Y"


def moments(text: str) -> list[datetime]:
    """The RFC 3339 times that a text holds, in its order; those of no calendar are left out."""
    found = []
    for match in _RFC_3339.findall(text):
        try:
            found.append(datetime.fromisoformat(match))
        except ValueError:
            continue
    return found


def moment(time: datetime, tz: str = "") -> str:
    """One time: ``23 Nov 2026, 13:19:05 UTC``.

    Parameters
    ----------
    time : datetime
        Aware.
    tz : str
        An IANA time zone; empty for UTC.
    """
    there = time.astimezone(ZoneInfo(tz) if tz else UTC)
    return f"{there:{_DAY}}, {_clock(there)} {there.tzname()}"


def span(start: datetime, end: datetime, tz: str = "", *, length: bool = True) -> str:
    """From one time to another: ``23 Nov 2026, 13:19-13:29 UTC (10 min)``.

    Parameters
    ----------
    start, end : datetime
        Aware.
    tz : str
        An IANA time zone; empty for UTC.
    length : bool
        Whether the length stands behind it.
    """
    zone = ZoneInfo(tz) if tz else UTC
    first, last = start.astimezone(zone), end.astimezone(zone)
    # The zone's name tells summer from winter time: it stands once where both ends have the same.
    name = "" if first.tzname() == last.tzname() else f" {first.tzname()}"
    day = "" if first.date() == last.date() else f"{last:{_DAY}}, "
    dash = "-" if not day and not name else " - "
    text = f"{first:{_DAY}}, {_clock(first)}{name}{dash}{day}{_clock(last)} {last.tzname()}"
    return f"{text} ({duration((end - start).total_seconds())})" if length else text


def window(text: str, tz: str = "", *, length: bool = True) -> str:
    """The window that a stored result names, for people; the text itself where it holds no two times."""
    found = moments(text)[:2]
    return span(found[0], found[1], tz, length=length) if len(found) == 2 else text


def _clock(time: datetime) -> str:
    """Hours and minutes, and seconds where there are some."""
    if time.microsecond:
        return f"{time:%H:%M:%S.%f}".rstrip("0")
    return f"{time:%H:%M:%S}" if time.second else f"{time:%H:%M}"
