"""Series as Prometheus's text format writes them: a name, and labels in braces."""

from __future__ import annotations

import re
from typing import Final

from meshlab.promql.values import METRIC

__all__ = ["NAME", "SERIES", "is_name", "series_labels"]

NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_QUOTED: Final = r'"(?:[^"\\\n]|\\.)*+"'
_BRACES: Final = rf'\{{(?:[^"}}\n]|{_QUOTED})*+\}}'
SERIES: Final = rf"(?:{NAME}[ \t]*+{_BRACES}|{NAME}|{_BRACES})"
_NAME: Final = re.compile(NAME)
_SERIES: Final = re.compile(rf"({NAME})?[ \t]*+(?:\{{(.*)\}})?", re.DOTALL)
_PAIR: Final = re.compile(rf'\s*+(?:({_QUOTED}|[^\s"=,{{}}]++)\s*+=\s*+({_QUOTED})|({_QUOTED}))\s*+(,|$)')
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", '"': '"', "\\": "\\"}


def is_name(text: str) -> bool:
    """Whether a text is a metric's name."""
    return _NAME.fullmatch(text) is not None


def series_labels(text: str) -> dict[str, str]:
    """The labels of a series, its name among them.

    Parameters
    ----------
    text : str
        Such as ``up{job="a"}``, ``{__name__="up", job="a"}`` or ``{"http.requests", job="a"}``.

    Raises
    ------
    ValueError
        It is no series, or has a label twice.
    """
    found = _SERIES.fullmatch(text.strip())
    if found is None or not found[0]:
        raise ValueError("no series")
    labels = {METRIC: found[1]} if found[1] else {}
    inner, at = found[2] or "", 0
    while inner[at:].strip():
        pair = _PAIR.match(inner, at)
        if pair is None:
            raise ValueError("no label")
        name, value = (METRIC, pair[3]) if pair[3] else (pair[1], pair[2])
        name = _unquoted(name) if name.startswith('"') else name
        if name in labels:
            raise ValueError(f"the label {name} twice")
        labels[name], at = _unquoted(value), pair.end()
    return labels


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[0]), text[1:-1])
