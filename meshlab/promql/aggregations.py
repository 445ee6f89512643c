"""Aggregations over series (promql/engine.go: aggregation)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from meshlab.core.sanitize import plain
from meshlab.errors import BadQuery
from meshlab.promql.labels import is_label_name
from meshlab.promql.over_time import sorted_quantile
from meshlab.promql.sums import CANCELS, compensated
from meshlab.promql.values import METRIC, Bools, Floats, Ints, Key, Labels, Vector, key, without

__all__ = ["AGGREGATIONS", "SMALLER", "Groups", "aggregate", "count_values", "quantile", "ranked"]

SMALLER: Final = 2.0**-64
_LARGEST_K: Final = 2.0**63


class Groups:
    """Series in groups: a stable order in which each group is one run of rows."""

    def __init__(self, vector: Vector, names: Sequence[str], *, by: bool) -> None:
        numbers: dict[Key, int] = {}
        self.labels: list[Labels] = []
        group = np.empty(len(vector.labels), np.int64)
        for row, whole in enumerate(vector.labels):
            kept = tuple([whole.get(name, "") for name in names]) if by else _group_labels(whole, names, by=by)
            number = numbers.setdefault(kept if isinstance(kept, tuple) else key(kept), len(numbers))
            if number == len(self.labels):
                self.labels.append(_group_labels(whole, names, by=by))
            group[row] = number
        self.order = np.argsort(group, kind="stable")
        self.first = np.searchsorted(group[self.order], np.arange(len(self.labels)))
        self.size = np.bincount(group, minlength=len(self.labels))

    def fold(self, ufunc: np.ufunc, x: Floats) -> Floats:
        """Reduce the rows of each group; shape (groups, steps)."""
        if not len(self.labels):
            return np.empty((0, x.shape[1]))
        reduced: Floats = ufunc.reduceat(x[self.order], self.first, axis=0)
        return reduced

    def total(self, x: Floats, present: Bools, start: Floats | None = None) -> Floats:
        """Add the present rows of each group to what there is, one after the other; shape (groups, steps).

        In this order, as Prometheus adds them, the sum of all rows is the same however they come in batches.
        """
        steps = x.shape[1]
        # Of the zeros, this is the one that changes nothing it is added to.
        found = np.full((len(self.labels), steps), -0.0) if start is None else start
        if not present.all():
            x = np.where(present, x, -0.0)
        longest = int(self.size.max(initial=0))
        if len(self.labels) > longest:
            for member in range(longest):
                some = np.flatnonzero(self.size > member)
                found[some] += x[self.order[self.first[some] + member]]
            return found
        for number, rows in enumerate(self.runs()):
            members = np.concatenate([found[number : number + 1], x[rows]])
            # Along the only axis, numpy would add in pairs.
            found[number] = np.add.reduce(members, axis=0) if steps > 1 else np.add.accumulate(members)[-1]
        return found

    def count(self, present: Bools) -> Floats:
        """Present rows of each group; shape (groups, steps)."""
        if present.all():
            return np.repeat(self.size[:, None].astype(np.float64), present.shape[1], axis=1)
        return self.fold(np.add, present.astype(np.float64))

    def runs(self) -> list[Ints]:
        """Rows of each group."""
        return np.split(self.order, self.first[1:]) if len(self.labels) else []


def _group_labels(labels: Labels, names: Sequence[str], *, by: bool) -> Labels:
    if by:
        return {name: labels[name] for name in names if labels.get(name)}
    return without(labels, (*names, METRIC))


def aggregate(name: str, vector: Vector, labels: Sequence[str], *, by: bool, left_open: bool) -> Vector:
    """Aggregate each group to one series.

    Parameters
    ----------
    name : str
        A key of `AGGREGATIONS`.
    vector : Vector
    labels : sequence of str
    by : bool
        Keep these labels; otherwise drop them and the metric's name.
    left_open : bool
        Whether Prometheus 3's rules hold: in Prometheus 2, one member alone has no deviation, whatever it is.
    """
    groups = Groups(vector, labels, by=by)
    count = groups.count(vector.present)
    with np.errstate(all="ignore"):
        value = AGGREGATIONS[name](groups, vector, count)
    if name in ("stddev", "stdvar") and not left_open:
        value = np.where(count == 1, 0.0, value)
    return Vector(groups.labels, value, count > 0)


def _sum(groups: Groups, vector: Vector, _: Floats) -> Floats:
    found = groups.total(vector.value, vector.present)
    x = vector.value if vector.present.all() else np.where(vector.present, vector.value, 0.0)
    if not (x < 0).any():
        return found
    group, step = np.nonzero(np.abs(found) < CANCELS * groups.total(np.abs(x), vector.present))
    if len(group):
        steps = x.shape[1]
        begin = groups.first[group] * steps + step
        found[group, step] = compensated(x[groups.order].ravel(), begin, groups.size[group], steps)
    return found


def _mean(groups: Groups, vector: Vector, count: Floats) -> Floats:
    found = _sum(groups, vector, count) / count
    if np.isinf(found[count > 0]).any():
        # Prometheus's running mean does not overflow where the sum does.
        smaller = Vector(vector.labels, vector.value * SMALLER, vector.present)
        return np.where(np.isinf(found), _sum(groups, smaller, count) / count / SMALLER, found)
    return found


def _variance(groups: Groups, vector: Vector, count: Floats) -> Floats:
    # Measured from each group's first member, as Prometheus's running mean is: equal members vary by exactly 0.
    apart = np.empty_like(vector.value)
    steps = np.arange(vector.value.shape[1])
    runs = groups.runs()
    for rows in runs:
        apart[rows] = vector.value[rows] - vector.value[rows[vector.present[rows].argmax(axis=0)], steps]
    mean = _sum(groups, Vector(vector.labels, apart, vector.present), count) / count
    for number, rows in enumerate(runs):
        apart[rows] -= mean[number]
    return groups.fold(np.add, np.where(vector.present, apart**2, 0.0)) / count


AGGREGATIONS: Final[dict[str, Callable[[Groups, Vector, Floats], Floats]]] = {
    "sum": _sum,
    "avg": _mean,
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

    Raises
    ------
    BadQuery
        `k` is not a number, or a very large one.
    """
    for odd in k[~(np.abs(k) < _LARGEST_K)][:1]:
        raise BadQuery(f"Scalar value {odd} overflows int64", "give the number of series as a whole number")
    chosen = np.zeros(vector.present.shape, np.bool_)
    wanted = k.astype(np.int64)
    for rows in Groups(vector, labels, by=by).runs():
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
    groups = Groups(vector, labels, by=by)
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


