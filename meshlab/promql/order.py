"""The order in which an instant answer stands: ``sort``, ``sort_by_label``, ``topk`` and their like (functions.go)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import pandas as pd
import promql_parser as ast

from meshlab.promql.values import METRIC, Floats, Labels, without

__all__ = ["order"]

_DIGITS: Final = re.compile(r"\d+|\D+", re.ASCII)
_BY_VALUE: Final = {"sort": False, "sort_desc": True, "topk": True, "bottomk": False}
"""By name: whether the largest comes first."""


def order(node: Any, table: pd.DataFrame, value: Floats) -> Sequence[int]:
    """Where each place of an answer takes its series from; as they stand where the outermost part does not order.

    Parameters
    ----------
    node : promql_parser node
        The whole expression.
    table : DataFrame
        The answer's label table, sorted: of equal series, the first stays first.
    value : ndarray of float64, shape (series,)
    """
    rows = range(len(value))
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    if isinstance(node, ast.AggregateExpr) and str(node.op) in _BY_VALUE:
        place = _by_value(value, descending=_BY_VALUE[str(node.op)])
        groups = _groups(node, _rows(table))
        return sorted(rows, key=lambda row: (groups[row], place[row]))
    if isinstance(node, ast.Call) and node.func.name in _BY_VALUE:
        return sorted(rows, key=_by_value(value, descending=_BY_VALUE[node.func.name]).__getitem__)
    if isinstance(node, ast.Call) and node.func.name in ("sort_by_label", "sort_by_label_desc"):
        names = [arg.val for arg in node.args[1:]]
        return sorted(rows, key=_by_label(names, _rows(table)), reverse=node.func.name.endswith("_desc"))
    return rows


def _rows(table: pd.DataFrame) -> list[Labels]:
    rows = table.to_dict("records")
    return [{str(name): str(text) for name, text in row.items() if text} for row in rows]


def _by_value(value: Floats, *, descending: bool) -> list[tuple[bool, float]]:
    """A key for each series; NaN comes last whatever the direction."""
    odd = np.isnan(value)
    return list(zip(odd.tolist(), np.where(odd, 0.0, -value if descending else value).tolist(), strict=True))


def _groups(node: Any, labels: Sequence[Labels]) -> list[int]:
    """The number of each series' group."""
    names = tuple(node.modifier.labels) if node.modifier is not None else ()
    by = node.modifier is None or str(node.modifier.type).endswith("By")
    numbers: dict[object, int] = {}
    return [
        numbers.setdefault(
            tuple(one.get(name, "") for name in names) if by else frozenset(without(one, (*names, METRIC)).items()),
            len(numbers),
        )
        for one in labels
    ]


def _by_label(names: Sequence[str], labels: Sequence[Labels]) -> Callable[[int], Any]:
    """By the natural order of some labels, then by all of them."""
    natural = cmp_to_key(_compare)
    return lambda row: (
        [natural(labels[row].get(name, "")) for name in names],
        sorted((name, value) for name, value in labels[row].items()),
    )


def _compare(one: str, other: str) -> int:
    """-1, 0 or 1: digits as numbers, all else as text."""
    for a, b in zip_longest(_DIGITS.findall(one), _DIGITS.findall(other)):
        if a is None or b is None:
            return -1 if a is None else 1
        numbers = a.isdigit() and b.isdigit()
        x, y = (int(a), int(b)) if numbers else (a, b)
        if x != y:
            return -1 if x < y else 1
    return 0
