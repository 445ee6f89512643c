"""``[[waiver]]`` of meshlab.toml: findings that somebody has decided to live with, until a day, for a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from meshlab.config import Config, known_keys
from meshlab.core.sanitize import plain
from meshlab.errors import ConfigError

__all__ = ["Waiver", "waivers"]

_KEYS: Final = ("code", "subject", "until", "reason")
_CODE: Final = re.compile(r"(ML-[A-Z]{1,8})-\d{3}")
_LONGEST: Final = 300
_EXAMPLES: Final = {
    "code": "ML-SEC-002",
    "subject": "*/shop/legacy",
    "until": "2027-01-31",
    "reason": "what is done about it, and where",
}


@dataclass(frozen=True, slots=True)
class Waiver:
    """A finding that somebody has decided to live with.

    Parameters
    ----------
    code : str
        The finding's.
    subject : str
        The finding's, or the report's; ``*`` stands for any text and ``?`` for any character.
    ends : datetime
        Aware; from then on it has no effect.
    until : str
        The same, as it was written: a day holds to its end.
    reason : str
        One line.
    """

    code: str
    subject: str
    ends: datetime
    until: str
    reason: str

    @property
    def family(self) -> str:
        """What the codes of one question begin with."""
        return family(self.code)

    def holds(self, at: datetime) -> bool:
        """Whether it has an effect at a moment."""
        return at < self.ends

    def covers(self, code: str, *subjects: str) -> bool:
        """Whether it speaks of a finding, by its code and any of its names."""
        # A bracket in a subject is a bracket: a class of characters would be matched by nobody's eye.
        pattern = self.subject.replace("[", "[[]")
        return code == self.code and any(fnmatchcase(name, pattern) for name in subjects)

    def __str__(self) -> str:
        return f"{self.code} on {self.subject}"


def family(code: str) -> str:
    """What the codes of one question begin with, such as ``ML-SEC``."""
    return code.rpartition("-")[0]


def waivers(told: Config) -> tuple[Waiver, ...]:
    """Every waiver of a configuration, in its order.

    Raises
    ------
    ConfigError
        A key is missing or not known, a code is none, or a time cannot be read.
    """
    return tuple(_waiver(table, number) for number, table in enumerate(told.waivers, 1))


def _waiver(table: Mapping[str, Any], number: int) -> Waiver:
    where = f"waiver {number} ({plain(table.get('code', 'without a code'))})"
    known_keys(table, _KEYS, where)
    for key in _KEYS:
        if key not in table or table[key] == "":
            raise ConfigError(f"{where} has no {key}", f'write {key} = "{_EXAMPLES[key]}"')
    texts = {key: _text(table[key], key, where) for key in ("code", "subject", "reason")}
    if not _CODE.fullmatch(texts["code"]):
        raise ConfigError(f"code of {where} is no finding's", 'write code = "ML-SEC-002": reports show the codes')
    ends, until = _until(table["until"], where)
    return Waiver(texts["code"], texts["subject"], ends, until, texts["reason"])


def _text(value: object, key: str, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{key} of {where} is no text", f'write {key} = "{_EXAMPLES[key]}"')
    if len(value) > _LONGEST:
        raise ConfigError(f"{key} of {where} has {len(value)} characters", f"say it in {_LONGEST}")
    return plain(value).strip()


def _until(value: object, where: str) -> tuple[datetime, str]:
    """The moment from which on it has no effect, and how it is told."""
    wrong = ConfigError(
        f"until of {where} is {plain(value)!r}, neither a day nor a time with an offset",
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
    """Those that speak of findings of the same question as some codes."""
    families = {family(code) for code in codes}
    return [waiver for waiver in known if waiver.family in families]
