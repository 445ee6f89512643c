"""Bytes of a Prometheus answer to a SeriesSet, without a Python object per sample.

A matrix's text is nearly CSV: every sample begins with a bracket, which can as well be the end of a line. msgspec finds
where each series begins and ends and leaves its samples undecoded; pyarrow's CSV reader turns those of all series into
floats at once. It reads ``NaN``, ``+Inf`` and ``-Inf`` as Prometheus writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.engines.envelope import Envelope, open_envelope
from meshlab.errors import BadQuery, Refused, TooMuch
from meshlab.escape import plain
from meshlab.series import Query, SeriesSet

__all__ = ["LabelTables", "decode", "label_table", "read_series"]

_ABSENT: Final = msgspec.Raw(b"")
_TO_CSV: Final = bytes.maketrans(b"[", b"\n")
_LATEST_S: Final = 1e12
_NAMED: Final = 5
"""So many series are named one by one in a message."""


LabelTables = dict[bytes, tuple[pd.DataFrame, list[int]]]
"""Label tables that were made for a question's earlier pieces, by the labels' own text: most pieces have the same."""


class _Series(msgspec.Struct):
    metric: msgspec.Raw = _ABSENT
    values: msgspec.Raw = _ABSENT
    value: msgspec.Raw = _ABSENT
    histograms: msgspec.Raw = _ABSENT
    histogram: msgspec.Raw = _ABSENT

    def samples(self) -> msgspec.Raw:
        return self.values if memoryview(self.values) else self.value

    def has_histograms(self) -> bool:
        return bytes(self.histograms) not in (b"", b"[]", b"null") or bytes(self.histogram) not in (b"", b"null")


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815  (the name in the JSON)
    result: msgspec.Raw


def decode(
    body: bytes,
    query: Query,
    origin: str,
    *,
    max_series: int = 200_000,
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
        Most series that are read.
    tables : LabelTables, optional
        Shared by the pieces of one question.

    Returns
    -------
    SeriesSet
        Sorted by labels. Native histograms are not decoded: a series that has nothing else stays without samples and
        is named in ``query.failed``; one that has floats as well is named in ``query.warnings``.

    Raises
    ------
    Refused
        The answer is not one of a Prometheus API, or is cut off.
    BadQuery
        The query is wrong, or answers with a string.
    """
    data, envelope = open_envelope(body, Envelope[_Data], origin)
    if data.resultType == "string":
        raise BadQuery(f"{plain(query.promql)!r} is a string", "ask for a vector, a scalar or a range")
    try:
        if data.resultType in ("matrix", "vector"):
            found = msgspec.json.decode(data.result, type=list[_Series])
        elif data.resultType == "scalar":
            found = [_Series(value=data.result)]
        else:
            raise ValueError(f"a result of type {data.resultType!r}")
        if len(found) > max_series:
            raise _too_many(origin, len(found), max_series)
        labels, order = _labels([series.metric for series in found], tables)
        found = [found[i] for i in order]
        # A value is a quoted number: two quotes a sample.
        lengths = np.array([bytes(series.samples()).count(b'"') // 2 for series in found], np.int64)
        time, value = _columns([s.samples() for s, length in zip(found, lengths, strict=True) if length])
        if len(value) != int(lengths.sum()) or (data.resultType == "scalar" and len(value) != 1):
            raise ValueError("times and values do not pair up")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refused(
            f"{origin} answered with data that cannot be read ({plain(error)[:120]})",
            "check that it is the address of a Prometheus-compatible API",
        ) from None
    native = [series.has_histograms() for series in found]
    mixed = [_metric(s.metric) for s, n, length in zip(found, native, lengths, strict=True) if n and length]
    lost = [_metric(s.metric) for s, n, length in zip(found, native, lengths, strict=True) if n and not length]
    query = replace(
        query,
        result_type=data.resultType,
        warnings=(*(envelope.warnings or ()), *_unread(mixed)),
        infos=tuple(envelope.infos or ()),
        points_expected=query.window.points * len(found) if query.window else len(value),
        points_got=len(value),
        failed=_unread(lost),
    )
    return SeriesSet(labels, np.repeat(np.arange(len(found), dtype=np.int32), lengths), time, value, query)


def read_series(body: bytes, query: Query, origin: str, *, max_series: int = 200_000) -> SeriesSet:
    """Turn an answer of ``/api/v1/series`` into a label table without samples.

    Raises
    ------
    Refused
        The answer is not a list of label sets.
    BadQuery
        The selector is wrong.
    """
    found, envelope = open_envelope(body, Envelope[list[msgspec.Raw]], origin)
    if len(found) > max_series:
        raise _too_many(origin, len(found), max_series)
    try:
        labels, _ = _labels(found, None)
    except msgspec.DecodeError as error:
        raise Refused(
            f"{origin} answered with labels that cannot be read ({plain(error)[:120]})",
            "check that it is the address of a Prometheus-compatible API",
        ) from None
    said = (tuple(envelope.warnings or ()), tuple(envelope.infos or ()))
    query = replace(query, result_type="series", warnings=said[0], infos=said[1])
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


def _labels(metrics: list[msgspec.Raw], tables: LabelTables | None) -> tuple[pd.DataFrame, list[int]]:
    if tables is None:
        return label_table([_metric(metric) for metric in metrics])
    text = b",".join(metrics)
    found = tables.get(text)
    if found is None:
        found = tables[text] = label_table([_metric(metric) for metric in metrics])
    return found


def _metric(text: msgspec.Raw) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str]) if memoryview(text) else {}


def _too_many(origin: str, found: int, most: int) -> TooMuch:
    return TooMuch(
        f"the answer of {origin} has {found:,} series, more than {most:,}",
        "aggregate them, or raise limits.series in the profile",
    )


def _columns(texts: list[msgspec.Raw]) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Times and values of ``[[seconds,"value"],...]`` texts, one after the other."""
    from pyarrow import BufferReader, csv, float64, lib

    if not texts:
        return np.empty(0, "datetime64[ms]"), np.empty(0, np.float64)
    # One pass: "[" ends a line, the rest of the JSON goes. The comma between two samples now stands at a line's end,
    # where it makes a third column, always empty; the last line gets its own.
    lines = b",".join(texts).translate(_TO_CSV, b']" \t\r\n') + b","
    try:
        table = csv.read_csv(
            BufferReader(lines),
            read_options=csv.ReadOptions(column_names=["time", "value", "nothing"], block_size=4 << 20),
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
    # Seconds are written with milliseconds at most, so that rounding gives back the exact time.
    return np.rint(seconds * 1000.0).astype(np.int64).astype("datetime64[ms]"), value


def _unread(metrics: list[dict[str, str]]) -> tuple[str, ...]:
    named = [f"the native histograms of {_describe(metric)} were not read" for metric in metrics[:_NAMED]]
    rest = len(metrics) - len(named)
    return (*named, f"nor those of {rest:,} more series") if rest else tuple(named)


def _describe(metric: dict[str, str]) -> str:
    inner = ",".join(f"{name}={value!r}" for name, value in sorted(metric.items()) if name != "__name__")
    return plain(f"{metric.get('__name__', '')}{{{inner}}}")[:200]
