"""A Prometheus-compatible server as an engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

import msgspec
import numpy as np

from meshlab.engines.joining import join
from meshlab.engines.matrix import decode, read_answer, read_series
from meshlab.engines.transport import Form, Transport
from meshlab.errors import MeshlabError
from meshlab.series import Query, SeriesSet
from meshlab.window import Window, format_duration

__all__ = ["PrometheusEngine"]

_MAX_POINTS: Final = 11_000
"""Prometheus refuses a range query with more points a series."""
_RAW_SPAN_MS: Final = 6 * 3_600_000
"""Raw samples are asked for in pieces of this length."""


class PrometheusEngine:
    """A Prometheus-compatible server. Nothing is sent before the first question.

    Parameters
    ----------
    url : str
        Base address, such as ``http://localhost:9090``.
    timeout_s : float
        Seconds to connect, and between two pieces of an answer.
    compression : bool
        Whether to ask for compressed answers.
    max_bytes : int
        Longest answer that is read.

    Raises
    ------
    ConfigError
        The URL holds credentials or is none.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 30.0, compression: bool = False, max_bytes: int = 1 << 30
    ) -> None:
        self._transport = Transport(url, timeout_s=timeout_s, compression=compression, max_bytes=max_bytes)
        self.url = self._transport.url

    @property
    def description(self) -> str:
        """Kind and address; no secret."""
        return f"Prometheus API at {self.url}"

    @property
    def is_live(self) -> bool:
        """Time goes on."""
        return True

    @cached_property
    def left_open(self) -> bool:
        """Whether ranges leave out their first instant: so it is since Prometheus 3."""
        try:
            body = self._transport.ask("/api/v1/status/buildinfo", {})
            version = msgspec.json.decode(read_answer(body, self.description).data)["version"]
            return int(str(version).split(".")[0]) >= 3
        except (MeshlabError, msgspec.DecodeError, KeyError, ValueError, TypeError):
            # Stores that only speak PromQL have no build information; they follow Prometheus 2.
            return False

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        """Evaluate an expression at one instant; the server's present when none is given."""
        at_ms = None if at is None else round(at.timestamp() * 1000)
        form = {"query": promql} | ({} if at_ms is None else {"time": _seconds(at_ms)})
        return self._decoded("/api/v1/query", form, self._question(promql, at_ms=at_ms))

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        """Evaluate an expression on a window's grid, in pieces when it has more points than a server gives at once."""
        whole = self._question(promql, window=window)
        parts = [
            self._decoded(
                "/api/v1/query_range",
                {
                    "query": promql,
                    "start": _seconds(start),
                    "end": _seconds(end),
                    "step": _seconds(window.step_ms),
                },
                whole,
            )
            for start, end in _pieces(window)
        ]
        return parts[0] if len(parts) == 1 else join(parts, whole)

    def samples(self, selector: str, window: Window) -> SeriesSet:
        """Raw samples with start < time <= end."""
        whole = self._question(selector, window=window)
        parts = []
        for start in range(window.start_ms, window.end_ms, _RAW_SPAN_MS):
            end = min(start + _RAW_SPAN_MS, window.end_ms)
            promql = f"{selector}[{format_duration(end - start)}]"
            raw = self._decoded("/api/v1/query", {"query": promql, "time": _seconds(end)}, replace(whole, window=None))
            # Prometheus 2 answers with the sample at the start as well, Prometheus 3 without it.
            parts.append(_since(raw, start))
        found = parts[0] if len(parts) == 1 else join(parts, whole)
        return found.with_query(
            replace(found.query, window=window, result_type="samples", points_expected=found.query.points_got)
        )

    def series(self, selector: str, window: Window) -> SeriesSet:
        """Label sets of the series with data in the window."""
        form = {"match[]": selector, "start": _seconds(window.start_ms), "end": _seconds(window.end_ms)}
        answer = read_answer(self._transport.ask("/api/v1/series", form), self.description)
        return read_series(answer, self._question(selector, window=window), self.description)

    def span(self) -> tuple[datetime, datetime] | None:
        """Not known: a server's data has no cheap beginning."""
        return None

    def now(self) -> datetime:
        """The server's own time."""
        return datetime.fromtimestamp(float(self.query("time()").value[0]), UTC)

    def _question(self, promql: str, *, window: Window | None = None, at_ms: int | None = None) -> Query:
        return Query(promql=promql, engine=self.description, window=window, at_ms=at_ms)

    def _decoded(self, path: str, form: Form, question: Query) -> SeriesSet:
        answer = read_answer(self._transport.ask(path, form), self.description)
        return decode(answer, question, self.description)


def _pieces(window: Window) -> Iterator[tuple[int, int]]:
    """Parts of the step grid that share no point."""
    length = _MAX_POINTS * window.step_ms
    for start in range(window.start_ms, window.end_ms + 1, length):
        yield start, min(start + length - window.step_ms, window.end_ms)


def _since(raw: SeriesSet, start_ms: int) -> SeriesSet:
    keep = raw.time > np.datetime64(start_ms, "ms")
    if keep.all():
        return raw
    used, sid = np.unique(raw.sid[keep], return_inverse=True)
    labels = raw.labels.iloc[used].reset_index(drop=True)
    query = replace(raw.query, points_got=int(keep.sum()))
    return SeriesSet(labels, sid.astype(np.int32), raw.time[keep], raw.value[keep], query)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
