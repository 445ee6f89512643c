"""VictoriaMetrics' export: raw samples as JSON lines, whose numbers stand in columns already.

A line is ``{"metric":{...},"values":[1,+Inf],"timestamps":[1769861475000,...]}``: no JSON where a value is infinite, so
that only the labels are read as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from meshlab.core.sanitize import plain
from meshlab.core.series import Query, SeriesSet
from meshlab.engines.chunk_join import join
from meshlab.engines.label_tables import label_table
from meshlab.engines.matrix import read_floats
from meshlab.errors import Refused, TooManySeries, TooMuch

__all__ = ["decode_export"]

_BATCH: Final = 16 << 20
_LONGEST_LINE: Final = 256 << 20
_START: Final = b'{"metric":'
_VALUES: Final = b',"values":['
_TIMES: Final = b'],"timestamps":['
_NAN_LEFT_OUT: Final = "samples that are NaN were left out: the store does not tell them from the end of a series"


def decode_export(
    stream: Iterable[bytes], query: Query, origin: str, *, max_series: int, max_samples: int
) -> SeriesSet:
    """Turn the lines of ``/api/v1/export`` into series, while they arrive.

    Parameters
    ----------
    stream : iterable of bytes
        The body, in pieces of any length.
    query : Query
        The question.
    origin : str
        Who answered, for messages.
    max_series, max_samples : int
        Bounds of memory.

    Returns
    -------
    SeriesSet
        Sorted by labels and time. NaN and the ends of series are left out, and ``query.infos`` says so.

    Raises
    ------
    TooMuch
        A bound is passed.
    Refused
        It is something else, or ends in the middle of a line.
    """
    parts: list[SeriesSet] = []
    samples = 0
    series: set[bytes] = set()
    for lines in _batches(stream, origin):
        # A series may come in several lines.
        series.update(line.partition(_VALUES)[0] for line in lines)
        samples += sum(line.rpartition(_TIMES)[2].count(b",") + 1 for line in lines)
        if len(series) > max_series:
            raise TooManySeries(
                f"{origin} answered with more than {max_series:,} series",
                "ask for fewer, or raise series in the limits of the profile",
            )
        if samples > max_samples:
            raise TooMuch(f"{origin} answered with more than {max_samples:,} samples", "ask for a shorter window")
        parts.append(_decoded(lines, query, origin))
    if not parts:
        return SeriesSet.empty(replace(query, result_type="samples"))
    return join(parts, query)


def _batches(stream: Iterable[bytes], origin: str) -> Iterator[list[bytes]]:
    """Whole lines, some megabytes at a time."""
    rest: list[bytes] = []
    size = 0
    for piece in stream:
        rest.append(piece)
        size += len(piece)
        if size >= _BATCH:
            text = b"".join(rest)
            end = text.rfind(b"\n") + 1
            if end:
                yield text[:end].splitlines()
            elif len(text) > _LONGEST_LINE:
                raise _unreadable(origin, text)
            rest, size = [text[end:]], len(text) - end
    last = b"".join(rest)
    if last.strip():
        yield last.splitlines()


def _decoded(lines: list[bytes], query: Query, origin: str) -> SeriesSet:
    metrics, values, times = [], [], []
    for line in lines:
        head, between, rest = line.rpartition(_VALUES)
        value, also_between, time = rest.partition(_TIMES)
        if not (between and also_between and head.startswith(_START) and time.endswith(b"]}")):
            raise _unreadable(origin, line)
        try:
            metrics.append(msgspec.json.decode(head[len(_START) :], type=dict[str, str]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _unreadable(origin, line) from None
        values.append(value)
        times.append(time[:-2])
    lengths = np.array([text.count(b",") + 1 if text else 0 for text in values], np.int64)
    if lengths.tolist() != [text.count(b",") + 1 if text else 0 for text in times]:
        raise _unreadable(origin, lines[0] if lines else b"")
    try:
        numbers, stamps = _numbers(values), np.rint(_numbers(times)).astype(np.int64)
    except ValueError:
        raise _unreadable(origin, lines[0]) from None
    labels, order = label_table(metrics)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    sid = np.repeat(place, lengths)
    sort = np.lexsort((stamps, sid))
    there = ~np.isnan(numbers[sort])
    sort = sort[there]
    got = len(sort)
    infos = () if there.all() else (_NAN_LEFT_OUT,)
    query = replace(query, result_type="samples", points_expected=got, points_got=got, infos=infos)
    return SeriesSet(labels, sid[sort], stamps[sort].astype("datetime64[ms]"), numbers[sort], query)


def _numbers(texts: list[bytes]) -> NDArray[np.float64]:
    lines = b",".join(text for text in texts if text).replace(b",", b"\n")
    return read_floats(lines, ("number",), missing=("null",))[0] if lines else np.empty(0)


def _unreadable(origin: str, line: bytes) -> Refused:
    text = plain(line[:80].decode("utf-8", "replace")).strip()
    return Refused(
        f"{origin} did not export samples as VictoriaMetrics does: it sent {repr(text) if text else 'nothing'}",
        "leave kind out of the profile, so that it is found out, and check that nothing cuts answers off",
    )
