"""Expressions over more series than fit into memory, evaluated a batch of series at a time.

That gives the same answer as all series at once where each series' value depends on that series alone, and no two of
them can become alike: one selector, functions of its samples, and arithmetic with scalars. Whatever drops the metric's
name asks for a selector that pins it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import promql_parser as ast

from meshlab.promql.aggregations import SMALLER, Groups
from meshlab.promql.functions import ELEMENTWISE
from meshlab.promql.range_functions import RANGE_FUNCTIONS
from meshlab.promql.store import Condition, Selected, Source, Store
from meshlab.promql.sums import CANCELS, Running
from meshlab.promql.syntax import selector_conditions
from meshlab.promql.values import METRIC, Floats, Ints, Key, Labels, Vector, key

__all__ = ["AGGREGATIONS", "BATCH", "Batches", "aggregated", "batches"]

BATCH: Final = 1 << 20
"""So many samples, and so many points, are in memory at once."""
AGGREGATIONS: Final = ("sum", "avg", "count", "min", "max", "group")
"""Those that a pass over batches gives."""
_WITH_NUMBERS: Final = {
    "clamp": 0,
    "clamp_min": 0,
    "clamp_max": 0,
    "round": 0,
    "predict_linear": 0,
    "quantile_over_time": 1,
}
"""Functions of numbers and one vector, and which argument is that."""
Batches = Callable[[], Iterator[Vector]]
"""Begins a pass over an expression's values, some series at a time."""


def batches(store: Source, node: Any, steps: int, size: int, evaluate: Callable[[Source], Vector]) -> Batches | None:
    """Split the evaluation of an expression: its samples are never in memory all together.

    Parameters
    ----------
    store : Source
    node : promql_parser node
    steps : int
    size : int
        Most samples, and most points, of a batch.
    evaluate : callable
        The node's values over other series.

    Returns
    -------
    callable or None
        None when all fits into one batch, or when the expression has to be evaluated as a whole.
    """
    most_series = size // max(1, steps)
    if not isinstance(store, Store) or store.fits(size, most_series):
        return None
    selector = _selector(node)
    if selector is None or selector.matchers.or_matchers:
        return None
    conditions = selector_conditions(selector)
    pinned = any(c.name == METRIC and c.op == "=" and c.value for c in conditions)
    # A selector by itself keeps the metric's name.
    if not pinned and not isinstance(node, ast.VectorSelector):
        return None
    rows = store.batches(store.find(conditions), size, max(1, most_series))
    return None if len(rows) < 2 else lambda: (evaluate(_SomeRows(store, some)) for some in rows)


@dataclass(frozen=True, slots=True)
class _SomeRows:
    """Some series of a store, whatever is asked for."""

    store: Store
    rows: Ints

    def select(self, _: Sequence[Condition]) -> Selected:
        return self.store.take(self.rows)


def _selector(node: Any) -> Any:
    """The one selector of an expression that gives each series its own value; None when it is another kind."""
    match node:
        case ast.VectorSelector():
            return node
        case ast.ParenExpr() | ast.UnaryExpr():
            return _selector(node.expr)
        case ast.BinaryExpr():
            sides = [side for side in (node.lhs, node.rhs) if not _is_number(side)]
            return _selector(sides[0]) if len(sides) == 1 else None
        case ast.Call():
            return _selector_of_call(node.func.name, node.args)
    return None


def _selector_of_call(name: str, args: Sequence[Any]) -> Any:
    at = _WITH_NUMBERS.get(name, 0)
    others = [arg for number, arg in enumerate(args) if number != at]
    if not args or not all(_is_number(arg) for arg in others):
        return None
    if name in RANGE_FUNCTIONS or name in ("predict_linear", "quantile_over_time"):
        return args[at].vector_selector if isinstance(args[at], ast.MatrixSelector) else None
    return _selector(args[at]) if name in ELEMENTWISE or name in _WITH_NUMBERS else None


def _is_number(node: Any) -> bool:
    """Whether it is a scalar that no series has a part in."""
    match node:
        case ast.NumberLiteral():
            return True
        case ast.ParenExpr() | ast.UnaryExpr():
            return _is_number(node.expr)
        case ast.BinaryExpr():
            return _is_number(node.lhs) and _is_number(node.rhs)
        case ast.Call():
            return node.func.name in ("time", "pi")
    return False


