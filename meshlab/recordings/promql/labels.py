"""``label_replace`` and ``label_join`` (promql/functions.go)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from meshlab.errors import BadQuery, UnsupportedQuery
from meshlab.recordings.promql.values import Vector, merged

__all__ = ["label_join", "label_replace"]

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REFERENCE: Final = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)


def label_replace(vector: Vector, target: str, replacement: str, source: str, pattern: str) -> Vector:
    """Set a label from the parts of another one that match a whole-text pattern.

    Raises
    ------
    BadQuery
        An invalid label name, or two series become alike.
    UnsupportedQuery
        A pattern that Python reads differently from RE2.
    """
    try:
        expression = re.compile(rf"(?:{pattern})")
    except re.error:
        raise UnsupportedQuery(
            f"label_replace with the pattern {pattern!r} is not known to the embedded evaluator",
            "write it more plainly",
        ) from None
    _check(target)
    labels = []
    for old in vector.labels:
        match = expression.fullmatch(old.get(source, ""))
        new = dict(old)
        if match:
            new[target] = _expand(match, replacement)
        labels.append({name: value for name, value in new.items() if value})
    return merged(Vector(labels, vector.value, vector.present))


def label_join(vector: Vector, target: str, separator: str, sources: Sequence[str]) -> Vector:
    """Set a label to other labels' values, joined.

    Raises
    ------
    BadQuery
        An invalid label name, or two series become alike.
    """
    for name in (target, *sources):
        _check(name)
    labels = []
    for old in vector.labels:
        new = dict(old) | {target: separator.join(old.get(name, "") for name in sources)}
        labels.append({name: value for name, value in new.items() if value})
    return merged(Vector(labels, vector.value, vector.present))


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadQuery(f"invalid label name {name!r}", "use letters, digits and underscores")


def _expand(match: re.Match[str], template: str) -> str:
    """Go's ``Regexp.Expand``: ``$1``, ``${1}``, ``$name``, ``$$``; an unknown group is empty."""

    def reference(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        group: int | str = int(name) if name.isdigit() else name
        try:
            return match[group] or ""
        except IndexError:
            return ""

    return _REFERENCE.sub(reference, template)
