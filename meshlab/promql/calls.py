"""Calls of functions: their arguments, evaluated and handed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
import promql_parser as ast

from meshlab.errors import BadQuery
from meshlab.promql import labels, range_functions, selectors
from meshlab.promql.functions import CALENDAR, ELEMENTWISE, clamp, greatest, least, round_to, scalar_of
from meshlab.promql.histograms import histogram_fraction, histogram_quantile, histogram_quantiles
from meshlab.promql.names import drops_name
from meshlab.promql.notes import Notes
from meshlab.promql.range_functions import RANGE_FUNCTIONS, range_function
from meshlab.promql.rules import Rules
from meshlab.promql.store import Selected
from meshlab.promql.syntax import selector_conditions, unsupported
from meshlab.promql.values import (
    METRIC,
    Bools,
    Floats,
    Ints,
    Labels,
    Ranges,
    SameLabels,
    Scalar,
    Text,
    Value,
    Vector,
    merged,
)

__all__ = ["Evaluation", "call", "nested", "of_numbers", "scalar", "text", "vector", "windows"]


class Evaluation(Protocol):
    """What a call needs of the evaluator."""

    @property
    def at(self) -> Ints:
        """Unix milliseconds of each step."""

    @property
    def rules(self) -> Rules:
        """By whose rules."""

    @property
    def left_open(self) -> bool:
        """Whether Prometheus 3's rules hold."""

    @property
    def notes(self) -> Notes:
        """What is to be said beside the answer."""

    def evaluate(self, node: Any) -> Value:
        """Evaluate a node of the syntax tree."""

    def moments(self, node: Any) -> Ints:
        """Where a selector looks."""

    def chosen(self, node: Any) -> Selected:
        """The samples that a selector chooses."""

    def needs_names(self, *nodes: Any) -> None:
        """Refuse what looks at metric names that an expression may have dropped."""

    def asked(self, name: str) -> int:
        """``start``, ``end``, ``step`` or ``range`` of the whole query, milliseconds."""


Arguments = Sequence[Any]


def vector(value: Value) -> Vector:
    """An instant vector, or `BadQuery`."""
    if not isinstance(value, Vector):
        raise BadQuery(
            f"an instant vector was expected, not a {type(value).__name__.lower()}", "correct the expression"
        )
    return value


def scalar(value: Value) -> Floats:
    """A scalar's numbers, or `BadQuery`."""
    if not isinstance(value, Scalar):
        raise BadQuery("a scalar was expected", "write a number, or scalar(...)")
    return value.value


def text(value: Value) -> str:
    """A string, or `BadQuery`."""
    if not isinstance(value, Text):
        raise BadQuery("a string was expected", "put it into quotes")
    return value.value


def of_numbers(number: Floats) -> Vector:
    """``vector``: one series without labels, at every step."""
    return Vector([{}], number[None, :], np.ones((1, len(number)), np.bool_))


def windows(value: Value) -> Ranges:
    """A range vector, or `BadQuery`."""
    if not isinstance(value, Ranges):
        raise BadQuery("a range vector was expected", "add a range, such as [5m]")
    return value


def nested(ev: Evaluation, node: Any) -> Vector:
    """An instant vector inside of what could tell its series apart by a name that was dropped.

    Raises
    ------
    UnsupportedQuery
        Series are alike without their names, and nobody knows of the switch of Prometheus 3 that says whether that is
        an error already.
    """
    try:
        return vector(ev.evaluate(node))
    except SameLabels:
        if not ev.rules.drops_names_at_once and drops_name(node):
            raise unsupported(
                "an expression over series that are alike without their metrics' names "
                "(Prometheus 3 answers by its switch promql-delayed-name-removal)"
            ) from None
        raise


