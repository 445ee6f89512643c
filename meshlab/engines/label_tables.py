"""Label tables of answers: one row a series, counted and bounded before they are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, TypeVar

import msgspec
import numpy as np
import pandas as pd

from meshlab.core.series import Query, SeriesSet
from meshlab.engines.envelope import Envelope, open_envelope, unreadable
from meshlab.errors import TooManySeries

__all__ = [
    "MAX_SERIES",
    "Counted",
    "LabelTables",
    "check_count",
    "label_table",
    "occurrences",
    "read_series",
    "read_table",
]

T = TypeVar("T")
MAX_SERIES: Final = 200_000
"""Most series of one answer by default."""
_SHORT, _BLOCK = 1 << 12, 1 << 18
_LABELS_EACH: Final = 50
_LABELS_FREE: Final = 1_000_000
"""A label table may have so many cells for each series that is allowed, and so many in any case."""

LabelTables = dict[bytes, tuple[pd.DataFrame, list[int], list[dict[str, str]]]]
"""Label tables that were made for a question's earlier chunks, by the labels' own text: most chunks have the same."""


class Metric:
    """Stands for labels that are counted and not kept."""


class Counted(msgspec.Struct):
    """A series whose labels are counted and not kept."""

    metric: Metric


class _Listed(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"[]")


def label_table(metrics: Sequence[dict[str, str]]) -> tuple[pd.DataFrame, list[int]]:
    """Label sets as a table, one row a series, sorted; and where each row stood.

    Returns
    -------
    DataFrame, list of int
        An absent label is the empty string. The list holds each row's place in `metrics`.
    """
    names = sorted({name for metric in metrics for name in metric})
    rows = [tuple(metric.get(name, "") for name in names) for metric in metrics]
    order = sorted(range(len(rows)), key=rows.__getitem__)
    columns = {name: [rows[i][at] for i in order] for at, name in enumerate(names)}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)), dtype="str"), order


def read_series(body: bytes, query: Query, origin: str, *, max_series: int = MAX_SERIES) -> SeriesSet:
    """Turn an answer of ``/api/v1/series`` into a label table without samples.

    Raises
    ------
    TooManySeries
        More series than `max_series`, or more labels than so many series have.
    Refused
        The answer is not a list of label sets.
    BadQuery
        The selector is wrong.
    """
    try:
        if occurrences(body, b"{") > max_series:
            check_count(msgspec.json.decode(body, type=_Listed).data, list[Metric], origin, max_series)
        _check_labels(body, origin, max_series)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise unreadable(origin, error) from None
    metrics, envelope = open_envelope(body, Envelope[list[dict[str, str]]], origin)
    labels, _ = label_table(_labelled(metrics, origin, max_series))
    query = replace(
        query,
        result_type="series",
        warnings=tuple(envelope.warnings),
        infos=tuple(envelope.infos),
        failed=envelope.failed,
    )
    return SeriesSet(labels, np.empty(0, np.int32), np.empty(0, "datetime64[ms]"), np.empty(0), query)


def read_table(text: bytes, origin: str, max_series: int) -> tuple[pd.DataFrame, list[int], list[dict[str, str]]]:
    """The label table of a list of label sets, where each row stood, and the label sets in the table's order."""
    _check_labels(text, origin, max_series)
    metrics = _labelled(msgspec.json.decode(text, type=list[dict[str, str]]), origin, max_series)
    labels, order = label_table(metrics)
    metrics = [metrics[i] for i in order]
    if any(before == after for before, after in pairwise(metrics)):
        raise ValueError("the same series twice")
    return labels, order, metrics


def check_count(text: msgspec.Raw, kind: type[list[T]], origin: str, max_series: int) -> None:
    """Count series one by one, keeping none of their labels, and stop at the first that is too many."""
    placeholder, series = Metric(), 0

    def count(_: type, metric: object) -> Metric:
        nonlocal series
        if not isinstance(metric, dict):
            raise ValueError("invalid labels")
        series += 1
        if series > max_series:
            raise TooManySeries(
                f"{origin} answered with more than {max_series:,} series",
                "aggregate them, ask for fewer, or raise series in the limits of the profile",
            )
        return placeholder

    msgspec.json.decode(text, type=kind, dec_hook=count)


def _check_labels(text: bytes, origin: str, max_series: int) -> None:
    """Refuse a text that may hold more labels than memory should: a label takes four quotes."""
    if text.count(b'"') // 4 > _most_labels(max_series):
        raise _too_many_labels(origin, max_series)


def _labelled(metrics: list[dict[str, str]], origin: str, max_series: int) -> list[dict[str, str]]:
    """Label sets for a table: a label whose value is empty is none, and not every series has names of its own."""
    if any("" in metric.values() for metric in metrics):
        metrics = [{name: value for name, value in metric.items() if value} for metric in metrics]
    # A table has a cell for each series and each name that any of them has.
    if len(metrics) * len({name for metric in metrics for name in metric}) > _most_labels(max_series):
        raise _too_many_labels(origin, max_series)
    return metrics


def _most_labels(max_series: int) -> int:
    return max(_LABELS_FREE, _LABELS_EACH * max_series)


def _too_many_labels(origin: str, max_series: int) -> TooManySeries:
    return TooManySeries(
        f"{origin} answered with more than {_most_labels(max_series):,} labels",
        "aggregate the series by fewer labels, or ask for fewer",
    )


def occurrences(text: bytes, byte: bytes) -> int:
    """``text.count(byte)``, several times faster where the byte is frequent."""
    if len(text) < _SHORT:
        return text.count(byte)
    blocks = (np.frombuffer(text, np.uint8, min(_BLOCK, len(text) - at), at) for at in range(0, len(text), _BLOCK))
    return sum(int(np.count_nonzero(block == byte[0])) for block in blocks)
