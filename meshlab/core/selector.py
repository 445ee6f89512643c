"""The one function that builds selectors: names and values are quoted here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError

__all__ = [
    "Matcher",
    "Op",
    "differs",
    "equal",
    "exactly",
    "literal",
    "matches",
    "one_of",
    "parse_matcher",
    "selector",
]

_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# RE2's own set; re.escape also escapes characters that RE2 refuses to see escaped.
_RE2_SPECIAL: Final = re.compile(r"([\\.+*?()|\[\]{}^$])")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x00": "\\x00"})


class Op(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    DIFFERS = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label.

    Parameters
    ----------
    name : str
        A label name.
    op : Op
    value : str
        Literal text, or an RE2 pattern for the two regular expression operators.

    Raises
    ------
    ParameterError
        The name is no label name, or the value is no text that UTF-8 can carry.
    """

    name: str
    op: Op
    value: str

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.name):
            raise ParameterError(f"{plain(self.name)!r} is no label name", "use letters, digits and underscores")
        # PromQL is UTF-8: half of a surrogate pair can neither be sent nor stand in any store.
        if any("\ud800" <= character <= "\udfff" for character in self.value):
            raise ParameterError(f"the value {self.value!a} of {self.name} is no Unicode text", "type it anew")

    def holds(self, value: str) -> bool:
        """Whether a label's text fulfils it; the pattern must mean in Python what it means in RE2."""
        exact = self.op in (Op.EQUAL, Op.DIFFERS)
        same = value == self.value if exact else re.fullmatch(self.value, value) is not None
        return same is (self.op in (Op.EQUAL, Op.MATCHES))

    def __str__(self) -> str:
        return f'{self.name}{self.op.value}"{self.value.translate(_ESCAPES)}"'


def equal(name: str, value: str) -> Matcher:
    """The label is this text; the empty text also matches an absent label."""
    return Matcher(name, Op.EQUAL, value)


def differs(name: str, value: str) -> Matcher:
    """The label is any other text, or absent."""
    return Matcher(name, Op.DIFFERS, value)


def matches(name: str, pattern: str) -> Matcher:
    """The whole label matches an RE2 pattern."""
    return Matcher(name, Op.MATCHES, pattern)


def one_of(name: str, values: Sequence[str]) -> Matcher:
    """The label is one of these texts, literally; the empty text also matches an absent label.

    Raises
    ------
    ParameterError
        There is no value: the pattern would match the series without that label.
    """
    if not values:
        raise ParameterError(f"no value is given for {name}", "give at least one")
    return matches(name, "|".join(map(literal, values)))


def literal(text: str) -> str:
    """The RE2 pattern of a text itself."""
    return _RE2_SPECIAL.sub(r"\\\1", text)


_WRITTEN: Final = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\\n]|\\["\\nrt])*)"\s*')
_UNESCAPES: Final = {'\\"': '"', "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t"}


def parse_matcher(text: object) -> Matcher:
    """Read one matcher as PromQL writes it, such as ``cluster="east"``.

    Raises
    ------
    ParameterError
        It is none.
    """
    written = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if written is None:
        raise ParameterError(f"{plain(text)!r} is no matcher", """write 'cluster="east"' or 'env=~"live|prod"'""")
    value = re.sub(r"\\.", lambda escape: _UNESCAPES[escape[0]], written[3])
    return Matcher(written[1], Op(written[2]), value)


def selector(metric: str, *matchers: Matcher, forced: Sequence[Matcher] = ()) -> str:
    """Write an instant selector.

    Parameters
    ----------
    metric : str
        The metric's name; empty for none.
    *matchers : Matcher
    forced : sequence of Matcher
        What the profile demands of every query; they stand last.

    Raises
    ------
    ParameterError
        The metric's name is none, or there is neither name nor matcher.
    """
    if metric and not _METRIC.fullmatch(metric):
        raise ParameterError(f"{plain(metric)!r} is no metric name", "use letters, digits, underscores and colons")
    conditions = ",".join(map(str, (*matchers, *forced)))
    if not metric and not conditions:
        raise ParameterError("a selector needs a metric or a matcher", "give one")
    return f"{metric}{{{conditions}}}" if conditions else metric


def exactly(labels: Mapping[Hashable, object], *, forced: Sequence[Matcher] = ()) -> str:
    """The selector of the series with these labels, its name (``__name__``) among them; an empty one is absent."""
    matchers = [equal(str(name), str(value)) for name, value in labels.items() if name != "__name__"]
    return selector(str(labels.get("__name__", "")), *matchers, forced=forced)
