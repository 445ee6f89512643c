"""``label_replace`` and ``label_join`` (promql/functions.go)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from meshlab.core.sanitize import plain
from meshlab.errors import BadQuery
from meshlab.promql.patterns import expanded
from meshlab.promql.values import SameLabels, Vector, merged

__all__ = ["is_label_name", "label_join", "label_replace"]

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def is_label_name(text: str, *, left_open: bool = False) -> bool:
    """Whether Prometheus takes it for a label's name; Prometheus 3 takes any text."""
    return bool(text) if left_open else _NAME.fullmatch(text) is not None


def label_replace(
    vector: Vector, target: str, replacement: str, source: str, pattern: str, *, left_open: bool = False
) -> Vector:
    """Set a label from the parts of another one that match a whole-text pattern.

    Parameters
    ----------
    vector : Vector
    target, replacement, source, pattern : str
        The function's own arguments.
    left_open : bool
        Whether Prometheus 3's rules hold: ``.`` also stands for a line's end, and any text is a label's name.

    Raises
    ------
    BadQuery
        An invalid label name or pattern, or two series become alike.
    UnsupportedQuery
        The replacement names a tenth group.
    """
    texts = sorted({labels.get(source, "") for labels in vector.labels})
    matched, filled = expanded(texts, pattern, replacement, dot_is_all=left_open)
    _check(target, left_open)
    become = {text: new for text, new, fits in zip(texts, filled, matched, strict=True) if fits}
    changed = [
        {**labels, target: become[labels.get(source, "")]} if labels.get(source, "") in become else labels
        for labels in vector.labels
    ]
    return _relabelled(vector, changed)


def label_join(
    vector: Vector, target: str, separator: str, sources: Sequence[str], *, left_open: bool = False
) -> Vector:
    """Set a label to other labels' values, joined.

    Raises
    ------
    BadQuery
        An invalid label name, or two series become alike.
    """
    for name in (target, *sources):
        _check(name, left_open)
    changed = [{**old, target: separator.join(old.get(name, "") for name in sources)} for old in vector.labels]
    return _relabelled(vector, changed)


def _relabelled(vector: Vector, changed: list[dict[str, str]]) -> Vector:
    labels = [{name: value for name, value in row.items() if value} for row in changed]
    try:
        return merged(Vector(labels, vector.value, vector.present))
    except SameLabels as error:
        # No name was dropped here: it is an error whatever comes after.
        raise BadQuery(error.what, error.hint) from None


def _check(name: str, left_open: bool) -> None:
    if not is_label_name(name, left_open=left_open):
        raise BadQuery(f"invalid label name {plain(name)!r}", "use letters, digits and underscores")
