"""The evaluator: promql-parser's syntax tree over a store, all steps at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import promql_parser as ast

from meshlab.errors import BadQuery
from meshlab.recordings.promql import aggregations, batches, labels, selectors
from meshlab.recordings.promql.binary import Matching, binary
from meshlab.recordings.promql.functions import CALENDAR, ELEMENTWISE, clamp, greatest, least, round_to, scalar_of
from meshlab.recordings.promql.histograms import histogram_quantile
from meshlab.recordings.promql.range_functions import (
    RANGE_FUNCTIONS,
    predict_linear,
    quantile_over_time,
    range_function,
)
from meshlab.recordings.promql.store import Source
from meshlab.recordings.promql.syntax import milliseconds, moment_ms, selector_conditions, unsupported
from meshlab.recordings.promql.values import (
    METRIC,
    Bools,
    Floats,
    Ints,
    Labels,
    Ranges,
    Scalar,
    Text,
    Value,
    Vector,
    distinct,
    merged,
)

__all__ = ["Evaluator"]

_MOST_STEPS: Final = 200_000
_SUBQUERY_STEP_MS: Final = 60_000
"""Prometheus's default evaluation interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluator:
    """Evaluates expressions at a row of moments.

    Parameters
    ----------
    store : Source
    at : ndarray of int64, shape (steps,)
        Unix milliseconds, ascending.
    start_ms, end_ms : int
        What ``@ start()`` and ``@ end()`` mean: the whole query's, also inside of subqueries.
    left_open : bool
        Whether Prometheus 3's rules hold: ranges and look-back without their first instant.
    batch : int
        So many samples, and so many points, of an aggregation's series are in memory at once; the answer is the same.
    """

    store: Source
    at: Ints
    start_ms: int
    end_ms: int
    left_open: bool
    batch: int = batches.BATCH

    def within(self, store: Source) -> Evaluator:
        """The same evaluator of other series."""
        return replace(self, store=store)

    def evaluate(self, node: Any) -> Value:
        """Evaluate a node of the syntax tree.

        Raises
        ------
        BadQuery
            The series do not allow it.
        UnsupportedQuery
            A construct that is not known here.
        """
        match node:
            case ast.NumberLiteral():
                return Scalar(np.full(len(self.at), float(node.val)))
            case ast.StringLiteral():
                return Text(node.val)
            case ast.ParenExpr():
                return self.evaluate(node.expr)
            case ast.UnaryExpr():
                inner = self.evaluate(node.expr)
                return Scalar(-inner.value) if isinstance(inner, Scalar) else distinct(_vector(inner).map(np.negative))
            case ast.VectorSelector():
                in_batches = batches.evaluated(self, node)
                if in_batches is not None:
                    return in_batches
                chosen = self.store.select(selector_conditions(node))
                return selectors.instant(chosen, self._moments(node), left_open=self.left_open)
            case ast.MatrixSelector():
                return self._ranges(node)
            case ast.SubqueryExpr():
                return self._subquery(node)
            case ast.AggregateExpr():
                return self._aggregate(node)
            case ast.BinaryExpr():
                return self._binary(node)
            case ast.Call():
                in_batches = batches.evaluated(self, node)
                return self._call(node.func.name, node.args) if in_batches is None else in_batches
        raise unsupported(type(node).__name__)

    def _moments(self, node: Any) -> Ints:
        """Where a selector or subquery looks: ``@`` first, then the offset."""
        at = self.at
        if node.at is not None:
            kind = str(node.at.type).split(".")[-1]
            fixed = {"Start": self.start_ms, "End": self.end_ms}.get(kind)
            at = np.full(len(self.at), moment_ms(node.at) if fixed is None else fixed)
        return at - milliseconds(node, "offset")

    def _ranges(self, node: Any) -> Ranges:
        inner = node.vector_selector
        chosen = self.store.select(selector_conditions(inner)).fresh()
        return selectors.ranges(
            chosen.labels,
            chosen.begin,
            chosen.time,
            chosen.value,
            self._moments(inner),
            milliseconds(node, "range"),
            left_open=self.left_open,
        )

    def _subquery(self, node: Any) -> Ranges:
        at, span = self._moments(node), milliseconds(node, "range")
        step = milliseconds(node, "step") or _SUBQUERY_STEP_MS
        if not len(at):
            # Inside of another subquery, whose own grid has no point.
            at = np.array([self.start_ms])
        earliest, latest = int(at.min()) - span, int(at.max())
        # The inner grid lies on multiples of its step, whatever the outer one does.
        first = -(-earliest // step) * step
        if self.left_open and first == earliest:
            first += step
        if (latest - first) // step > _MOST_STEPS:
            raise unsupported(f"a subquery of {(latest - first) // step:,} steps")
        grid = np.arange(first, latest + 1, step, dtype=np.int64)
        inner = replace(self, at=grid).evaluate(node.expr)
        vector = inner if isinstance(inner, Vector) else _of_scalar(inner)
        time = np.broadcast_to(grid, vector.present.shape)[vector.present]
        begin = np.r_[0, np.cumsum(vector.present.sum(axis=1))].astype(np.int64)
        value = vector.value[vector.present]
        return selectors.ranges(vector.labels, begin, time, value, self._moments(node), span, left_open=self.left_open)

    def _aggregate(self, node: Any) -> Vector:
        name = str(node.op)
        by = node.modifier is None or str(node.modifier.type).endswith("By")
        names = tuple(node.modifier.labels) if node.modifier is not None else ()
        in_batches = batches.aggregated(self, node, names, by=by)
        if in_batches is not None:
            return in_batches
        vector = _vector(self.evaluate(node.expr))
        if name in aggregations.AGGREGATIONS:
            return aggregations.aggregate(name, vector, names, by=by, left_open=self.left_open)
        if name == "count_values":
            return aggregations.count_values(vector, _text(self.evaluate(node.param)), names, by=by)
        if name in ("topk", "bottomk"):
            k = _scalar(self.evaluate(node.param))
            return aggregations.ranked(vector, k, names, by=by, largest=name == "topk")
        if name == "quantile":
            return aggregations.quantile(vector, _scalar(self.evaluate(node.param)), names, by=by)
        raise unsupported(f"the aggregation {name}")

    def _binary(self, node: Any) -> Value:
        modifier, matching = node.modifier, Matching()
        if modifier is not None:
            if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
                raise unsupported("fill")
            rule = modifier.matching
            many = {"ManyToOne": "left", "OneToMany": "right"}.get(str(modifier.card).split(".")[-1], "")
            matching = Matching(
                on=rule is not None and str(rule.type).endswith("Include"),
                labels=tuple(rule.labels) if rule is not None else (),
                many=many,
                include=tuple(modifier.group_labels or ()),
            )
        return_bool = modifier is not None and modifier.return_bool
        sides = self.evaluate(node.lhs), self.evaluate(node.rhs)
        return binary(str(node.op), *sides, matching, return_bool=return_bool, left_open=self.left_open)

    def _call(self, name: str, args: Sequence[Any]) -> Value:
        if name in RANGE_FUNCTIONS:
            return range_function(name, _windows(self.evaluate(args[0])), left_open=self.left_open)
        if name in ELEMENTWISE:
            return merged(_vector(self.evaluate(args[0])).map(ELEMENTWISE[name]))
        if name in CALENDAR:
            return merged(self._vector_or_time(args).map(CALENDAR[name]))
        handler = getattr(self, f"_call_{name}", None)
        if handler is None:
            raise unsupported(f"the function {name}")
        found: Value = handler(args)
        return found

    def _vector_or_time(self, args: Sequence[Any]) -> Vector:
        return _vector(self.evaluate(args[0])) if args else _of_scalar(Scalar(self.at / 1000.0))

    def _number(self, args: Sequence[Any], at: int, default: float = np.nan) -> Floats:
        return _scalar(self.evaluate(args[at])) if at < len(args) else np.full(len(self.at), default)

    def _call_time(self, _: Sequence[Any]) -> Scalar:
        return Scalar(self.at / 1000.0)

    def _call_pi(self, _: Sequence[Any]) -> Scalar:
        return Scalar(np.full(len(self.at), np.pi))

    def _call_vector(self, args: Sequence[Any]) -> Vector:
        return _of_scalar(self.evaluate(args[0]))

    def _call_scalar(self, args: Sequence[Any]) -> Scalar:
        return scalar_of(_vector(self.evaluate(args[0])))

    def _call_timestamp(self, args: Sequence[Any]) -> Vector:
        node = args[0]
        while isinstance(node, ast.ParenExpr):
            node = node.expr
        if isinstance(node, ast.VectorSelector):
            chosen = self.store.select(selector_conditions(node))
            found = selectors.sample_times(chosen, self._moments(node), left_open=self.left_open)
        else:
            found = _vector(self.evaluate(node))
            found = Vector(found.labels, np.broadcast_to(self.at / 1000.0, found.value.shape), found.present)
        return merged(found.map(np.asarray))

    def _call_predict_linear(self, args: Sequence[Any]) -> Vector:
        return predict_linear(_windows(self.evaluate(args[0])), self._number(args, 1), self.at)

    def _call_quantile_over_time(self, args: Sequence[Any]) -> Vector:
        return quantile_over_time(self._number(args, 0), _windows(self.evaluate(args[1])))

    def _call_histogram_quantile(self, args: Sequence[Any]) -> Vector:
        return histogram_quantile(self._number(args, 0), _vector(self.evaluate(args[1])))

    def _call_clamp(self, args: Sequence[Any]) -> Vector:
        return merged(clamp(_vector(self.evaluate(args[0])), self._number(args, 1), self._number(args, 2)))

    def _call_clamp_min(self, args: Sequence[Any]) -> Vector:
        low = self._number(args, 1)
        return merged(_vector(self.evaluate(args[0])).map(lambda x: greatest(low, x)))

    def _call_clamp_max(self, args: Sequence[Any]) -> Vector:
        high = self._number(args, 1)
        return merged(_vector(self.evaluate(args[0])).map(lambda x: least(high, x)))

    def _call_round(self, args: Sequence[Any]) -> Vector:
        return merged(round_to(_vector(self.evaluate(args[0])), self._number(args, 1, 1.0)))

    def _call_sort(self, args: Sequence[Any]) -> Vector:
        # Answers are ordered by their labels, whatever the query says: order is for people to ask of the frame.
        return _vector(self.evaluate(args[0]))

    _call_sort_desc = _call_sort

    def _call_label_replace(self, args: Sequence[Any]) -> Vector:
        texts = [_text(self.evaluate(arg)) for arg in args[1:]]
        return labels.label_replace(_vector(self.evaluate(args[0])), *texts, dot_is_all=self.left_open)

    def _call_label_join(self, args: Sequence[Any]) -> Vector:
        target, separator, *sources = (_text(self.evaluate(arg)) for arg in args[1:])
        return labels.label_join(_vector(self.evaluate(args[0])), target, separator, sources)

    def _call_absent(self, args: Sequence[Any]) -> Vector:
        return self._absence(args[0], _vector(self.evaluate(args[0])).present)

    def _call_absent_over_time(self, args: Sequence[Any]) -> Vector:
        over = _windows(self.evaluate(args[0]))
        return self._absence(args[0], over.present())

    def _absence(self, node: Any, there: Bools) -> Vector:
        """One series where nothing is, with the labels that the selector pins (``createLabelsForAbsentFunction``)."""
        while isinstance(node, ast.ParenExpr):
            node = node.expr
        node = node.vector_selector if isinstance(node, ast.MatrixSelector) else node
        pinned: Labels = {}
        if isinstance(node, ast.VectorSelector):
            seen: set[str] = set()
            for condition in selector_conditions(node):
                if condition.op == "=" and condition.name not in seen:
                    seen.add(condition.name)
                    pinned[condition.name] = condition.value
                else:
                    pinned.pop(condition.name, None)
            pinned = {name: value for name, value in pinned.items() if value and name != METRIC}
        missing = np.logical_not(there.any(axis=0))[None, :]
        return Vector([pinned], np.ones(missing.shape), missing)


def _vector(value: Value) -> Vector:
    if not isinstance(value, Vector):
        raise BadQuery(f"an instant vector was wanted, not a {type(value).__name__.lower()}", "correct the expression")
    return value


def _windows(value: Value) -> Ranges:
    if not isinstance(value, Ranges):
        raise BadQuery("a range vector was wanted", "add a range, such as [5m]")
    return value


def _scalar(value: Value) -> Floats:
    if not isinstance(value, Scalar):
        raise BadQuery("a scalar was wanted", "write a number, or scalar(...)")
    return value.value


def _text(value: Value) -> str:
    if not isinstance(value, Text):
        raise BadQuery("a string was wanted", "put it into quotes")
    return value.value


def _of_scalar(value: Value) -> Vector:
    number = _scalar(value)
    return Vector([{}], number[None, :], np.ones((1, len(number)), np.bool_))
