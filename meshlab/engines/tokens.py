"""The words of a PromQL text. promql-parser tells what an expression means, not where its parts stand."""

from __future__ import annotations

import re
from itertools import dropwhile, pairwise
from typing import Final

from meshlab.core.times import parse_duration
from meshlab.errors import ParameterError

__all__ = ["asks_for_order", "longest_range_ms", "pinned", "tokens"]

_ORDERING: Final = ("sort", "topk", "bottomk")
"""MetricsQL has more of each kind, such as ``topk_avg`` and ``sort_by_label_numeric``."""
_TOKEN: Final = re.compile(
    r"""
      (?P<skip>\s+|\#[^\n]*)
    | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    | (?P<number>(?:0[xX][0-9a-fA-F]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)[a-zA-Z0-9]*)
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(promql: str) -> list[tuple[str, str]]:
    """Kind (``skip``, ``text``, ``number``, ``name``, ``other``) and text of each word; together they are the text."""
    return [(str(m.lastgroup), m[0]) for m in _TOKEN.finditer(promql)]


def asks_for_order(promql: str) -> bool:
    """Whether an expression begins with what orders an instant answer, such as ``sort_desc`` or ``topk``."""
    loud = dropwhile("(".__eq__, (text.lower() for kind, text in tokens(promql) if kind != "skip"))
    return next(loud, "").startswith(_ORDERING) and next(loud, "") in ("(", "by", "without")


def longest_range_ms(promql: str) -> int:
    """How far the widest range of an expression looks back, milliseconds; 0 without any."""
    words = [text for kind, text in tokens(promql) if kind != "skip"]
    found = 0
    for bracket, length in pairwise(words):
        if bracket == "[":
            try:
                found = max(found, parse_duration(length))
            except ParameterError:
                continue
    return found


def pinned(promql: str, start_ms: int, end_ms: int) -> str:
    """The expression with ``@ start()`` and ``@ end()`` as instants, so that it can be asked in pieces.

    Parameters
    ----------
    promql : str
    start_ms, end_ms : int
        Of the whole question, unix milliseconds.
    """
    found, loud = [list(token) for token in tokens(promql)], []
    for i, (kind, _) in enumerate(found):
        if kind != "skip":
            loud.append(i)
    instants = {"start": start_ms, "end": end_ms}
    for at, word, first, last in zip(loud, loud[1:], loud[2:], loud[3:], strict=False):
        name = found[word][1].lower()
        if found[at][1] == "@" and name in instants and (found[first][1], found[last][1]) == ("(", ")"):
            found[word][1], found[first][1], found[last][1] = f"{instants[name] / 1000:.3f}", "", ""
    return "".join(text for _, text in found)
