"""Prometheus's JSON: whole answers of the API, their parts, and the bare list of series that clients save."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np

from meshlab.core.sanitize import plain, shortened
from meshlab.core.series import Query
from meshlab.engines.label_tables import MAX_SERIES, occurrences
from meshlab.engines.matrix import decode
from meshlab.errors import EngineError, ParameterError
from meshlab.recordings.assembly import Batch, described
from meshlab.recordings.importers.file import ImportedFile
from meshlab.recordings.importers.format import Hints

__all__ = ["PrometheusJson"]

_ABSENT: Final = msgspec.Raw(b"")
_EMPTY: Final = (b"", b"null", b"[]")
_OPENS: Final = (b"[", b"{")
_BEGINS: Final = re.compile(r'\s*+(?:\[\s*+[{\]]|\{\s*+(?:"(?:[^"\\]|\\.)*+"\s*+:|\}))')
"""Labels in braces, as the text format writes them, have no colon."""
_AT_ONCE: Final = 16 << 20
"""Bytes of text that are read together."""
_LABELS: Final = 1 << 16
_Sample = tuple[float, str | float | None]


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    values: msgspec.Raw = _ABSENT
    value: msgspec.Raw = _ABSENT
    histograms: msgspec.Raw = _ABSENT
    histogram: msgspec.Raw = _ABSENT


class _Document(msgspec.Struct):
    status: str = "success"
    error: str = ""
    data: msgspec.Raw = _ABSENT
    result: msgspec.Raw = _ABSENT
    resultType: str = ""  # noqa: N815  (the name in the JSON)
    warnings: list[str] | None = None


class PrometheusJson:
    """Answers of ``/api/v1/query`` and ``/api/v1/query_range``."""

    name = "Prometheus JSON"
    takes: frozenset[str] = frozenset()
    left_open = False

    def recognises(self, file: ImportedFile, hints: Hints) -> bool:
        """It begins as a JSON object or a list of such."""
        return _BEGINS.match(file.head_text) is not None

    def read(self, file: ImportedFile, hints: Hints) -> Iterator[Batch]:
        """See `Format`."""
        text = file.whole().removeprefix(b"\xef\xbb\xbf")
        # A series has two braces, and some are left for its labels' values.
        if occurrences(text, b"{") > 4 * MAX_SERIES:
            raise ParameterError(f"{file.name} holds more than {MAX_SERIES:,} series", "import a part of it")
        kind, series, warnings = self._series(text, file)
        del text
        for some in _batches(series):
            yield self._fast(kind, some, warnings, file) or self._slow(some, warnings, file)

    @staticmethod
    def _fast(kind: str, series: list[msgspec.Raw], warnings: tuple[str, ...], file: ImportedFile) -> Batch | None:
        """As an answer that arrives is read, without an object a sample; None where it is odd in any way."""
        kind = kind or ("matrix" if b'"values"' in memoryview(series[0])[:_LABELS].tobytes() else "vector")
        body = b'{"status":"success","data":{"resultType":"%b","result":[%b]}}' % (kind.encode(), b",".join(series))
        try:
            found = decode(body, Query("", file.name), file.name, max_series=MAX_SERIES)
        except EngineError:
            return None
        if not len(found.sid) or found.query.failed or (np.diff(found.starts) == 0).any():
            return None
        metrics = [{str(n): str(v) for n, v in row.items()} for row in found.labels.to_dict("records")]
        time = found.time.astype("datetime64[ms]", copy=False).view(np.int64)
        return Batch(metrics, found.sid, time, found.value, (*warnings, *found.query.warnings))

    def _slow(self, series: list[msgspec.Raw], warnings: tuple[str, ...], file: ImportedFile) -> Batch:
        """Whatever a client has made of it: numbers that are no texts, labels in another order, nulls."""
        if sum(memoryview(text).nbytes for text in series) > 4 * _AT_ONCE:
            raise ParameterError(f"{file.name} has a series that is too long to be read", "split it")
        metrics: list[dict[str, str]] = []
        sid: list[int] = []
        time: list[float] = []
        value: list[float] = []
        for text in series:
            one = self._decoded(text, _Series, file)
            metrics.append(one.metric)
            for at, number in self._samples(one, file):
                sid.append(len(metrics) - 1)
                time.append(at)
                value.append(number)
        return self._batch(metrics, sid, time, value, warnings, file)

    def _series(self, text: bytes, file: ImportedFile) -> tuple[str, list[msgspec.Raw], tuple[str, ...]]:
        """The kind of answer and its series, however much of the envelope is around them."""
        warnings: tuple[str, ...] = ()
        kind = ""
        found = msgspec.Raw(text.strip())
        while _first(found) != b"[":
            document = self._decoded(found, _Document, file)
            if document.status != "success":
                raise ParameterError(
                    f"{file.name} is an error that a server answered: {shortened(document.error, 120)!r}",
                    "ask the server again",
                )
            warnings += tuple(map(plain, document.warnings or ()))
            kind = document.resultType or kind
            inner = document.data if _first(document.data) in _OPENS else document.result
            if _first(inner) not in _OPENS:
                raise ParameterError(
                    f"{file.name} is JSON without series: it has neither data nor a result",
                    "import an answer of /api/v1/query or /api/v1/query_range",
                )
            found = inner
        if kind == "string":
            raise ParameterError(f"{file.name} is the answer of a string", "import an answer with series")
        if kind == "scalar":
            return kind, [msgspec.Raw(b'{"value":%b}' % bytes(found))], warnings
        return kind, self._decoded(found, list[msgspec.Raw], file), warnings

    def _samples(self, one: _Series, file: ImportedFile) -> Iterator[tuple[float, float]]:
        samples = self._decoded(one.values, list[_Sample], file) if bytes(one.values) not in _EMPTY else []
        if bytes(one.value) not in _EMPTY:
            samples.append(self._decoded(one.value, _Sample, file))
        if not samples:
            if any(bytes(text) not in _EMPTY for text in (one.histograms, one.histogram)):
                raise ParameterError(
                    f"{file.name} has native histograms in {described(one.metric)}, which are not recorded",
                    "leave them out, or export classic buckets",
                )
            if bytes(one.values) != b"[]":
                raise ParameterError(
                    f"{file.name} lists series without samples, such as {described(one.metric) or '{}'}",
                    "import an answer of /api/v1/query or /api/v1/query_range",
                )
        for at, value in samples:
            # JSON has no NaN: what writes null there had no number.
            if value is not None:
                yield at, self._number(value, one, file)

    @staticmethod
    def _number(value: str | float, one: _Series, file: ImportedFile) -> float:
        try:
            if isinstance(value, str) and ("_" in value or value != value.strip()):
                raise ValueError
            return float(value)
        except ValueError:
            text = shortened(value, 40)
            raise ParameterError(f"{file.name} has the value {text!r} in {described(one.metric)}", "mend it") from None

    @staticmethod
    def _decoded(text: msgspec.Raw, kind: Any, file: ImportedFile) -> Any:
        try:
            return msgspec.json.decode(text, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            whole = "cut off" if "truncated" in str(error) else "not the JSON of Prometheus"
            raise ParameterError(f"{file.name} is {whole} ({plain(error)})", "export it again") from None

    @staticmethod
    def _batch(
        metrics: list[dict[str, str]],
        sid: list[int],
        time: list[float],
        value: list[float],
        warnings: tuple[str, ...],
        file: ImportedFile,
    ) -> Batch:
        seconds = np.array(time, np.float64)
        if not (np.abs(seconds) < 1e14).all():
            raise ParameterError(f"{file.name} has a time beyond all years", "check the unit of its times")
        stamps = np.rint(seconds * 1000.0).astype(np.int64)
        return Batch(metrics, np.array(sid, np.int32), stamps, np.array(value, np.float64), warnings)


def _batches(series: list[msgspec.Raw]) -> Iterator[list[msgspec.Raw]]:
    """Some megabytes of series at a time."""
    some: list[msgspec.Raw] = []
    size = 0
    for text in series:
        some.append(text)
        size += memoryview(text).nbytes
        if size >= _AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _first(text: msgspec.Raw) -> bytes:
    """The first byte of a JSON text, which msgspec keeps without the spaces around it."""
    return bytes(memoryview(text)[:1])
