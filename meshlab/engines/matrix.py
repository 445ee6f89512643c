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
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from meshlab.core.arrow import reader_of
from meshlab.core.sanitize import plain
from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Window
from meshlab.engines.envelope import Envelope, open_envelope, unreadable
from meshlab.engines.label_tables import MAX_SERIES, Counted, LabelTables, check_count, occurrences, read_table
from meshlab.errors import BadQuery, Refused

__all__ = ["decode", "only_histograms_lack", "read_floats"]

_ABSENT: Final = msgspec.Raw(b"")
_TO_CSV: Final = bytes.maketrans(b"[", b"\n")
_LATEST_S: Final = 1e12
_AT_ONCE: Final = 8 << 20
"""Bytes of text that become numbers at once."""
_NAMED: Final = 5
"""So many series are named one by one in a message."""
_UNREAD, _MORE_UNREAD = "the native histograms of", "nor those of"
_NUMBER: Final = re.compile(rb'"[^][\s"]*"')


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
    ordered: bool = False,
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
    ordered : bool
        Keep the order in which the series came.

    Returns
    -------
    SeriesSet
        Sorted by labels, but for `ordered`. Native histograms are not decoded: a series that has nothing else stays
        without samples and is named in ``query.failed``; one that has floats as well is named in ``query.warnings``.

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
            tables[text] = read_table(text, origin, max_series)
        labels, order, metrics = tables[text]
        found = [found[i] for i in order]
        texts = [series.samples(field) for series in found]
        lengths = np.array([_length(bytes(text), field) for text in texts], np.int64)
        texts = [text for text, length in zip(texts, lengths, strict=True) if length]
        time, value = _columns(texts, lengths[lengths > 0], lists=field == "values")
        if kind == "scalar" and len(value) != 1:
            raise ValueError("a scalar that is not one sample")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise unreadable(origin, error) from None
    native = [series.has_histograms() for series in found]
    mixed = [metric for metric, n, length in zip(metrics, native, lengths, strict=True) if n and length]
    lost = [metric for metric, n, length in zip(metrics, native, lengths, strict=True) if n and not length]
    query = replace(
        query,
        result_type=kind,
        warnings=(*envelope.warnings, *_unread(mixed)),
        infos=tuple(envelope.infos),
        points_expected=query.window.points * len(found) if isinstance(query.window, Window) else len(value),
        points_got=len(value),
        failed=(*_unread(lost), *envelope.failed),
    )
    answer = SeriesSet(labels, np.repeat(np.arange(len(found), dtype=np.int32), lengths), time, value, query)
    return answer.in_order(np.argsort(order).tolist()) if ordered else answer


def only_histograms_lack(query: Query) -> bool:
    """Whether all that an answer lacks are native histograms: asking again does not bring them."""
    return bool(query.failed) and all(text.startswith((_UNREAD, _MORE_UNREAD)) for text in query.failed)


def _opened(body: bytes, query: Query, origin: str, max_series: int) -> tuple[str, list[_Series], Envelope[Any]]:
    """The type of an answer, its series, and its envelope."""
    # Each series has two braces at least, its own and its labels'.
    few = occurrences(body, b"{") // 2 <= max_series
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
            check_count(data.result, list[Counted], origin, max_series)
        return data.resultType, msgspec.json.decode(data.result, type=list[_Series]), envelope
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise unreadable(origin, error) from None


def _length(text: bytes, field: str) -> int:
    """How many samples a series' text holds: each is a bracket, a time, and a value in two quotes."""
    samples = occurrences(text, b"[") - (field == "values" and text != b"")
    if occurrences(text, b'"') != 2 * samples:
        raise ValueError("a sample that is not a time with a quoted value")
    return samples


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
    # One pass: "[" ends a line, the rest of the JSON goes. The comma between two samples now stands at a line's end,
    # where it makes a third column, always empty; the last line gets its own.
    joined = b",".join([*texts, b""])
    lines = joined.translate(_TO_CSV, b']" \t\r\n')
    # What went is a bracket and two quotes a sample, and a bracket a list: anything else must stand between the parts.
    if len(joined) - len(lines) != plain_json and b'"' in _NUMBER.sub(b"", joined):
        raise ValueError("a value that is not a number")
    del joined
    seconds, value = read_floats(lines, ("time", "value", None))
    if not (np.abs(seconds) < _LATEST_S).all():
        raise ValueError("an invalid time")
    return seconds, value


def read_floats(
    lines: bytes, columns: Sequence[str | None], *, missing: Sequence[str] = ()
) -> list[NDArray[np.float64]]:
    """Read lines of numbers, such as ``1.5,NaN`` or ``+Inf``.

    Parameters
    ----------
    lines : bytes
    columns : sequence of str or None
        A name for each column, None for one that is always empty.
    missing : sequence of str
        Texts that stand for NaN.

    Returns
    -------
    list of ndarray of float64, shape (lines,)
        One for each column that has a name.

    Raises
    ------
    ValueError
        A text is not a number, or a line has other columns.
    """
    from pyarrow import csv, float64, lib

    named = [name for name in columns if name is not None]
    try:
        table = csv.read_csv(
            reader_of(lines),
            read_options=csv.ReadOptions(column_names=[name or "empty" for name in columns], block_size=_AT_ONCE // 2),
            parse_options=csv.ParseOptions(quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(named, float64()), null_values=list(missing), include_columns=named
            ),
        )
    except lib.ArrowInvalid as error:
        raise ValueError(str(error)) from None
    return [table.column(name).to_numpy() for name in named]


def _unread(metrics: list[dict[str, str]]) -> tuple[str, ...]:
    named = [f"{_UNREAD} {_describe(metric)} were not read" for metric in metrics[:_NAMED]]
    rest = len(metrics) - len(named)
    return (*named, f"{_MORE_UNREAD} {rest:,} more series") if rest else tuple(named)


def _describe(metric: dict[str, str]) -> str:
    inner = ",".join(f"{name}={value!r}" for name, value in sorted(metric.items()) if name != "__name__")
    return plain(f"{metric.get('__name__', '')}{{{inner}}}")[:200]