def count_values(vector: Vector, label: str, labels: Sequence[str], *, by: bool, left_open: bool) -> Vector:
    """``count_values``: how many series of a group have each value, which becomes a label.

    Raises
    ------
    BadQuery
        The label's name is none.
    """
    if not is_label_name(label, left_open=left_open):
        raise BadQuery(f"invalid label name {plain(label)!r} in count_values", "use letters, digits and underscores")
    counts: dict[Key, tuple[Labels, Floats]] = {}
    for row, whole in enumerate(vector.labels):
        mine = _group_labels(whole, labels, by=by)
        bits = np.ascontiguousarray(vector.value[row]).view(np.uint64)
        # By bits, so that -0 is distinguished from 0, as its text is.
        for pattern in np.unique(bits[vector.present[row]]):
            full = {**mine, label: _text(float(pattern.view(np.float64)))}
            full = full if by else without(full, labels)
            counted = counts.setdefault(key(full), (full, np.zeros(vector.value.shape[1])))[1]
            counted += vector.present[row] & (bits == pattern)
    if not counts:
        return Vector.empty(vector.value.shape[1])
    value = np.array([counted for _, counted in counts.values()])
    return Vector([full for full, _ in counts.values()], value, value > 0)


def _text(value: float) -> str:
    """A number as Go's ``FormatFloat(v, 'f', -1, 64)`` writes it."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")
