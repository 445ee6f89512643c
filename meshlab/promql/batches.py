"""Expressions over more series than fit into memory, evaluated a batch of series at a time.

That gives the same answer as all series at once where each series' value depends on that series alone, and no two of
them can become alike: one selector, functions of its samples, and arithmetic with scalars. Whatever drops the metric's
name asks for a selector that pins it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import promql_parser as ast

from meshlab.promql.aggregations import SMALLER, Groups
from meshlab.promql.functions import ELEMENTWISE
from meshlab.promql.range_functions import RANGE_FUNCTIONS
from meshlab.promql.store import Condition, Selected, Store
from meshlab.promql.sums import CANCELS, Running
from meshlab.promql.syntax import selector_conditions
from meshlab.promql.values import METRIC, Floats, Ints, Key, Labels, Vector, key

if TYPE_CHECKING:
    from meshlab.promql.evaluate import Evaluator

__all__ = ["BATCH", "aggregated", "evaluated"]

BATCH: Final = 1 << 20
"""So many samples, and so many points, are in memory at once."""
_NAMES: Final = ("sum", "avg", "count", "min", "max", "group")
_WITH_NUMBERS: Final = {
    "clamp": 0,
    "clamp_min": 0,
    "clamp_max": 0,
    "round": 0,
    "predict_linear": 0,
    "quantile_over_time": 1,
}
"""Functions of numbers and one vector, and which argument is that."""


def aggregated(evaluator: Evaluator, node: Any, labels: Sequence[str], *, by: bool) -> Vector | None:
    """Evaluate an aggregation in batches of series.

    Parameters
    ----------
    evaluator : Evaluator
    node : promql_parser.AggregateExpr
    labels : sequence of str
    by : bool
        Keep these labels; otherwise drop them and the metric's name.

    Returns
    -------
    Vector or None
        None when all fits into one batch, or when the expression has to be evaluated as a whole.
    """
    name = str(node.op)
    parts = _parts(evaluator, node.expr) if name in _NAMES else None
    return None if parts is None else _folded(name, parts, labels, len(evaluator.at), by=by)


def evaluated(evaluator: Evaluator, node: Any) -> Vector | None:
    """Evaluate a selector or a function in batches of series: their samples are never in memory all together.

    Parameters
    ----------
    evaluator : Evaluator
    node : promql_parser.Call or promql_parser.VectorSelector

    Returns
    -------
    Vector or None
        None when all fits into one batch, or when the expression has to be evaluated as a whole.
    """
    parts = _parts(evaluator, node)
    if parts is None:
        return None
    found = list(parts())
    return Vector(
        [x for vector in found for x in vector.labels],
        np.concatenate([vector.value for vector in found]),
        np.concatenate([vector.present for vector in found]),
    )


def _parts(evaluator: Evaluator, node: Any) -> Callable[[], Iterator[Vector]] | None:
    """The values of an expression, some series at a time; None when there is no need for it, or no way."""
    store, steps = evaluator.store, max(1, len(evaluator.at))
    if not isinstance(store, Store) or store.fits(evaluator.batch, evaluator.batch // steps):
        return None
    selector = _selector(node)
    if selector is None or selector.matchers.or_matchers:
        return None
    conditions = selector_conditions(selector)
    pinned = any(c.name == METRIC and c.op == "=" and c.value for c in conditions)
    # A selector by itself keeps the metric's name.
    if not pinned and not isinstance(node, ast.VectorSelector):
        return None
    batches = store.batches(store.find(conditions), evaluator.batch, max(1, evaluator.batch // steps))
    if len(batches) < 2:
        return None

    def parts() -> Iterator[Vector]:
        for batch in batches:
            found = evaluator.within(_Part(store, batch)).evaluate(node)
            assert isinstance(found, Vector)
            yield found

    return parts


@dataclass(frozen=True, slots=True)
class _Part:
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


def _folded(name: str, parts: Callable[[], Iterator[Vector]], names: Sequence[str], steps: int, *, by: bool) -> Vector:
    """What `aggregations.aggregate` gives for all parts together."""
    total = _Total(names, steps, by=by)
    for vector in parts():
        total.add(name, vector)
    value = total.value
    lost = np.abs(value) < CANCELS * total.sizes if total.cancels else np.zeros(value.shape, np.bool_)
    if lost.any():
        value = np.where(lost, total.again(parts()), value)
    if name == "avg":
        with np.errstate(all="ignore"):
            value = value / total.count
            huge = np.isinf(value)
            if huge[total.count > 0].any():
                # Prometheus's running mean does not overflow where the sum does.
                smaller = _folded("sum", lambda: map(_smaller, parts()), names, steps, by=by)
                value = np.where(huge, smaller.value / total.count / SMALLER, value)
    elif name == "count":
        value = total.count
    elif name == "group":
        value = np.ones_like(total.count)
    return Vector(total.labels, value, total.count > 0)


def _smaller(vector: Vector) -> Vector:
    return Vector(vector.labels, vector.value * SMALLER, vector.present)


class _Total:
    """Groups of all parts so far."""

    def __init__(self, names: Sequence[str], steps: int, *, by: bool) -> None:
        self._names, self._by = names, by
        self._numbers: dict[Key, int] = {}
        self.labels: list[Labels] = []
        self.count = np.empty((0, steps))
        self.value: Floats = np.empty((0, steps))
        self.sizes: Floats = np.empty((0, steps))
        self.cancels = False

    def add(self, name: str, vector: Vector) -> None:
        groups = Groups(vector, self._names, by=self._by)
        at = self._places(groups.labels, np.nan if name in ("min", "max") else -0.0)
        with np.errstate(all="ignore"):
            self.count[at] += groups.count(vector.present)
            if name in ("sum", "avg"):
                self._add_sizes(groups, vector, at)
                self.value[at] = groups.total(vector.value, vector.present, self.value[at])
            elif name in ("min", "max"):
                ufunc = np.fmin if name == "min" else np.fmax
                here = groups.fold(ufunc, np.where(vector.present, vector.value, np.nan))
                self.value[at] = ufunc(self.value[at], here)

    def _add_sizes(self, groups: Groups, vector: Vector, at: Ints) -> None:
        """What the sums would be without signs: until the first member below 0, that is what they are."""
        if not self.cancels:
            if not (vector.present & (vector.value < 0)).any():
                return
            self.cancels, self.sizes = True, self.value.copy()
        self.sizes[at] = groups.total(np.abs(vector.value), vector.present, self.sizes[at])

    def again(self, parts: Iterator[Vector]) -> Floats:
        """The sums with what rounding took from them."""
        sums = Running(self.value.shape)
        for vector in parts:
            groups = Groups(vector, self._names, by=self._by)
            x = np.where(vector.present, vector.value, 0.0)
            for number, rows in zip(self._places(groups.labels, -0.0).tolist(), groups.runs(), strict=True):
                for row in rows.tolist():
                    sums.add(number, x[row])
        return sums.value

    def _places(self, labels: Sequence[Labels], nothing: float) -> Ints:
        at = np.array([self._numbers.setdefault(key(x), len(self._numbers)) for x in labels], np.int64)
        for number, x in zip(at.tolist(), labels, strict=True):
            if number == len(self.labels):
                self.labels.append(x)
        more = len(self.labels) - len(self.count)
        if more:
            steps = self.count.shape[1]
            self.count = np.concatenate([self.count, np.zeros((more, steps))])
            self.value = np.concatenate([self.value, np.full((more, steps), nothing)])
            if self.cancels:
                self.sizes = np.concatenate([self.sizes, np.full((more, steps), -0.0)])
        return at
