"""Prometheus's remote read (prompb/remote.proto), of which one thing is wanted that no query tells: when series ended.

A request and its answer are Protocol Buffers in snappy's block format. Samples are not decoded: the bits of a stale
marker (model/value/value.go) are looked for among them, at the place of a sample's value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from meshlab.core.selector import Matcher, Op
from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Span
from meshlab.engines.label_tables import label_table
from meshlab.errors import Refused, TooMuch

__all__ = ["HEADERS", "read_request", "stale_markers"]

HEADERS: Final = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "Accept-Encoding": "identity",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
}
_TYPES: Final = {Op.EQUAL: 0, Op.DIFFERS: 1, Op.MATCHES: 2, Op.MATCHES_NOT: 3}
_STALE: Final = 0x7FF0000000000002
_MARKER: Final = b"\x09" + _STALE.to_bytes(8, "little") + b"\x10"
"""The value of a sample that is a stale marker, and the tag of its timestamp."""
_BYTES: Final = 2
"""The wire type of texts and messages."""


def read_request(matchers: Sequence[Matcher], spans: Sequence[Span]) -> bytes:
    """A request for the samples of some series in some spans."""
    import pyarrow as pa

    conditions = b"".join(
        _message(3, _number(1, _TYPES[m.op]) + _message(2, m.name.encode()) + _message(3, m.value.encode()))
        for m in matchers
    )
    # Both ends belong to a query, and the start not to a span.
    queries = (_number(1, span.start_ms + 1) + _number(2, span.end_ms) + conditions for span in spans)
    return bytes(pa.compress(b"".join(_message(1, query) for query in queries), codec="snappy", asbytes=True))


def stale_markers(body: bytes, query: Query, origin: str, *, max_bytes: int) -> SeriesSet:
    """The stale markers in an answer, each as a NaN of its bits; series without one are left out.

    Raises
    ------
    TooMuch
        It is longer than `max_bytes`, unpacked.
    Refused
        It is no answer of remote read.
    """
    metrics: list[dict[str, str]] = []
    sid: list[int] = []
    time: list[int] = []
    try:
        text = _unpacked(body, origin, max_bytes)
        for _, begin, end in _fields(text, 0, len(text), 1):
            for _, first, last in _fields(text, begin, end, 1):
                found = list(_times(text, first, last))
                if found:
                    sid += [len(metrics)] * len(found)
                    time += found
                    metrics.append(_labels(text, first, last))
    except (ValueError, IndexError, UnicodeDecodeError, OSError):
        raise Refused(f"{origin} did not answer as remote read does", "check for a proxy in between") from None
    labels, order = label_table(metrics)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    numbers = place[np.array(sid, np.int32)]
    stamps = np.array(time, np.int64)
    by = np.lexsort((stamps, numbers))
    bits = np.full(len(by), _STALE, np.uint64)
    return SeriesSet(labels, numbers[by], stamps[by].view("datetime64[ms]"), bits.view(np.float64), query)


def _unpacked(body: bytes, origin: str, max_bytes: int) -> bytes:
    import pyarrow as pa

    size, _ = _varint(body, 0) if body else (0, 0)
    if size > max_bytes:
        raise TooMuch(f"the answer of {origin} is longer than {max_bytes:,} bytes", "ask for a shorter window")
    return bytes(pa.decompress(body, size, codec="snappy", asbytes=True)) if size else b""


def _times(text: bytes, begin: int, end: int) -> Iterator[int]:
    """When a series has markers."""
    at = text.find(_MARKER, begin, end)
    while at >= 0:
        time, after = _varint(text, at + len(_MARKER))
        # A sample is a message of the field 2, which begins with its length.
        if text[at - 2 : at] == bytes((2 << 3 | _BYTES, after - at)):
            yield time
        at = text.find(_MARKER, after, end)


def _labels(text: bytes, begin: int, end: int) -> dict[str, str]:
    labels = {}
    for _, first, last in _fields(text, begin, end, 1):
        parts = {number: text[a:b].decode() for number, a, b in _fields(text, first, last)}
        labels[parts.get(1, "")] = parts.get(2, "")
    return labels


def _fields(text: bytes, at: int, end: int, wanted: int = 0) -> Iterator[tuple[int, int, int]]:
    """The messages and texts of a message: number, begin and end; those of one number alone, which stand first."""
    while at < end:
        tag, at = _varint(text, at)
        if wanted and tag >> 3 != wanted:
            return
        if tag & 7 != _BYTES:
            raise ValueError("another wire type")
        length, at = _varint(text, at)
        if at + length > end:
            raise ValueError("cut off")
        yield tag >> 3, at, at + length
        at += length


def _varint(text: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while True:
        byte = text[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number without end")


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _encoded(field << 3) + _encoded(value)


def _message(field: int, inner: bytes) -> bytes:
    return _encoded(field << 3 | _BYTES) + _encoded(len(inner)) + inner
