"""A cron expression in a time zone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from meshlab import config
from meshlab.errors import ConfigError

__all__ = ["Cron", "parse"]

_DAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_LOOKED_AT: Final = 500
_ANY_MOMENT: Final = datetime(2026, 1, 1)


@dataclass(frozen=True, slots=True)
class Cron:
    """When a report runs."""

    text: str
    """Five fields: minute, hour, day of the month, month, day of the week, as Debian's cron reads them."""
    zone: str = "UTC"
    """An IANA time zone, such as ``Europe/Berlin``."""

    def next_run(self, moment: datetime) -> datetime:
        """When it runs next after a moment, which is aware."""
        following: datetime = next(iter(CronSim(self.text, moment.astimezone(ZoneInfo(self.zone)))))
        return following

    def longest_gap(self, moment: datetime) -> timedelta:
        """The longest time between two runs that follow each other.

        Parameters
        ----------
        moment : datetime
            Aware. The next 500 runs after it are looked at.
        """
        runs = [moment, *islice(CronSim(self.text, moment.astimezone(ZoneInfo(self.zone))), _LOOKED_AT)]
        return max((b - a for a, b in pairwise(runs)), default=timedelta(days=1))

    def calendar(self) -> str:
        """The same as a calendar event of systemd (systemd.time(7)).

        Raises
        ------
        ConfigError
            It names days of the month and of the week, of which either is enough for cron and both are wanted by
            systemd; or it uses ``L`` or ``#``.
        """
        parsed = CronSim(self.text, _ANY_MOMENT)
        special = [day for day in (*parsed.days, *parsed.weekdays) if not isinstance(day, int) or day < 0]
        if special or not parsed.day_and:
            raise ConfigError(
                f"systemd cannot say {self.text!r}",
                "write days of the month or of the week, not both, nor L or #",
            )
        weekdays = sorted({int(day) % 7 for day in parsed.weekdays if isinstance(day, int)})
        days = [int(day) for day in parsed.days if isinstance(day, int)]
        dates = f"*-{_list(parsed.months, 12)}-{_list(days, 31)}"
        times = f"{_list(parsed.hours, 24)}:{_list(parsed.minutes, 60)}:00"
        named = "" if len(weekdays) == 7 else ",".join(_DAYS[day] for day in weekdays) + " "
        return f"{named}{dates} {times} {self.zone}"


def parse(text: str, zone: str, where: str) -> Cron:
    """Read a cron expression and a time zone.

    Parameters
    ----------
    where : str
        What holds them, for messages.

    Raises
    ------
    ConfigError
        Other than five fields, a value out of range, a date that never comes, or an unknown zone.
    """
    try:
        if len(text.split()) != 5:
            raise CronSimError("it does not have five fields")
        CronSim(text, _ANY_MOMENT)
    except CronSimError as error:
        reason = str(error) or "it is not a cron expression"
        raise ConfigError(
            f"cron of {where} is {text!r}: {reason}", 'write five fields, such as cron = "*/15 * * * *"'
        ) from None
    return Cron(" ".join(text.split()), config.zone(zone, where))


def _list(values: Iterable[int], count: int) -> str:
    known = sorted(values)
    return "*" if len(known) == count else ",".join(f"{value:02d}" for value in known)
