"""The evaluator: promql-parser's syntax tree over a store, all steps at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import promql_parser as ast

from meshlab.promql import aggregations, batches, selectors
from meshlab.promql.binary import Matching, binary
from meshlab.promql.calls import call, nested, of_numbers, scalar, text, vector
from meshlab.promql.names import drops_name, one_metric
from meshlab.promql.notes import Notes
from meshlab.promql.rules import Rules
from meshlab.promql.store import Selected, Source
from meshlab.promql.syntax import milliseconds, moment_ms, selector_conditions, unsupported
from meshlab.promql.values import METRIC, Ints, Ranges, Scalar, Text, Value, Vector, concatenated, distinct, merged

__all__ = ["Evaluator"]

_MOST_STEPS: Final = 200_000
_SUBQUERY_STEP_MS: Final = 60_000
"""Prometheus's default evaluation interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluator:
    """Evaluates expressions at a row of moments.

    Parameters
    ----------
    store : Store
    at : ndarray of int64, shape (steps,)
        Unix milliseconds, ascending.
    start_ms, end_ms : int
        What ``@ start()`` and ``@ end()`` mean: the whole query's, also inside of subqueries.
    rules : Rules
        By whose rules.
    step_ms : int or None
        The whole query's step, 0 at one instant; None inside of subqueries.
    batch : int
        So many samples, and so many points, of an aggregation's series are in memory at once; the answer is the same.
    notes : Notes
        Filled by the evaluation: what is to be said beside the answer.
    """

    store: Source
    at: Ints
    start_ms: int
    end_ms: int
    rules: Rules
    step_ms: int | None = 0
    batch: int = batches.BATCH
    notes: Notes = field(default_factory=lambda: Notes(spoken=False))

    @property
    def left_open(self) -> bool:
        """Whether Prometheus 3's rules hold: ranges and look-back without their first instant, and the rest of them."""
        return self.rules.left_open

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
                if isinstance(inner, Scalar):
                    return Scalar(-inner.value)
                return (merged if self.rules.joins_negated else distinct)(vector(inner).map(np.negative))
            case ast.VectorSelector():
                parts = self._batches(node)
                if parts is not None:
                    return concatenated(list(parts()))
                return selectors.instant(self.chosen(node), self.moments(node), left_open=self.left_open)
            case ast.MatrixSelector():
                return self._ranges(node)
            case ast.SubqueryExpr():
                return self._subquery(node)
            case ast.AggregateExpr():
                return self._aggregate(node)
            case ast.BinaryExpr():
                return self._binary(node)
            case ast.Call():
                parts = self._batches(node)
                return call(self, node.func.name, node.args) if parts is None else concatenated(list(parts()))
        raise unsupported(type(node).__name__)

    def moments(self, node: Any) -> Ints:
        """Where a selector or subquery looks: ``@`` first, then the offset."""
        at = self.at
        if node.at is not None:
            kind = str(node.at.type).split(".")[-1]
            fixed = {"Start": self.start_ms, "End": self.end_ms}.get(kind)
            at = np.full(len(self.at), moment_ms(node.at) if fixed is None else fixed)
        return at - milliseconds(node, "offset")

    def _batches(self, node: Any) -> batches.Batches | None:
        """The evaluation of an expression some series at a time, where it is too large for one."""
        return batches.batches(
            self.store, node, len(self.at), self.batch, lambda store: vector(replace(self, store=store).evaluate(node))
        )

    def _ranges(self, node: Any) -> Ranges:
        inner, span = node.vector_selector, milliseconds(node, "range")
        chosen = self.chosen(inner).fresh()
        columns = chosen.labels, chosen.begin, chosen.time, chosen.value
        return selectors.ranges(*columns, self.moments(inner), span, left_open=self.left_open)

    def _subquery(self, node: Any) -> Ranges:
        at, span = self.moments(node), milliseconds(node, "range")
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
        inner = replace(self, at=grid, step_ms=None).evaluate(node.expr)
        points = inner if isinstance(inner, Vector) else of_numbers(scalar(inner))
        time = np.broadcast_to(grid, points.present.shape)[points.present]
        begin = np.r_[0, np.cumsum(points.present.sum(axis=1))].astype(np.int64)
        value = points.value[points.present]
        return selectors.ranges(points.labels, begin, time, value, self.moments(node), span, left_open=self.left_open)

    def _aggregate(self, node: Any) -> Vector:
        name = str(node.op)
        by = node.modifier is None or str(node.modifier.type).endswith("By")
        names = tuple(node.modifier.labels) if node.modifier is not None else ()
        if by and METRIC in names and not one_metric(node.expr):
            self.needs_names(node.expr)
        parts = self._batches(node.expr) if name in batches.AGGREGATIONS else None
        if parts is not None:
            return batches.aggregated(name, parts, names, len(self.at), by=by)
        inner = nested(self, node.expr)
        if name in aggregations.AGGREGATIONS:
            return aggregations.aggregate(name, inner, names, by=by, left_open=self.left_open)
        if name == "count_values":
            label = text(self.evaluate(node.param))
            return aggregations.count_values(inner, label, names, by=by, left_open=self.left_open)
        if name in ("topk", "bottomk"):
            k = scalar(self.evaluate(node.param))
            return aggregations.ranked(inner, k, names, by=by, largest=name == "topk")
        if name == "quantile":
            phi = scalar(self.evaluate(node.param))
            self.notes.quantiles(phi)
            return aggregations.quantile(inner, phi, names, by=by)
        raise unsupported(f"the aggregation {name}")

    def _binary(self, node: Any) -> Value:
        modifier, matching = node.modifier, Matching()
        if modifier is not None:
            rule = modifier.matching
            many = {"ManyToOne": "left", "OneToMany": "right"}.get(str(modifier.card).split(".")[-1], "")
            matching = Matching(
                on=rule is not None and str(rule.type).endswith("Include"),
                labels=tuple(rule.labels) if rule is not None else (),
                many=many,
                include=tuple(modifier.group_labels or ()),
                fill_left=modifier.fill_values.lhs,
                fill_right=modifier.fill_values.rhs,
            )
            if METRIC in matching.include or (matching.on and METRIC in matching.labels):
                self.needs_names(node.lhs, node.rhs)
        return_bool = modifier is not None and modifier.return_bool
        sides = self.evaluate(node.lhs), self.evaluate(node.rhs)
        return binary(str(node.op), *sides, matching, return_bool=return_bool, rules=self.rules)

    def needs_names(self, *nodes: Any) -> None:
        """Refuse what looks at metric names that an expression may have dropped.

        Raises
        ------
        UnsupportedQuery
            Under Prometheus 3 whose switch is not known, one does.
        """
        if not self.rules.drops_names_at_once and any(map(drops_name, nodes)):
            raise unsupported(
                f"{METRIC} after a function that drops it "
                "(Prometheus 3 answers by its switch promql-delayed-name-removal)"
            )

    def asked(self, name: str) -> int:
        """``start``, ``end``, ``step`` or ``range`` of the whole query, milliseconds.

        Raises
        ------
        UnsupportedQuery
            Inside of a subquery, which has a grid of its own.
        """
        if self.step_ms is None:
            raise unsupported(f"{name}() inside of a subquery")
        asked = {"start": self.start_ms, "end": self.end_ms, "step": self.step_ms}
        return self.end_ms - self.start_ms if name == "range" else asked[name]

    def chosen(self, node: Any) -> Selected:
        """The samples that a vector selector chooses."""
        return self.store.select(selector_conditions(node))
