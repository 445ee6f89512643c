"""A Prometheus-compatible server as an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from meshlab.engines.envelope import Envelope, open_envelope
from meshlab.engines.joining import join
from meshlab.engines.matrix import MAX_SERIES, decode, read_series
from meshlab.engines.transport import MAX_BYTES, Form, Transport
from meshlab.errors import BadQuery, EngineError, ParameterError, Refused
from meshlab.escape import plain
from meshlab.series import Query, SeriesSet
from meshlab.window import Window, format_duration

if TYPE_CHECKING:
    from requests.auth import AuthBase

__all__ = ["PrometheusEngine"]

_MAX_POINTS: Final = 11_000
"""Prometheus refuses a range query with more points a series."""
_RAW_SPAN_MS: Final = 6 * 3_600_000
"""Raw samples are asked for in pieces of this length."""
_BOUNDARY_PROBE: Final = "count_over_time(vector(1)[1m:30s])"
"""3 where ranges hold their first instant, 2 where they leave it out; needs no data."""
_PROBE_AT_MS: Final = 1_770_000_000_000


class PrometheusEngine:
    """A Prometheus-compatible server. Nothing is sent before the first question.

    Parameters
    ----------
    url : str
        Base address, such as ``http://localhost:9090``.
    timeout_s : float
        Seconds to connect, and between two pieces of an answer; ten times that for the whole.
    compression : bool
        Whether to ask for compressed answers: slower on a local network, faster over a thin line.
    max_bytes : int
        Longest answer that is read, unpacked.
    max_series : int
        Most series of one answer.
    auth : (user, password) or requests.auth.AuthBase, optional
    headers : mapping, optional
        Sent with each request: a bearer token, a tenant.
    ca_file : Path, optional
        Certificates to trust instead of the usual ones.
    client_cert : Path or (Path, Path), optional
        Certificate to show, and its key when that is in a file of its own.

    Raises
    ------
    ConfigError
        The URL holds credentials or is none, a header cannot be sent, or a file of certificates cannot be used.

    Notes
    -----
    Every question may raise `Unreachable`, `Refused` or `BadQuery`; no message holds a secret.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 30.0,
        compression: bool = False,
        max_bytes: int = MAX_BYTES,
        max_series: int = MAX_SERIES,
        auth: tuple[str, str] | AuthBase | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
        client_cert: tuple[Path, Path] | Path | None = None,
    ) -> None:
        self._transport = Transport(
            url,
            timeout_s=timeout_s,
            compression=compression,
            max_bytes=max_bytes,
            auth=auth,
            headers=headers,
            ca_file=ca_file,
            client_cert=client_cert,
        )
        self._max_series = max_series
        self.url = self._transport.url
        self._kind: str | None = None

    @property
    def description(self) -> str:
        """Kind and address, no secret; the version is known after the first question."""
        return f"{self._kind or 'Prometheus API'} at {self.url}"

    @property
    def is_live(self) -> bool:
        """Time goes on."""
        return True

    @cached_property
    def left_open(self) -> bool:
        """Whether ranges leave out their first instant, as in Prometheus 3 and VictoriaMetrics.

        Found out by asking: versions do not tell (VictoriaMetrics gives that of the Prometheus it resembles).
        A store that does not know the answer counts as one that follows Prometheus 2.
        """
        try:
            found = self.query(_BOUNDARY_PROBE, datetime.fromtimestamp(_PROBE_AT_MS / 1000, UTC))
        except (BadQuery, Refused):
            return False
        return bool(len(found.value) == 1 and found.value[0] == 2)

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        """Evaluate an expression at one instant; the server's present when none is given."""
        if at is not None and at.tzinfo is None:
            raise ParameterError(f"{at} has no time zone", "give an aware datetime")
        at_ms = None if at is None else round(at.timestamp() * 1000)
        form = {"query": promql} | ({} if at_ms is None else {"time": _seconds(at_ms)})
        found = self._ask("/api/v1/query", form, Query(promql, "", at_ms=at_ms))
        if at_ms is None and found.query.result_type in ("vector", "scalar") and len(found.time):
            return found.with_query(replace(found.query, at_ms=int(found.time[0].astype(np.int64))))
        return found

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        """Evaluate an expression on a window's grid, in pieces when it has more points than a server gives at once."""
        question = Query(promql, "", window=window)
        parts = []
        for start, end in _pieces(window):
            span = {"start": _seconds(start), "end": _seconds(end), "step": _seconds(window.step_ms)}
            parts.append(self._ask("/api/v1/query_range", {"query": promql, **span}, question))
        return parts[0] if len(parts) == 1 else join(parts, replace(question, engine=self.description))

    def samples(self, selector: str, window: Window) -> SeriesSet:
        """Raw samples with start < time <= end, fetched in pieces of six hours; the server leaves out stale markers."""
        question = Query(selector, "")
        parts = []
        for start in range(window.start_ms, window.end_ms, _RAW_SPAN_MS):
            end = min(start + _RAW_SPAN_MS, window.end_ms)
            promql = f"{selector}[{format_duration(end - start)}]"
            raw = self._ask("/api/v1/query", {"query": promql, "time": _seconds(end)}, question)
            # Prometheus 2 answers with the sample at the start as well, Prometheus 3 without it.
            parts.append(_after(raw, start))
        found = parts[0] if len(parts) == 1 else join(parts, replace(question, engine=self.description))
        got = len(found.sid)
        return found.with_query(
            replace(found.query, window=window, result_type="samples", points_expected=got, points_got=got)
        )

    def series(self, selector: str, window: Window) -> SeriesSet:
        """Label sets of the series with data in the window; a server may add some of the storage blocks around it."""
        form = {"match[]": selector, "start": _seconds(window.start_ms), "end": _seconds(window.end_ms)}
        return self._ask("/api/v1/series", form, Query(selector, "", window=window), read=read_series)

    def span(self) -> tuple[datetime, datetime] | None:
        """Not known: a server's data has no cheap beginning."""
        return None

    def now(self) -> datetime:
        """The server's own time, asked anew each time."""
        found = self.query("time()")
        try:
            (seconds,) = found.value.tolist()
            return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            raise Refused(
                f"{self.description} does not tell its time", "check that it evaluates PromQL: time()"
            ) from None

    def _ask(self, path: str, form: Form, question: Query, *, read: Callable[..., SeriesSet] = decode) -> SeriesSet:
        try:
            body = self._transport.ask(path, form)
            if self._kind is None:
                self._kind = self._introduction()
            question = replace(question, engine=self.description)
            found = read(body, question, self.description, max_series=self._max_series)
            hide, said = self._transport.hide, found.query
            return found.with_query(
                replace(said, warnings=tuple(map(hide, said.warnings)), infos=tuple(map(hide, said.infos)))
            )
        except EngineError as error:
            raise self._transport.redacted(error) from None

    def _introduction(self) -> str:
        """Kind and version. Stores that only speak PromQL have no build information, and are no worse for it."""
        try:
            body = self._transport.ask("/api/v1/status/buildinfo", {}, method="GET", patient=False)
            told, _ = open_envelope(body, Envelope[dict[str, object]], self.url)
        except EngineError:
            return "Prometheus API"
        # Mimir names itself; the others pass for Prometheus, VictoriaMetrics without any version in older releases.
        name, version = str(told.get("application", "Prometheus")), str(told.get("version", "")).split("+")[0]
        return self._transport.hide(plain(f"{name} {version}")[:60]) if version else "Prometheus API"


def _pieces(window: Window) -> Iterator[tuple[int, int]]:
    """Parts of the step grid that share no point."""
    length = _MAX_POINTS * window.step_ms
    for start in range(window.start_ms, window.end_ms + 1, length):
        yield start, min(start + length - window.step_ms, window.end_ms)


def _after(raw: SeriesSet, start_ms: int) -> SeriesSet:
    """Samples after an instant, and the series and labels that have some."""
    keep = raw.time > np.datetime64(start_ms, "ms")
    lengths = np.bincount(raw.sid[keep], minlength=len(raw))
    used = lengths > 0
    if used.all() and keep.all():
        return raw
    labels = raw.labels[used].reset_index(drop=True)
    labels = labels.loc[:, (labels != "").any(axis=0)]
    sid = np.repeat(np.arange(len(labels), dtype=np.int32), lengths[used])
    return SeriesSet(labels, sid, raw.time[keep], raw.value[keep], raw.query)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"
