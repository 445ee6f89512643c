"""Reading a TOML table so that every key is checked and every mistake is named."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

from meshlab.errors import ParameterError

__all__ = ["Table", "nearest", "unknown"]

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint with the names that come closest, else all of them."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"valid: {', '.join(names)}" if names else "there is none"


def unknown(kind: str, name: str, valid: Iterable[str]) -> ParameterError:
    """The error for a name that does not exist, with the nearest that do."""
    return ParameterError(f"there is no {kind} {name!r}", nearest(name, valid))


class Table:
    """One table of a TOML document; whoever reads it asks for its keys one by one, then calls `close`.

    Parameters
    ----------
    data : object
        What the TOML parser gave; anything but a table is refused.
    where : str
        The table's dotted path, for messages; "" for the document itself.

    Raises
    ------
    ParameterError
        From every method: a key that is missing, of a wrong type or out of range, named with its path.
    """

    def __init__(self, data: object, where: str = "") -> None:
        if not isinstance(data, Mapping):
            raise ParameterError(f"{where} is {_described(data)}, not a table", f"write [{where}]")
        self._data: Mapping[str, object] = data
        self._where = where
        self._asked: set[str] = set()

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "a string")
        return value

    def name(self, key: str, default: str | None = None) -> str:
        """A name that can stand in a host name: small letters, digits and inner hyphens."""
        value = self.text(key, default)
        if not _NAME.fullmatch(value):
            raise self._wrong(key, value, "a name of small letters, digits and hyphens")
        return value

    def names(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty when absent."""
        value = self._get(key, ())
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, value, "a list of strings")
        return tuple(value)

    def number(
        self,
        key: str,
        default: float | None = None,
        *,
        least: float = 0.0,
        most: float = math.inf,
        above: float = -math.inf,
    ) -> float:
        """A number within [least, most] and greater than `above`; an integer is taken as one."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._wrong(key, value, "a number")
        if not (least <= value <= most and value > above):
            low = f"greater than {above:g}" if above >= least else f"at least {least:g}"
            raise self._wrong(key, value, f"a number {low}" + (f" and at most {most:g}" if most < math.inf else ""))
        return float(value)

    def integer(self, key: str, default: int | None = None, *, least: int = 0, most: int = 2**53) -> int:
        """A whole number within [least, most]."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._wrong(key, value, f"a whole number from {least} to {most}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def raw(self, key: str) -> object:
        """A value of any type, which somebody else checks."""
        return self._get(key, None)

    def has(self, key: str) -> bool:
        """Whether a key is there."""
        self._asked.add(key)
        return key in self._data

    def table(self, key: str) -> Table:
        """A table inside this one; empty when absent."""
        return Table(self._get(key, {}), self._path(key))

    def tables(self, key: str) -> list[Table]:
        """A list of tables; empty when absent."""
        value = self._get(key, ())
        if not isinstance(value, list | tuple):
            raise self._wrong(key, value, "a list of tables")
        return [Table(entry, f"{self._path(key)}[{at}]") for at, entry in enumerate(value)]

    def keys(self) -> tuple[str, ...]:
        """All keys, in the document's order: for tables whose keys are names. They count as asked for."""
        self._asked.update(self._data)
        return tuple(self._data)

    def close(self) -> None:
        """Refuse keys that nobody asked for."""
        for key in self._data:
            if key not in self._asked:
                raise unknown("key", self._path(key), (self._path(known) for known in self._asked))

    def _get(self, key: str, default: object) -> object:
        self._asked.add(key)
        if key in self._data:
            return self._data[key]
        if default is None:
            raise ParameterError(f"{self._path(key)} is missing", "every scenario has to give it")
        return default

    def _path(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _wrong(self, key: str, value: object, wanted: str) -> ParameterError:
        return ParameterError(f"{self._path(key)} is {_described(value)}", f"it has to be {wanted}")


def _described(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "a table" if isinstance(value, Mapping) else repr(value)
