"""Where Prometheus 3 answers by a switch that no recording knows: when a dropped metric name is gone.

With ``--enable-feature=promql-delayed-name-removal`` a function drops the name at the end of the query, without it at
once. Both give the same answer unless something in between looks at the name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import promql_parser as ast

from meshlab.promql.values import METRIC

__all__ = ["drops_name", "one_metric"]

_KEEP: Final = frozenset(
    {"last_over_time", "first_over_time", "sort", "sort_desc", "sort_by_label", "sort_by_label_desc"}
)
_NAMELESS: Final = frozenset({"absent", "absent_over_time", "time", "pi", "vector", "scalar"})
_RANKS: Final = ("topk", "bottomk", "limitk", "limit_ratio")
_SETS: Final = ("and", "or", "unless")


def drops_name(node: Any) -> bool:
    """Whether an expression may answer series whose metric's name it dropped."""
    match node:
        case ast.ParenExpr():
            return drops_name(node.expr)
        case ast.SubqueryExpr():
            return drops_name(node.expr)
        case ast.UnaryExpr():
            return True
        case ast.BinaryExpr():
            filters = node.modifier is None or not node.modifier.return_bool
            if str(node.op) in _SETS or (filters and str(node.op) in ("==", "!=", "<", ">", "<=", ">=")):
                return drops_name(node.lhs) or drops_name(node.rhs)
            return True
        case ast.AggregateExpr():
            by = node.modifier is not None and str(node.modifier.type).endswith("By")
            kept = node.modifier is not None and by and METRIC in node.modifier.labels
            return (str(node.op) in _RANKS or kept) and drops_name(node.expr)
        case ast.Call():
            if node.func.name in _NAMELESS:
                return False
            if node.func.name in _KEEP or node.func.name.startswith("label_"):
                return drops_name(node.args[0])
            return True
    return False


def one_metric(node: Any) -> bool:
    """Whether all selectors of an expression name the same metric, and no set operator mixes what they answer."""
    return len(set(_metrics(node))) == 1


def _metrics(node: Any) -> Iterable[str]:
    match node:
        case ast.VectorSelector():
            # One that has no fixed name stands for two.
            yield from (node.name,) if node.name else ("", "*")
        case ast.MatrixSelector():
            yield from _metrics(node.vector_selector)
        case ast.ParenExpr() | ast.SubqueryExpr() | ast.UnaryExpr() | ast.AggregateExpr():
            yield from _metrics(node.expr)
        case ast.BinaryExpr():
            if str(node.op) in _SETS:
                yield from ("", "*")
            yield from _metrics(node.lhs)
            yield from _metrics(node.rhs)
        case ast.Call():
            for arg in node.args:
                yield from _metrics(arg)
