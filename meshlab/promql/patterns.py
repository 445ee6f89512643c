"""Regular expressions, read by RE2 itself (pyarrow carries it): the syntax and the meaning that Prometheus has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from meshlab.core.sanitize import plain
from meshlab.errors import BadQuery, UnsupportedQuery
from meshlab.promql.values import Bools

__all__ = ["expanded", "is_pattern", "matching"]

_REFERENCE: Final = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]", re.DOTALL)
_QUOTED: Final = re.compile(r"\\Q.*?(?:\\E|\Z)", re.DOTALL)
_GROUP: Final = re.compile(r"\((?!\?)|\(\?P?<(\w+)>")
_MOST_GROUPS: Final = 9
"""RE2's own replacement knows one digit."""


def matching(texts: Sequence[str], pattern: str, *, dot_is_all: bool = False) -> Bools:
    """Which texts match as a whole (labels/regexp.go: NewFastRegexMatcher).

    Parameters
    ----------
    texts : sequence of str
    pattern : str
    dot_is_all : bool
        Whether ``.`` also stands for a line's end (Prometheus 3).

    Raises
    ------
    BadQuery
        The pattern is not RE2.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        # One text more, so that a wrong pattern is refused where there is nothing to match.
        found = pc.match_substring_regex(pa.array([*texts, ""], pa.string()), _anchored(pattern, dot_is_all))
    except pa.ArrowInvalid:
        raise BadQuery(f"{plain(pattern)!r} is not a valid regular expression", "correct it (RE2 syntax)") from None
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)[:-1]


def is_pattern(text: str) -> bool:
    """Whether RE2 reads it."""
    try:
        matching((), text)
    except BadQuery:
        return False
    return True


def expanded(texts: Sequence[str], pattern: str, template: str, *, dot_is_all: bool = False) -> tuple[Bools, list[str]]:
    """Which texts match as a whole, and a template filled with the parts that the pattern's groups matched.

    Parameters
    ----------
    texts : sequence of str
    pattern : str
    template : str
        As Go's ``Regexp.Expand`` reads it: ``$1``, ``${1}``, ``$name``, ``$$``; an unknown group is empty.
    dot_is_all : bool

    Returns
    -------
    ndarray of bool, list of str
        One entry a text; undefined where it does not match.

    Raises
    ------
    BadQuery
        The pattern is not RE2.
    UnsupportedQuery
        The template names a tenth group.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    matched = matching(texts, pattern, dot_is_all=dot_is_all)
    filled = pc.replace_substring_regex(
        pa.array(texts, pa.string()),
        pattern=_anchored(pattern, dot_is_all),
        replacement=_rewrite(template, _groups(pattern)),
    )
    return matched, filled.to_pylist()


def _anchored(pattern: str, dot_is_all: bool) -> str:
    return f"^(?s:{pattern})$" if dot_is_all else f"^(?:{pattern})$"


def _groups(pattern: str) -> list[str]:
    """Names of the pattern's capturing groups, in their order; empty for those without one."""
    found, at = [], 0
    while at < len(pattern):
        skipped = _QUOTED.match(pattern, at) or _CLASS.match(pattern, at)
        if skipped:
            at = skipped.end()
        elif pattern[at] == "\\":
            at += 2
        else:
            group = _GROUP.match(pattern, at)
            if group:
                found.append(group[1] or "")
            at += 1
    return found


def _rewrite(template: str, groups: Sequence[str]) -> str:
    """A Go template as RE2's replacement text."""

    def reference(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        name = found[2] or found[3]
        if name.isascii() and name.isdigit():
            number = int(name) if name == str(int(name)) and int(name) <= len(groups) else -1
        else:
            number = groups.index(name) + 1 if name in groups else -1
        if number > _MOST_GROUPS:
            raise UnsupportedQuery(
                f"the tenth group in the replacement {plain(template)!r} is not known to the embedded evaluator",
                "use groups that do not capture, (?:...)",
            )
        return f"\\{number}" if number >= 0 else ""

    return _REFERENCE.sub(reference, template.replace("\\", r"\\"))
