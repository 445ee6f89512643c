"""Bytes of a Prometheus answer to a SeriesSet, without a Python object per sample.

A matrix's text is nearly CSV: every sample begins with a bracket, which can as well be the end of a line. msgspec finds
where each series begins and ends and leaves its samples undecoded; pyarrow's CSV reader turns those of all series into
floats at once. It reads ``NaN``, ``+Inf`` and ``-Inf`` as Prometheus writes them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final, Literal, TypeVar

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.sanitize import plain
from meshlab.core.series import Query, SeriesSet
from meshlab.engines.envelope import Envelope, open_envelope
from meshlab.errors import BadQuery, Refused, TooManySeries

__all__ = ["MAX_SERIES", "LabelTables", "decode", "label_table", "read_series"]

MAX_SERIES: Final = 200_000
"""Most series of one answer unless told otherwise."""

T = TypeVar("T")
_ABSENT: Final = msgspec.Raw(b"")
_TO_CSV: Final = bytes.maketrans(b"[", b"\n")
_LATEST_S: Final = 1e12
_AT_ONCE: Final = 8 << 20
"""Bytes of text that become numbers at once."""
_SHORT, _BLOCK = 1 << 12, 1 << 18
_NAMED: Final = 5
"""So many series are named one by one in a message."""
_LABELS_EACH: Final = 50
_LABELS_FREE: Final = 1_000_000
"""A label table may have so many cells for each series that is allowed, and so many in any case."""
_NUMBER: Final = re.compile(rb'"[^][\s"]*"')


LabelTables = dict[bytes, tuple[pd.DataFrame, list[int], list[dict[str, str]]]]
"""Label tables that were made for a question's earlier pieces, by the labels' own text: most pieces have the same."""


class _Series(msgspec.Struct):
    metric: msgspec.Raw
    values: msgspec.Raw = _ABSENT
    value: msgspec.Raw = _ABSENT
    histograms: msgspec.Raw = _ABSENT
    histogram: msgspec.Raw = _ABSENT

    def samples(self, field: str) -> msgspec.Raw:
        """The text of ``values`` or ``value``; a series that has neither must have histograms."""
        text = self.value if field == "value" else self.values
        if not memoryview(text) and not self.has_histograms():
            raise ValueError(f"a series without {field}")
        return text

    def has_histograms(self) -> bool:
        return bytes(self.histograms) not in (b"", b"[]", b"null") or bytes(self.histogram) not in (b"", b"null")


class _Metric:
    """Stands for labels that are counted and not kept."""


class _Counted(msgspec.Struct):
    metric: _Metric


class _Listed(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"[]")


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815  (the name in the JSON)
    result: msgspec.Raw


class _Vectors(msgspec.Struct):
    resultType: Literal["matrix", "vector"]  # noqa: N815
    result: list[_Series]


def decode(
    body: bytes,
    query: Query,
    origin: str,
    *,
    max_series: int = MAX_SERIES,
    tables: LabelTables | None = None,
) -> SeriesSet:
    """Turn an answer of ``/api/v1/query`` or ``/api/v1/query_range`` into series.

    Parameters
    ----------
    body : bytes
        JSON text.
    query : Query
        The question; completed with the result's type, counts, warnings and infos.
    origin : str
        Who answered, for messages.
    max_series : int
        Most series that are read; they are counted before their labels are decoded.
    tables : LabelTables, optional
        Shared by the pieces of one question.

    Returns
    -------
    SeriesSet
        Sorted by labels. Native histograms are not decoded: a series that has nothing else stays without samples and
        is named in ``query.failed``; one that has floats as well is named in ``query.warnings``.

    Raises
    ------
    TooManySeries
        More series than `max_series`, or more labels than so many series have.
    Refused
        The answer is not one of a Prometheus API, is cut off, or holds the same series twice.
    BadQuery
        The query is wrong, or answers with a string.
    """
    kind, found, envelope = _opened(body, query, origin, max_series)
    field = "values" if kind == "matrix" else "value"
    try:
        text = b"[" + b",".join([series.metric for series in found]) + b"]"
        tables = {} if tables is None else tables
        if text not in tables:
            tables[text] = _table(text, origin, max_series)
        labels, order, metrics = tables[text]
        found = [found[i] for i in order]
        texts = [series.samples(field) for series in found]
        lengths = np.array([_length(bytes(text), field) for text in texts], np.int64)
        texts = [text for text, length in zip(texts, lengths, strict=True) if length]
        time, value = _columns(texts, lengths[lengths > 0], lists=field == "values")
        if kind == "scalar" and len(value) != 1:
            raise ValueError("a scalar that is not one sample")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _unreadable(origin, error) from None
    native = [series.has_histograms() for series in found]
    mixed = [metric for metric, n, length in zip(metrics, native, lengths, strict=True) if n and length]
    lost = [metric for metric, n, length in zip(metrics, native, lengths, strict=True) if n and not length]
    query = replace(
        query,
        result_type=kind,
        warnings=(*envelope.warnings, *_unread(mixed)),
        infos=tuple(envelope.infos),
        points_expected=query.window.points * len(found) if query.window else len(value),
        points_got=len(value),
        failed=(*_unread(lost), *_partial(envelope.isPartial)),
    )
    return SeriesSet(labels, np.repeat(np.arange(len(found), dtype=np.int32), lengths), time, value, query)


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
        if _occurrences(body, b"{") > max_series:
            _count(msgspec.json.decode(body, type=_Listed).data, list[_Metric], origin, max_series)
        _check_labels(body, origin, max_series)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _unreadable(origin, error) from None
    metrics, envelope = open_envelope(body, Envelope[list[dict[str, str]]], origin)
    labels, _ = label_table(_labelled(metrics, origin, max_series))
    query = replace(
        query,
        result_type="series",
        warnings=tuple(envelope.warnings),
        infos=tuple(envelope.infos),
        failed=_partial(envelope.isPartial),
    )
    return SeriesSet(labels, np.empty(0, np.int32), np.empty(0, "datetime64[ms]"), np.empty(0), query)


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


def _opened(body: bytes, query: Query, origin: str, max_series: int) -> tuple[str, list[_Series], Envelope[Any]]:
    """The type of an answer, its series, and its envelope."""
    # Each series has two braces at least, its own and its labels'.
    few = _occurrences(body, b"{") // 2 <= max_series
    if few:
        # A good answer is read in one pass; whatever is odd about the others is found in two.
        with contextlib.suppress(msgspec.DecodeError, Refused, BadQuery):
            vectors, usual = open_envelope(body, Envelope[_Vectors], origin)
            return vectors.resultType, vectors.result, usual
    data, envelope = open_envelope(body, Envelope[_Data], origin)
    try:
        if data.resultType == "string":
            raise BadQuery(f"{plain(query.promql)!r} is a string", "ask for a vector, a scalar or a range")
        if data.resultType == "scalar":
            return "scalar", [_Series(metric=msgspec.Raw(b"{}"), value=data.result)], envelope
        if data.resultType not in ("matrix", "vector"):
            raise ValueError(f"a result of type {data.resultType!r}")
        if not few:
            _count(data.result, list[_Counted], origin, max_series)
        return data.resultType, msgspec.json.decode(data.result, type=list[_Series]), envelope
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _unreadable(origin, error) from None


def _count(text: msgspec.Raw, kind: type[list[T]], origin: str, max_series: int) -> None:
    """Count series one by one, keeping none of their labels, and stop at the first that is too many."""
    one, seen = _Metric(), 0

    def count(_: type, metric: object) -> _Metric:
        nonlocal seen
        if not isinstance(metric, dict):
            raise ValueError("labels that are none")
        seen += 1
        if seen > max_series:
            raise TooManySeries(
                f"{origin} answered with more than {max_series:,} series",
                "aggregate them, ask for fewer, or raise series in the limits of the profile",
            )
        return one

    msgspec.json.decode(text, type=kind, dec_hook=count)


def _table(text: bytes, origin: str, max_series: int) -> tuple[pd.DataFrame, list[int], list[dict[str, str]]]:
    """The label table of a list of label sets, where each row stood, and the label sets in the table's order."""
    _check_labels(text, origin, max_series)
    metrics = _labelled(msgspec.json.decode(text, type=list[dict[str, str]]), origin, max_series)
    labels, order = label_table(metrics)
    metrics = [metrics[i] for i in order]
    if any(one == next_one for one, next_one in pairwise(metrics)):
        raise ValueError("the same series twice")
    return labels, order, metrics


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