def aggregated(name: str, parts: Batches, labels: Sequence[str], steps: int, *, by: bool) -> Vector:
    """What `aggregations.aggregate` gives for all batches together.

    Parameters
    ----------
    name : str
        One of `AGGREGATIONS`.
    parts : callable
        See `batches`.
    labels : sequence of str
    steps : int
    by : bool
        Keep these labels; otherwise drop them and the metric's name.

    """
    totals = _GroupTotals(labels, steps, by=by)
    for vector in parts():
        totals.add(name, vector)
    value = totals.value
    lost = np.abs(value) < CANCELS * totals.magnitude if totals.may_cancel else np.zeros(value.shape, np.bool_)
    if lost.any():
        value = np.where(lost, totals.compensated_sums(parts()), value)
    if name == "avg":
        with np.errstate(all="ignore"):
            value = value / totals.count
            huge = np.isinf(value)
            if huge[totals.count > 0].any():
                # Prometheus's running mean does not overflow where the sum does.
                smaller = aggregated("sum", lambda: map(_smaller, parts()), labels, steps, by=by)
                value = np.where(huge, smaller.value / totals.count / SMALLER, value)
    elif name == "count":
        value = totals.count
    elif name == "group":
        value = np.ones_like(totals.count)
    return Vector(totals.labels, value, totals.count > 0)


def _smaller(vector: Vector) -> Vector:
    return Vector(vector.labels, vector.value * SMALLER, vector.present)


class _GroupTotals:
    """Groups of all batches so far: labels, members, and their sums or extremes."""

    def __init__(self, names: Sequence[str], steps: int, *, by: bool) -> None:
        self._names, self._by = names, by
        self._rows: dict[Key, int] = {}
        self.labels: list[Labels] = []
        self.count = np.empty((0, steps))
        self.value: Floats = np.empty((0, steps))
        self.magnitude: Floats = np.empty((0, steps))
        self.may_cancel = False

    def add(self, name: str, vector: Vector) -> None:
        groups = Groups(vector, self._names, by=self._by)
        rows = self._rows_of(groups.labels, np.nan if name in ("min", "max") else -0.0)
        with np.errstate(all="ignore"):
            self.count[rows] += groups.count(vector.present)
            if name in ("sum", "avg"):
                self._add_magnitude(groups, vector, rows)
                self.value[rows] = groups.total(vector.value, vector.present, self.value[rows])
            elif name in ("min", "max"):
                ufunc = np.fmin if name == "min" else np.fmax
                extreme = groups.fold(ufunc, np.where(vector.present, vector.value, np.nan))
                self.value[rows] = ufunc(self.value[rows], extreme)

    def _add_magnitude(self, groups: Groups, vector: Vector, rows: Ints) -> None:
        """What the sums would be without signs: until the first member below 0, that is what they are."""
        if not self.may_cancel:
            if not (vector.present & (vector.value < 0)).any():
                return
            self.may_cancel, self.magnitude = True, self.value.copy()
        self.magnitude[rows] = groups.total(np.abs(vector.value), vector.present, self.magnitude[rows])

    def compensated_sums(self, parts: Iterator[Vector]) -> Floats:
        """The sums with what rounding took from them, by a second pass."""
        sums = Running(self.value.shape)
        for vector in parts:
            groups = Groups(vector, self._names, by=self._by)
            x = np.where(vector.present, vector.value, 0.0)
            for group, members in zip(self._rows_of(groups.labels, -0.0).tolist(), groups.runs(), strict=True):
                for member in members.tolist():
                    sums.add(group, x[member])
        return sums.value

    def _rows_of(self, labels: Sequence[Labels], start: float) -> Ints:
        """The rows of some groups; new ones begin with a value that changes nothing."""
        rows = np.array([self._rows.setdefault(key(x), len(self._rows)) for x in labels], np.int64)
        self.labels += [x for row, x in zip(rows.tolist(), labels, strict=True) if row >= len(self.labels)]
        steps = self.count.shape[1]
        new = (len(self.labels) - len(self.count), steps)
        self.count = np.concatenate([self.count, np.zeros(new)])
        self.value = np.concatenate([self.value, np.full(new, start)])
        if self.may_cancel:
            self.magnitude = np.concatenate([self.magnitude, np.full(new, -0.0)])
        return rows