def call(ev: Evaluation, name: str, args: Arguments) -> Value:
    """Call a function.

    Raises
    ------
    BadQuery
        The arguments or the series do not allow it.
    UnsupportedQuery
        A function that is not known here.
    """
    if name in RANGE_FUNCTIONS:
        over = windows(ev.evaluate(args[0]))
        found = range_function(name, over, left_open=ev.left_open)
        if name in ("rate", "increase") and ev.notes.spoken:
            rated = np.flatnonzero(found.present.any(axis=1))
            ev.notes.rated({(over.labels[row].get(METRIC, ""), over.labels[row].get("__type__")) for row in rated})
        return found
    if name in ELEMENTWISE:
        return merged(vector(ev.evaluate(args[0])).map(ELEMENTWISE[name]))
    if name in CALENDAR:
        inner = vector(ev.evaluate(args[0])) if args else of_numbers(ev.at / 1000.0)
        return merged(inner.map(CALENDAR[name]))
    if name in _SORTS:
        if ev.rules.warns_of_sorts and ev.at[0] != ev.at[-1]:
            ev.notes.sorted_range()
        return vector(ev.evaluate(args[0]))
    if name in _PLAIN:
        function, kinds = _PLAIN[name]
        # The last kind is that of all further arguments.
        return function(*[_KINDS[kinds[min(n, len(kinds) - 1)]](ev.evaluate(arg)) for n, arg in enumerate(args)])
    if name in _SPECIAL:
        return _SPECIAL[name](ev, args)
    raise unsupported(f"the function {name}")


def _asked(name: str) -> Callable[[Evaluation, Arguments], Scalar]:
    return lambda ev, _: Scalar(np.full(len(ev.at), ev.asked(name) / 1000.0))


def _timestamp(ev: Evaluation, args: Arguments) -> Vector:
    node = args[0]
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    if isinstance(node, ast.VectorSelector):
        found = selectors.sample_times(ev.chosen(node), ev.moments(node), left_open=ev.left_open)
    else:
        found = vector(ev.evaluate(node))
        found = Vector(found.labels, np.broadcast_to(ev.at / 1000.0, found.value.shape), found.present)
    return merged(found.map(np.asarray))


def _predict_linear(ev: Evaluation, args: Arguments) -> Vector:
    over, ahead_s = windows(ev.evaluate(args[0])), scalar(ev.evaluate(args[1]))
    return range_functions.predict_linear(over, ahead_s, ev.at)


def _quantile_over_time(ev: Evaluation, args: Arguments) -> Vector:
    phi, over = scalar(ev.evaluate(args[0])), windows(ev.evaluate(args[1]))
    ev.notes.quantiles(phi[over.present().any(axis=0)])
    return range_functions.quantile_over_time(phi, over)


def _histogram_quantile(ev: Evaluation, args: Arguments) -> Vector:
    phi, buckets = scalar(ev.evaluate(args[0])), vector(ev.evaluate(args[1]))
    return histogram_quantile(phi, buckets, ev.at, ev.notes, left_open=ev.left_open)


def _histogram_quantiles(ev: Evaluation, args: Arguments) -> Vector:
    buckets, label = vector(ev.evaluate(args[0])), text(ev.evaluate(args[1]))
    phis = [scalar(ev.evaluate(arg)) for arg in args[2:]]
    return histogram_quantiles(phis, label, buckets, ev.at, ev.notes, left_open=ev.left_open)


def _histogram_fraction(ev: Evaluation, args: Arguments) -> Vector:
    low, high = scalar(ev.evaluate(args[0])), scalar(ev.evaluate(args[1]))
    return histogram_fraction(low, high, vector(ev.evaluate(args[2])), ev.notes)


def _round(ev: Evaluation, args: Arguments) -> Vector:
    nearest = scalar(ev.evaluate(args[1])) if len(args) > 1 else np.ones(len(ev.at))
    return merged(round_to(vector(ev.evaluate(args[0])), nearest))


