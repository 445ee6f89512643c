"""Aggregations over series (promql/engine.go: aggregation)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from meshlab.errors import BadQuery
from meshlab.recordings.promql.range_functions import sorted_quantile
from meshlab.recordings.promql.values import METRIC, Bools, Floats, Ints, Labels, Vector, key, merged, without

__all__ = ["AGGREGATIONS", "aggregate", "count_values", "quantile", "ranked"]


class _Groups:
    """Series in groups: a stable order in which each group is one run of rows."""

    def __init__(self, vector: Vector, labels: Sequence[str], *, by: bool) -> None:
        numbers: dict[tuple[tuple[str, str], ...], int] = {}
        self.labels: list[Labels] = []
        group = np.empty(len(vector.labels), np.int64)
        for row, whole in enumerate(vector.labels):
            mine = _group_labels(whole, labels, by=by)
            number = numbers.setdefault(key(mine), len(numbers))
            if number == len(self.labels):
                self.labels.append(mine)
            group[row] = number
        self.order = np.argsort(group, kind="stable")
        self.first = np.searchsorted(group[self.order], np.arange(len(self.labels)))

    def fold(self, ufunc: np.ufunc, x: Floats) -> Floats:
        """Reduce the rows of each group; shape (groups, steps)."""
        if not len(self.labels):
            return np.empty((0, x.shape[1]))
        reduced: Floats = ufunc.reduceat(x[self.order], self.first, axis=0)
        return reduced

    def runs(self) -> list[Ints]:
        """Rows of each group."""
        return np.split(self.order, self.first[1:]) if len(self.labels) else []


def _group_labels(labels: Labels, names: Sequence[str], *, by: bool) -> Labels:
    if by:
        return {name: labels[name] for name in names if labels.get(name)}
    return without(labels, (*names, METRIC))


def aggregate(name: str, vector: Vector, labels: Sequence[str], *, by: bool) -> Vector:
    """Aggregate each group to one series.

    Parameters
    ----------
    name : str
        A key of `AGGREGATIONS`.
    vector : Vector
    labels : sequence of str
    by : bool
        Keep these labels; otherwise drop them and the metric's name.
    """
    groups = _Groups(vector, labels, by=by)
    count = groups.fold(np.add, vector.present.astype(np.float64))
    with np.errstate(all="ignore"):
        value = AGGREGATIONS[name](groups, vector, count)
    return Vector(groups.labels, value, count > 0)


def _sum(groups: _Groups, vector: Vector, _: Floats) -> Floats:
    return groups.fold(np.add, np.where(vector.present, vector.value, 0.0))


def _variance(groups: _Groups, vector: Vector, count: Floats) -> Floats:
    mean = _sum(groups, vector, count) / count
    centred = np.empty_like(vector.value)
    for number, rows in enumerate(groups.runs()):
        centred[rows] = vector.value[rows] - mean[number]
    return groups.fold(np.add, np.where(vector.present, centred**2, 0.0)) / count


AGGREGATIONS: Final[dict[str, Callable[[_Groups, Vector, Floats], Floats]]] = {
    "sum": _sum,
    "avg": lambda g, v, n: _sum(g, v, n) / n,
    "count": lambda _g, _v, n: n,
    "group": lambda _g, _v, n: np.ones_like(n),
    # NaN loses against any number (fmin, fmax), and stands where a group has nothing else.
    "min": lambda g, v, _: g.fold(np.fmin, np.where(v.present, v.value, np.nan)),
    "max": lambda g, v, _: g.fold(np.fmax, np.where(v.present, v.value, np.nan)),
    "stdvar": _variance,
    "stddev": lambda g, v, n: np.sqrt(_variance(g, v, n)),
}
"""By name: groups, members and their number to one value a group and step."""


def _sort(value: Floats, present: Bools, *, descending: bool = False, nan_first: bool) -> Ints:
    """Order of a group's rows at each step; the absent ones come last."""
    rank = np.where(present, np.where(np.isnan(value), 0 if nan_first else 2, 1), 3)
    order: Ints = np.lexsort((-value if descending else value, rank), axis=0)
    return order


def ranked(vector: Vector, k: Floats, labels: Sequence[str], *, by: bool, largest: bool) -> Vector:
    """``topk`` and ``bottomk``: the series themselves, present where they are among the k; NaN comes last.

    Parameters
    ----------
    k : ndarray of float64, shape (steps,)
    """
    chosen = np.zeros_like(vector.present)
    wanted = np.nan_to_num(k, nan=0.0).astype(np.int64)
    for rows in _Groups(vector, labels, by=by).runs():
        order = _sort(vector.value[rows], vector.present[rows], descending=largest, nan_first=False)
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.broadcast_to(np.arange(len(rows))[:, None], order.shape), axis=0)
        chosen[rows] = place < wanted[None, :]
    return Vector(vector.labels, vector.value, vector.present & chosen)


def quantile(vector: Vector, phi: Floats, labels: Sequence[str], *, by: bool) -> Vector:
    """``quantile``: linear interpolation between the two nearest ranks of each group.

    Parameters
    ----------
    phi : ndarray of float64, shape (steps,)
    """
    groups = _Groups(vector, labels, by=by)
    steps = vector.value.shape[1]
    value, present = np.full((len(groups.labels), steps), np.nan), np.zeros((len(groups.labels), steps), np.bool_)
    for number, rows in enumerate(groups.runs()):
        members, here = vector.value[rows], vector.present[rows]
        order = _sort(members, here, nan_first=True)
        x = np.take_along_axis(members, order, axis=0).T.ravel()
        size = here.sum(axis=0)
        some = size > 0
        first = np.arange(steps) * len(rows)
        present[number] = some
        with np.errstate(all="ignore"):
            value[number, some] = sorted_quantile(phi[some], x, first[some], size[some])
    return Vector(groups.labels, value, present)


def count_values(vector: Vector, label: str, labels: Sequence[str], *, by: bool) -> Vector:
    """``count_values``: how many series of a group have each value, which becomes a label."""
    if not label.isidentifier() or not label.isascii():
        raise BadQuery(f"invalid label name {label!r} in count_values", "use letters, digits and underscores")
    parts: list[tuple[Labels, Bools]] = []
    for row, whole in enumerate(vector.labels):
        mine = _group_labels(whole, labels, by=by)
        here = vector.present[row]
        for number in np.unique(vector.value[row][here]):
            same = np.isnan(vector.value[row]) if np.isnan(number) else vector.value[row] == number
            parts.append((mine | {label: _text(float(number))}, here & same))
    if not parts:
        return Vector.empty(vector.value.shape[1])
    ones = Vector([p[0] for p in parts], np.ones((len(parts), vector.value.shape[1])), np.array([p[1] for p in parts]))
    names = sorted({name for p in parts for name in p[0]})
    return merged(aggregate("sum", ones, names, by=True))


def _text(value: float) -> str:
    """A number as Go's ``FormatFloat(v, 'f', -1, 64)`` writes it."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")
