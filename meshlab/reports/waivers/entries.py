"""``[[waiver]]`` of meshlab.toml: findings that somebody has accepted, until a day and for a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

from msgspec import Meta

from meshlab.config import Config
from meshlab.core.settings import Settings, convert
from meshlab.errors import ConfigError

__all__ = ["Waiver", "waivers"]

_TEXT: Final = Meta(pattern=r"\S", max_length=300, title="text of 1 to 300 characters")


class _Table(Settings):
    """A ``[[waiver]]`` table."""

    code: Annotated[str, Meta(pattern=r"^ML-[A-Z]{1,8}-\d{3}\Z", title="a finding's code", examples=["ML-SEC-002"])]
    subject: Annotated[str, _TEXT, Meta(examples=["*/shop/legacy"])]
    until: Annotated[Any, Meta(examples=["2027-01-31"])]
    reason: Annotated[str, _TEXT, Meta(examples=["what is done about it, and where"])]


@dataclass(frozen=True, slots=True)
class Waiver:
    """A finding that somebody has accepted."""

    code: str
    """The finding's."""
    subject: str
    """The finding's, or the report's; ``*`` stands for any text and ``?`` for any character."""
    ends: datetime
    """Aware; from then on it has no effect."""
    until: str
    """The same, as it was written: a day holds to its end."""
    reason: str
    """One line."""

    def holds(self, at: datetime) -> bool:
        """Whether it is in force at a moment."""
        return at < self.ends

    def covers(self, code: str, *subjects: str) -> bool:
        """Whether it covers a finding, by its code and any of its names."""
        # A bracket in a subject is a bracket: a class of characters would be matched by nobody's eye.
        pattern = self.subject.replace("[", "[[]")
        return code == self.code and any(fnmatchcase(name, pattern) for name in subjects)

    def __str__(self) -> str:
        return f"{self.code} on {self.subject}"


def family(code: str) -> str:
    """What the codes of one question begin with, such as ``ML-SEC``."""
    return code.rpartition("-")[0]


def waivers(config: Config) -> tuple[Waiver, ...]:
    """Every waiver of a configuration, in its order.

    Raises
    ------
    ConfigError
        A key is missing or not known, a code is none, or a time cannot be read.
    """
    return tuple(_waiver(table, number) for number, table in enumerate(config.waivers, 1))


def _waiver(table: Mapping[str, Any], number: int) -> Waiver:
    where = f"waiver {number} ({table.get('code', 'without a code')})"
    waiver = convert(_Table, table, what=where, error=ConfigError)
    ends, until = _until(waiver.until, where)
    return Waiver(waiver.code, waiver.subject.strip(), ends, until, waiver.reason.strip())


def _until(value: object, where: str) -> tuple[datetime, str]:
    """The moment from which on it has no effect, and how it is shown."""
    wrong = ConfigError(
        f"until of {where} is {str(value)!r}, neither a day nor a time with an offset",
        'write until = "2027-01-31", or "2027-01-31T12:00:00Z"',
    )
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == len("2027-01-31") else datetime.fromisoformat(value)
        except ValueError:
            raise wrong from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise wrong
        moment = value.astimezone(UTC)
        return moment, f"{moment:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, date):
        if value == date.max:
            raise wrong
        return datetime.combine(value, time(), UTC) + timedelta(days=1), value.isoformat()
    raise wrong


def of_family(known: Sequence[Waiver], codes: Sequence[str]) -> list[Waiver]:
    """Those that cover findings of the same question as some codes."""
    families = {family(code) for code in codes}
    return [waiver for waiver in known if family(waiver.code) in families]
