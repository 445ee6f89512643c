"""Times as people's clocks show them, beside UTC."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["local"]

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


def local(text: str, tz: str) -> str:
    """The first two moments of a text in a time zone.

    Parameters
    ----------
    text : str
        With RFC 3339 times, such as a window in words.
    tz : str
        An IANA time zone; empty for none.

    Returns
    -------
    str
        Such as ``2026-11-24 13:00:00 to 14:00:00 CET``; empty where there is no zone, or no time.
    """
    moments = [datetime.fromisoformat(found) for found in _MOMENT.findall(text)[:2]] if tz else []
    told: list[str] = []
    before: datetime | None = None
    for moment in (one.astimezone(ZoneInfo(tz)) for one in moments):
        day = "" if before and before.date() == moment.date() else f"{moment:%Y-%m-%d} "
        # The zone's name tells summer from winter time: said once where both ends are the same.
        if told and before and before.tzname() == moment.tzname():
            told[-1] = told[-1].rpartition(" ")[0]
        told.append(f"{day}{moment:%H:%M:%S} {moment.tzname()}")
        before = moment
    return " to ".join(told)