def _length(text: bytes, field: str) -> int:
    """How many samples a series' text holds: each is a bracket, a time, and a value in two quotes."""
    samples = _occurrences(text, b"[") - (field == "values" and text != b"")
    if _occurrences(text, b'"') != 2 * samples:
        raise ValueError("a sample that is no time with a quoted value")
    return samples


def _occurrences(text: bytes, byte: bytes) -> int:
    """``text.count(byte)``, several times faster where the byte is frequent."""
    if len(text) < _SHORT:
        return text.count(byte)
    blocks = (np.frombuffer(text, np.uint8, min(_BLOCK, len(text) - at), at) for at in range(0, len(text), _BLOCK))
    return sum(int(np.count_nonzero(block == byte[0])) for block in blocks)


def _columns(
    texts: list[msgspec.Raw], lengths: NDArray[np.int64], *, lists: bool
) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Times and values of ``[[seconds,"value"],...]`` texts, one after the other.

    Parameters
    ----------
    texts : list of msgspec.Raw
    lengths : ndarray of int64
        How many samples each holds.
    lists : bool
        Whether a text is a list of samples, or one sample.
    """
    ends = np.cumsum(lengths)
    time, value = np.empty(ends[-1] if len(ends) else 0, "datetime64[ms]"), np.empty(ends[-1] if len(ends) else 0)
    first = size = 0
    # Some texts at a time: their copies on the way to numbers are several times as large as they are.
    for at, text in enumerate(texts):
        size += memoryview(text).nbytes
        if size >= _AT_ONCE or at == len(texts) - 1:
            begin, end = int(ends[first] - lengths[first]), int(ends[at])
            plain_json = 3 * (end - begin) + (at + 1 - first if lists else 0)
            seconds, numbers = _pairs(texts[first : at + 1], plain_json)
            if len(numbers) != end - begin:
                raise ValueError("times and values do not pair up")
            # Seconds are written with milliseconds at most, so that rounding gives back the exact time.
            np.rint(seconds * 1000.0, out=time[begin:end].view(np.int64), casting="unsafe")
            value[begin:end] = numbers
            first, size = at + 1, 0
    return time, value


def _pairs(texts: list[msgspec.Raw], plain_json: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds and values of some texts, of which `plain_json` bytes are neither."""
    from pyarrow import BufferReader, csv, float64, lib

    # One pass: "[" ends a line, the rest of the JSON goes. The comma between two samples now stands at a line's end,
    # where it makes a third column, always empty; the last line gets its own.
    joined = b",".join([*texts, b""])
    lines = joined.translate(_TO_CSV, b']" \t\r\n')
    # What went is a bracket and two quotes a sample, and a bracket a list: anything else must stand between the parts.
    if len(joined) - len(lines) != plain_json and b'"' in _NUMBER.sub(b"", joined):
        raise ValueError("a value that is no number")
    del joined
    try:
        table = csv.read_csv(
            BufferReader(lines),
            read_options=csv.ReadOptions(column_names=["time", "value", "nothing"], block_size=_AT_ONCE // 2),
            parse_options=csv.ParseOptions(quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types={"time": float64(), "value": float64()},
                null_values=[],
                include_columns=["time", "value"],
            ),
        )
    except lib.ArrowInvalid as error:
        raise ValueError(str(error)) from None
    seconds, value = (table.column(name).to_numpy() for name in ("time", "value"))
    if not (np.abs(seconds) < _LATEST_S).all():
        raise ValueError("a time is no time")
    return seconds, value


def _unreadable(origin: str, error: Exception) -> Refused:
    return Refused(
        f"{origin} answered with data that cannot be read ({plain(error)[:120]})",
        "check that it is the address of a Prometheus-compatible API",
    )


def _partial(partial: bool) -> tuple[str, ...]:
    return ("the store says that a part of its storage did not answer",) if partial else ()


def _unread(metrics: list[dict[str, str]]) -> tuple[str, ...]:
    named = [f"the native histograms of {_describe(metric)} were not read" for metric in metrics[:_NAMED]]
    rest = len(metrics) - len(named)
    return (*named, f"nor those of {rest:,} more series") if rest else tuple(named)


def _describe(metric: dict[str, str]) -> str:
    inner = ",".join(f"{name}={value!r}" for name, value in sorted(metric.items()) if name != "__name__")
    return plain(f"{metric.get('__name__', '')}{{{inner}}}")[:200]
