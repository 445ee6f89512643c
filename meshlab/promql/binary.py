"""Binary operators (promql/engine.go: VectorBinop, VectorAnd, VectorOr, VectorUnless)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from meshlab.core.sanitize import plain
from meshlab.errors import BadQuery
from meshlab.promql.rules import Rules
from meshlab.promql.values import (
    Bools,
    Floats,
    Ints,
    Key,
    Labels,
    SameLabels,
    Scalar,
    Value,
    Vector,
    concatenated,
    key,
    merged,
    nameless,
    unmeasured,
    without,
)

__all__ = ["Matching", "binary"]

_Rows = dict[Key, list[int]]
"""Rows of a vector by what must be equal on both sides."""


@dataclass(frozen=True, slots=True)
class Matching:
    """How the series of both sides find each other.

    Parameters
    ----------
    on : bool
        Match by `labels`; otherwise by all others.
    labels : tuple of str
    many : str
        ``""`` for one-to-one, ``left`` (group_left) or ``right`` (group_right).
    include : tuple of str
        Labels that the "one" side lends.
    fill_left, fill_right : float or None
        What stands for a partner that a side does not have (Prometheus 3).
    """

    on: bool = False
    labels: tuple[str, ...] = ()
    many: str = ""
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None

    @property
    def fills(self) -> bool:
        """Whether anything stands for a missing partner."""
        return self.fill_left is not None or self.fill_right is not None

    def signature(self, labels: Labels) -> Key:
        """What must be equal on both sides."""
        if self.on:
            return tuple([labels.get(name, "") for name in self.labels])
        return key(unmeasured(labels, self.labels))

    def named(self, labels: Labels) -> dict[str, str]:
        """The signature of a label set, as labels."""
        if self.on:
            return {name: labels[name] for name in self.labels if name in labels}
        return unmeasured(labels, self.labels)


def _mod(a: Floats, b: Floats) -> Floats:
    found: Floats = np.fmod(a, b)
    return found


_ARITHMETIC: Final[dict[str, Callable[[Floats, Floats], Floats]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": _mod,
    "^": np.power,
    "atan2": np.arctan2,
}
_COMPARISON: Final[dict[str, Callable[[Floats, Floats], Bools]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}


def binary(op: str, left: Value, right: Value, matching: Matching, *, return_bool: bool, rules: Rules) -> Value:
    """Apply a binary operator to scalars and instant vectors.

    Parameters
    ----------
    op : str
    left, right : Scalar or Vector
    matching : Matching
    return_bool : bool
        A comparison answers 0 or 1 instead of filtering.
    rules : Rules
        In Prometheus 2, ``atan2`` alone of all arithmetic keeps the metric's name; since 3.9, a comparison is ambiguous
        by the partners that it filters away, too.

    Raises
    ------
    BadQuery
        Series match in a way that the operator does not allow.
    """
    drop_name = return_bool or (op in _ARITHMETIC and (rules.left_open or op != "atan2"))
    with np.errstate(all="ignore"):
        if (matching.labels or matching.fills) and not (isinstance(left, Vector) and isinstance(right, Vector)):
            raise BadQuery("vector matching is only allowed between instant vectors", "leave on() or ignoring() out")
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return _scalars(op, left, right)
        if isinstance(left, Vector) and isinstance(right, Vector):
            if op in ("and", "or", "unless"):
                if matching.fills:
                    raise BadQuery(f"fill is not allowed with {op}", "leave it out")
                return _set(op, left, right, matching)
            early = rules.matches_before_filtering
            return _vectors(op, left, right, matching, return_bool, drop_name, early=early)
        if isinstance(left, Vector) and isinstance(right, Scalar):
            return _with_scalar(op, left, right, return_bool, drop_name, swapped=False)
        if isinstance(left, Scalar) and isinstance(right, Vector):
            return _with_scalar(op, right, left, return_bool, drop_name, swapped=True)
    raise BadQuery(f"operator {op} takes scalars and instant vectors only", "aggregate a range first")


def _scalars(op: str, left: Scalar, right: Scalar) -> Scalar:
    if op in _COMPARISON:
        return Scalar(_COMPARISON[op](left.value, right.value).astype(np.float64))
    return Scalar(_ARITHMETIC[op](left.value, right.value))


def _with_scalar(
    op: str, vector: Vector, scalar: Scalar, return_bool: bool, drop_name: bool, *, swapped: bool
) -> Vector:
    number = np.broadcast_to(scalar.value, vector.value.shape)
    a, b = (number, vector.value) if swapped else (vector.value, number)
    labels = nameless(vector.labels) if drop_name else vector.labels
    if op in _ARITHMETIC:
        return merged(Vector(labels, _ARITHMETIC[op](a, b), vector.present))
    holds = _COMPARISON[op](a, b)
    if return_bool:
        return merged(Vector(labels, holds.astype(np.float64), vector.present))
    # A comparison filters: what stays is always the vector's own value.
    return Vector(vector.labels, vector.value, vector.present & holds)


def _groups(vector: Vector, matching: Matching) -> _Rows:
    found: _Rows = {}
    for row, labels in enumerate(vector.labels):
        found.setdefault(matching.signature(labels), []).append(row)
    return found


def _set(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    mine, other = _groups(left, matching), _groups(right, matching)
    steps = left.value.shape[1]
    nowhere = np.zeros(steps, np.bool_)
    if op == "or":
        present = right.present.copy()
        for signature, rows in other.items():
            taken = left.present[mine[signature]].any(axis=0) if signature in mine else nowhere
            present[rows] &= ~taken
        return merged(concatenated([left, Vector(right.labels, right.value, present)]))
    present = left.present.copy()
    for signature, rows in mine.items():
        matched = right.present[other[signature]].any(axis=0) if signature in other else nowhere
        present[rows] &= matched if op == "and" else ~matched
    return Vector(left.labels, left.value, present)


def _vectors(
    op: str, left: Vector, right: Vector, matching: Matching, return_bool: bool, drop_name: bool, *, early: bool
) -> Vector:
    many, one = (right, left) if matching.many == "right" else (left, right)
    many_groups, one_groups = _groups(many, matching), _groups(one, matching)
    # Where one side has nothing at all, nothing is compared and nothing can be ambiguous.
    asked = many.present.any(axis=0) & one.present.any(axis=0)
    if matching.fills:
        asked = np.ones_like(asked)
    for rows in one_groups.values():
        if len(rows) > 1 and (one.present[rows].sum(axis=0)[asked] > 1).any():
            side = "left" if matching.many == "right" else "right"
            group = matching.named(one.labels[rows[0]])
            raise BadQuery(
                f"found duplicate series for the match group {plain(group)} on the {side} hand-side: "
                "many-to-many matching not allowed",
                "add labels to on(), or aggregate that side first",
            )
    if matching.fills:
        many, many_groups, one, one_groups = _filled(many, many_groups, one, one_groups, matching)
    pairs = [(m, o) for s, rows in many_groups.items() for m in rows for o in one_groups.get(s, ())]
    if not pairs:
        return Vector.empty(left.value.shape[1])
    at_many, at_one = (np.array(rows) for rows in zip(*pairs, strict=True))
    present = matched = many.present[at_many] & one.present[at_one]
    a, b = many.value[at_many], one.value[at_one]
    if matching.many == "right":
        a, b = b, a
    labels = [_result_labels(many.labels[m], one.labels[o], matching, drop_name) for m, o in pairs]
    if op in _ARITHMETIC:
        value = _ARITHMETIC[op](a, b)
    else:
        holds = _COMPARISON[op](a, b)
        # Without bool the left value stays where the comparison holds.
        value = holds.astype(np.float64) if return_bool else a
        present = present if return_bool else present & holds
    if not matching.many:
        _once(at_one, matched if early else present)
    try:
        if early and matching.many:
            _distinct_in_groups(labels, [matching.signature(many.labels[m]) for m in at_many], matched)
        return merged(Vector(labels, value, present))
    except SameLabels:
        raise BadQuery(
            "multiple matches for labels: grouping labels must ensure unique matches",
            "add labels to on(), or to the list of group_left or group_right",
        ) from None


def _distinct_in_groups(labels: Sequence[Labels], groups: Sequence[Key], present: Bools) -> None:
    """Many-to-one: no two results of a group may be alike at a step, even if one of them is filtered away."""
    numbers: dict[Key, int] = {}
    same = [numbers.setdefault((group, key(row)), len(numbers)) for group, row in zip(groups, labels, strict=True)]
    if len(numbers) < len(same):
        merged(Vector([{"": str(number)} for number in same], np.zeros(present.shape), present))


def _filled(
    many: Vector, many_groups: _Rows, one: Vector, one_groups: _Rows, matching: Matching
) -> tuple[Vector, _Rows, Vector, _Rows]:
    """Both sides with the series that ``fill`` puts where a partner is missing; they have the labels that match."""
    left, right = matching.fill_left, matching.fill_right
    for_many, for_one = (right, left) if matching.many == "right" else (left, right)
    return (
        *_extended(many, many_groups, one, one_groups, for_many, matching),
        *_extended(one, one_groups, many, many_groups, for_one, matching),
    )


def _extended(
    mine: Vector, mine_of: _Rows, other: Vector, other_of: _Rows, fill: float | None, matching: Matching
) -> tuple[Vector, _Rows]:
    if fill is None:
        return mine, mine_of
    nowhere = np.zeros((1, mine.value.shape[1]), np.bool_)
    rows, labels, present = {s: list(r) for s, r in mine_of.items()}, list(mine.labels), [mine.present]
    for signature, theirs in other_of.items():
        rows.setdefault(signature, []).append(len(labels))
        labels.append(matching.named(other.labels[theirs[0]]))
        here = mine.present[mine_of[signature]].any(axis=0) if signature in mine_of else nowhere
        present.append(other.present[theirs].any(axis=0) & ~here.reshape(1, -1))
    value = np.concatenate([mine.value, np.full((len(labels) - len(mine.labels), nowhere.shape[1]), fill)])
    return Vector(labels, value, np.concatenate(present)), rows


def _once(at_one: Ints, present: Bools) -> None:
    """One-to-one: no series of the right side may have two partners at a step, even if their results would differ."""
    order = np.argsort(at_one, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(at_one[order]) != 0])
    if len(first) < len(at_one) and (np.add.reduceat(present[order].astype(np.int64), first, axis=0) > 1).any():
        raise BadQuery(
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            "add labels to on(), or group_left or group_right",
        )


def _result_labels(many: Labels, one: Labels, matching: Matching, drop_name: bool) -> Labels:
    """``resultMetric``."""
    labels = dict(many)
    if drop_name:
        labels = unmeasured(labels)
    if not matching.many:
        labels = _kept(labels, matching.labels) if matching.on else without(labels, matching.labels)
    for name in matching.include:
        labels.pop(name, None)
        if one.get(name):
            labels[name] = one[name]
    return labels


def _kept(labels: Labels, names: Sequence[str]) -> Labels:
    return {name: value for name, value in labels.items() if name in names}