def _label_replace(ev: Evaluation, args: Arguments) -> Vector:
    target, replacement, source, pattern = (text(ev.evaluate(arg)) for arg in args[1:])
    if METRIC in (target, source):
        ev.needs_names(args[0])
    inner = nested(ev, args[0])
    return labels.label_replace(inner, target, replacement, source, pattern, left_open=ev.left_open)


def _label_join(ev: Evaluation, args: Arguments) -> Vector:
    target, separator, *sources = (text(ev.evaluate(arg)) for arg in args[1:])
    if METRIC in (target, *sources):
        ev.needs_names(args[0])
    return labels.label_join(nested(ev, args[0]), target, separator, sources, left_open=ev.left_open)


def _absent(ev: Evaluation, args: Arguments) -> Vector:
    return _absence(args[0], nested(ev, args[0]).present, left_open=ev.left_open)


def _absent_over_time(ev: Evaluation, args: Arguments) -> Vector:
    return _absence(args[0], windows(ev.evaluate(args[0])).present(), left_open=ev.left_open)


def _absence(node: Any, there: Bools, *, left_open: bool) -> Vector:
    """One series where nothing is, with the labels that the selector pins (``createLabelsForAbsentFunction``)."""
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    node = node.vector_selector if isinstance(node, ast.MatrixSelector) else node
    pinned: Labels = {}
    if isinstance(node, ast.VectorSelector):
        seen: set[str] = set()
        conditions = selector_conditions(node)
        if left_open:
            # Prometheus 3's storage puts those that only take series away last, and this function sees what it left.
            conditions.sort(key=lambda condition: condition.op in ("!=", "!~"))
        for condition in conditions:
            if condition.op == "=" and condition.name not in seen:
                seen.add(condition.name)
                pinned[condition.name] = condition.value
            else:
                pinned.pop(condition.name, None)
        pinned = {name: value for name, value in pinned.items() if value and name != METRIC}
    missing = np.logical_not(there.any(axis=0))[None, :]
    return Vector([pinned], np.ones(missing.shape), missing)


_SORTS: Final = ("sort", "sort_desc", "sort_by_label", "sort_by_label_desc")
"""Each step has its series whatever their order: what `order.ranks` says of the answer is done at its end."""
_KINDS: Final[dict[str, Callable[[Value], Any]]] = {"v": vector, "n": scalar, "t": text, "r": windows}
_PLAIN: Final[dict[str, tuple[Callable[..., Value], str]]] = {
    "vector": (of_numbers, "n"),
    "scalar": (scalar_of, "v"),
    "double_exponential_smoothing": (range_functions.double_exponential_smoothing, "rnn"),
    "clamp": (lambda inner, low, high: merged(clamp(inner, low, high)), "vnn"),
    "clamp_min": (lambda inner, low: merged(inner.map(lambda x: greatest(low, x))), "vn"),
    "clamp_max": (lambda inner, high: merged(inner.map(lambda x: least(high, x))), "vn"),
    "min_of": (lambda a, b: Scalar(least(a, b)), "nn"),
    "max_of": (lambda a, b: Scalar(greatest(a, b)), "nn"),
}
"""By name: functions of their arguments' values alone, and what each argument must be."""
_SPECIAL: Final[dict[str, Callable[[Evaluation, Arguments], Value]]] = {
    "time": lambda ev, _: Scalar(ev.at / 1000.0),
    "pi": lambda ev, _: Scalar(np.full(len(ev.at), np.pi)),
    "start": _asked("start"),
    "end": _asked("end"),
    "step": _asked("step"),
    "range": _asked("range"),
    "timestamp": _timestamp,
    "predict_linear": _predict_linear,
    "quantile_over_time": _quantile_over_time,
    "histogram_quantile": _histogram_quantile,
    "histogram_quantiles": _histogram_quantiles,
    "histogram_fraction": _histogram_fraction,
    "round": _round,
    "label_replace": _label_replace,
    "label_join": _label_join,
    "absent": _absent,
    "absent_over_time": _absent_over_time,
}
"""By name: what needs the evaluator or the syntax as well."""
