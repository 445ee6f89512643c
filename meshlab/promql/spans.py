"""Durations that are computed, such as ``[5m*2]`` and ``offset -step()`` (Prometheus 3), as the parser reads them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any, Final

import promql_parser as ast

__all__ = ["Edit", "plain_spans"]

Edit = tuple[int, int, str]

_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\]")
_PLAIN: Final = re.compile(r"\s*[\w.]+\s*(?::\s*[\w.]*\s*)?")
_OFFSET: Final = re.compile(r"\boffset\s*([-+]?)\s*(?=(?:step|range|min|max|min_of|max_of)?\s*\()", re.IGNORECASE)
_CALLS: Final = re.compile(r"\b(?:step|range|min|max|min_of|max_of)(?=\s*\()", re.IGNORECASE)
_ZERO: Final = re.compile(r"(?<![\w.])0+(?:ms|[smhdwy])\b")
"""The parser reads no duration of nothing."""
_NAMES: Final = {"min": "min_of", "max": "max_of"}
"""Short names of Prometheus 3.5, which the parser takes for aggregations, as the later ones."""
_OPERATORS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
    "^": operator.pow,
}


def plain_spans(quiet: str, step_ms: int, range_ms: int) -> list[Edit]:
    """What to put in place of the computed durations of an expression.

    Parameters
    ----------
    quiet : str
        The expression; nothing in its strings and comments looks like PromQL.
    step_ms, range_ms : int
        What ``step()`` and ``range()`` mean.

    Returns
    -------
    list of (begin, end, text)
        In their order; durations that are wrong are left as they are.
    """
    known = {"step": step_ms / 1000.0, "range": range_ms / 1000.0}
    edits: list[Edit] = []
    for found in _BRACKETS.finditer(quiet):
        if not _PLAIN.fullmatch(found[1]):
            span, colon, step = found[1].partition(":")
            texts = [_milliseconds(part, known) if part.strip() else "" for part in (span, step)]
            if texts[0] and None not in texts:
                edits.append((found.start(1), found.end(1), f"{texts[0]}{colon}{texts[1]}"))
    for found in _OFFSET.finditer(quiet):
        end = _closed(quiet, quiet.index("(", found.end()))
        text = _milliseconds(found[1] + quiet[found.end() : end], known)
        if text is not None:
            edits.append((found.start(), end, f"offset {text} "))
    return sorted(edits)


def _closed(quiet: str, begin: int) -> int:
    """Where a parenthesis is closed, or the end."""
    depth = 0
    for at in range(begin, len(quiet)):
        depth += {"(": 1, ")": -1}.get(quiet[at], 0)
        if depth == 0:
            return at + 1
    return len(quiet)


def _milliseconds(text: str, known: dict[str, float]) -> str | None:
    """A computed duration as a plain one; None where it is none."""
    text = _CALLS.sub(lambda found: _NAMES.get(found[0].lower(), found[0].lower()), _ZERO.sub("0", text))
    try:
        seconds = _seconds(ast.parse(text), known)
    except (ValueError, OverflowError, ZeroDivisionError, RecursionError):
        return None
    milliseconds = round(seconds * 1000) if isinstance(seconds, float) and math.isfinite(seconds) else None
    if milliseconds is None:
        return None
    return f"-{-milliseconds}ms" if milliseconds < 0 else f"{milliseconds}ms" if milliseconds else "0"


def _seconds(node: Any, known: dict[str, float]) -> float:
    match node:
        case ast.NumberLiteral():
            return float(node.val)
        case ast.ParenExpr():
            return _seconds(node.expr, known)
        case ast.UnaryExpr():
            return -_seconds(node.expr, known)
        case ast.BinaryExpr() if str(node.op) in _OPERATORS:
            return _OPERATORS[str(node.op)](_seconds(node.lhs, known), _seconds(node.rhs, known))
        case ast.Call() if node.func.name in known:
            return known[node.func.name]
        case ast.Call() if node.func.name in ("min_of", "max_of"):
            least = min if node.func.name == "min_of" else max
            return least(_seconds(arg, known) for arg in node.args)
    raise ValueError("no duration")
