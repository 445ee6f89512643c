"""Bytes of a Prometheus answer to a SeriesSet, without a Python object per sample.

A matrix's text is nearly CSV: ``],[`` stands where a line ends, and quotes stand around numbers. msgspec finds where
each series begins and ends and leaves its samples undecoded; pyarrow's CSV reader turns all of them into floats at
once. It reads ``NaN``, ``+Inf`` and ``-Inf`` as Prometheus writes them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.errors import BadQuery, Refused
from meshlab.escape import plain
from meshlab.series import Query, SeriesSet

__all__ = ["Answer", "decode", "label_table", "read_answer", "read_series"]

_EMPTY = msgspec.Raw(b"")


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    values: msgspec.Raw = _EMPTY
    value: msgspec.Raw = _EMPTY
    histograms: msgspec.Raw = _EMPTY
    histogram: msgspec.Raw = _EMPTY


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815  (the name in the JSON)
    result: msgspec.Raw


class _Envelope(msgspec.Struct):
    status: str
    data: msgspec.Raw = _EMPTY
    errorType: str = ""  # noqa: N815
    error: str = ""
    warnings: list[str] | None = None
    infos: list[str] | None = None


_envelope = msgspec.json.Decoder(_Envelope)
_data = msgspec.json.Decoder(_Data)
_matrix = msgspec.json.Decoder(list[_Series])
_scalar = msgspec.json.Decoder(tuple[float, str])
_label_sets = msgspec.json.Decoder(list[dict[str, str]])


@dataclass(frozen=True, slots=True)
class Answer:
    """The envelope of an answer.

    Parameters
    ----------
    data : bytes-like
        The JSON below ``data``, undecoded.
    warnings, infos : tuple of str
    """

    data: msgspec.Raw
    warnings: tuple[str, ...]
    infos: tuple[str, ...]


def read_answer(body: bytes, origin: str) -> Answer:
    """Open the envelope.

    Parameters
    ----------
    body : bytes
        JSON text.
    origin : str
        Who answered, for messages.

    Raises
    ------
    Refused
        It is not the JSON of a Prometheus API, it is cut off, or it reports an error of the server.
    BadQuery
        It reports an error of the query.
    """
    try:
        envelope = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(
            f"{origin} did not answer as Prometheus does: {_glimpse(body)}",
            "check that it is the address of a Prometheus-compatible API, and that nothing in between cuts answers off",
        ) from None
    if envelope.status != "success":
        kind = envelope.errorType or "error"
        error = BadQuery if kind in ("bad_data", "execution", "422") else Refused
        hint = "correct the query" if error is BadQuery else "try again, or ask for less at once"
        raise error(f"{origin} refused the query ({plain(kind)}): {plain(envelope.error)}", hint)
    return Answer(envelope.data, tuple(envelope.warnings or ()), tuple(envelope.infos or ()))


def decode(answer: Answer, query: Query, origin: str) -> SeriesSet:
    """Turn the data of ``/api/v1/query`` or ``/api/v1/query_range`` into series.

    Parameters
    ----------
    answer : Answer
    query : Query
        The question; completed with the result's type, counts, warnings and infos.
    origin : str
        Who answered, for messages.

    Returns
    -------
    SeriesSet
        Sorted by labels. Native histograms are not decoded: a series that has them is named in ``query.failed``.

    Raises
    ------
    Refused
        The data is not what a Prometheus API answers.
    """
    try:
        data = _data.decode(answer.data)
        found = _matrix.decode(data.result) if data.resultType in ("matrix", "vector") else []
        single = _scalar.decode(data.result) if data.resultType == "scalar" else None
        if data.resultType == "string":
            raise Refused(f"{origin} answered with a string", "ask for a vector, a scalar or a matrix")
        if single is not None:
            found = [_Series(value=msgspec.Raw(data.result))]
        return _series_set(found, data.resultType, answer, query, origin)
    except (msgspec.DecodeError, ValueError, UnicodeDecodeError) as error:
        raise Refused(
            f"{origin} answered with data that cannot be read: {plain(error)}",
            "check that it is the address of a Prometheus-compatible API",
        ) from None


def read_series(answer: Answer, query: Query, origin: str) -> SeriesSet:
    """Turn the data of ``/api/v1/series`` into a label table without samples.

    Raises
    ------
    Refused
        The data is not a list of label sets.
    """
    try:
        metrics = _label_sets.decode(answer.data)
    except msgspec.DecodeError as error:
        raise Refused(f"{origin} answered with no list of series: {plain(error)}", "check the address") from None
    labels, _ = label_table(metrics)
    query = replace(query, result_type="series", warnings=answer.warnings, infos=answer.infos)
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


def _series_set(found: list[_Series], kind: str, answer: Answer, query: Query, origin: str) -> SeriesSet:
    labels, order = label_table([series.metric for series in found])
    ordered = [found[i] for i in order]
    texts = [bytes(series.values) or b"[" + bytes(series.value) + b"]" for series in ordered]
    # Two quotes a sample: a value is a quoted number.
    lengths = np.array([text.count(b'"') // 2 for text in texts], np.int64)
    time, value = _floats(texts, origin)
    if len(value) != int(lengths.sum()):
        raise ValueError("samples and their values do not match")
    native = [_describe(s.metric) for s in ordered if len(bytes(s.histograms)) or len(bytes(s.histogram))]
    query = replace(
        query,
        result_type=kind,
        warnings=answer.warnings,
        infos=answer.infos,
        points_expected=query.window.points * len(ordered) if query.window else len(value),
        points_got=len(value),
        failed=(*query.failed, *(f"native histogram of {name} was not read" for name in native)),
    )
    return SeriesSet(labels, np.repeat(np.arange(len(ordered), dtype=np.int32), lengths), time, value, query)


def _floats(texts: list[bytes], origin: str) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    from pyarrow import csv, float64, lib

    lines = b"\n".join(text for text in texts if b'"' in text)
    if not lines:
        return np.empty(0, "datetime64[ms]"), np.empty(0, np.float64)
    # Line ends first: brackets and quotes can then go in one pass.
    table_text = lines.replace(b"],[", b"\n").translate(None, b'[]" \r\t')
    try:
        table = csv.read_csv(
            io.BytesIO(table_text),
            read_options=csv.ReadOptions(column_names=["time", "value"]),
            convert_options=csv.ConvertOptions(
                column_types={"time": float64(), "value": float64()}, null_values=[], strings_can_be_null=False
            ),
        )
    except lib.ArrowInvalid as error:
        raise ValueError(str(error)) from None
    seconds, value = (table.column(name).to_numpy() for name in ("time", "value"))
    return np.rint(seconds * 1000.0).astype(np.int64).astype("datetime64[ms]"), value


def _describe(metric: dict[str, str]) -> str:
    return plain(metric.get("__name__") or metric)


def _glimpse(body: bytes) -> str:
    text = plain(body[:80].decode("utf-8", "replace")).strip()
    return f"it sent {text!r}" if text else "it sent nothing"
