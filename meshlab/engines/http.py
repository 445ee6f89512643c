"""A Prometheus-compatible server as an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from meshlab.config import Kind, Limits
from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher
from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Window, format_duration
from meshlab.engines import backends
from meshlab.engines.cache import Cache, identity_of
from meshlab.engines.chunk_join import join
from meshlab.engines.chunks import Cut, Gathered, Piece, gather
from meshlab.engines.enforced_matchers import forced
from meshlab.engines.envelope import Envelope, open_envelope
from meshlab.engines.export import decode_export
from meshlab.engines.links import link
from meshlab.engines.matrix import LabelTables, decode, read_series
from meshlab.engines.tokens import longest_range_ms, pinned
from meshlab.engines.transport import Form, Transport
from meshlab.errors import BadQuery, EngineError, ParameterError, Refused, TooMuch, Unreachable

if TYPE_CHECKING:
    from requests.auth import AuthBase

__all__ = ["PrometheusEngine"]

_UNIT_POINTS: Final = 500
"""Steps of the smallest piece of a long range query."""
_RANGES_A_PIECE: Final = 8
"""A piece is so many times as long as the query looks back: the server reads that part of its data twice."""
_UNIT_RAW_MS: Final = 2 * 3_600_000
_LONGEST_RAW_MS: Final = 24 * 3_600_000
_WHOLE_RAW_MS: Final = 6 * 3_600_000
"""Raw samples of so short a span are asked for at once."""
_SETTLED_MS: Final = 600_000
"""What is younger may still change: late scrapes, rules, out-of-order samples."""
_MOST_EXPORTED: Final = 20_000_000
_BOUNDARY_PROBE: Final = "count_over_time(vector(1)[1m:30s])"
"""3 where ranges hold their first instant, 2 where they leave it out; needs no data."""
_PROBE_AT_MS: Final = 1_770_000_000_000
_METRICSQL_PROBE: Final = "now()"


class PrometheusEngine:
    """A Prometheus-compatible server. Nothing is sent before the first question.

    Parameters
    ----------
    url : str
        Base address, such as ``http://localhost:9090``.
    kind : Kind, optional
        What answers there; found out when not given.
    tenant : str
        Of a store with tenants.
    limits : Limits
        How much is asked for at once, and how long one waits.
    match : sequence of Matcher
        Conditions that every selector of every question gets.
    compression : bool
        Whether to ask for compressed answers: slower on a local network, faster over a thin line.
    auth : (user, password) or requests.auth.AuthBase, optional
    headers : mapping, optional
        Sent with each request: a bearer token.
    ca_file : Path, optional
        Certificates to trust instead of the usual ones.
    client_cert : Path or (Path, Path), optional
        Certificate (and key) to show.
    cache : Path, optional
        Folder for answers about the past; none are kept when not given.
    ui_url : str
        Where people look at queries; empty for the server itself.

    Raises
    ------
    ConfigError
        The URL holds credentials or is none, a header cannot be sent, or a certificate cannot be read.

    Notes
    -----
    Every question may raise `Unreachable`, `Refused` or `BadQuery`; no message holds a secret. A long question is asked
    in pieces, several at a time; a piece that stays missing is named in ``query.failed``.
    """

    def __init__(
        self,
        url: str,
        *,
        kind: Kind | None = None,
        tenant: str = "",
        limits: Limits | None = None,
        match: Sequence[Matcher] = (),
        compression: bool = False,
        auth: tuple[str, str] | AuthBase | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
        client_cert: Path | tuple[Path, Path] | None = None,
        cache: Path | None = None,
        ui_url: str = "",
    ) -> None:
        self._limits = limits = limits or Limits()
        address, tenant_header = backends.address(url, kind, tenant)
        self._transport = Transport(
            address,
            timeout_s=limits.timeout_s,
            compression=compression,
            max_bytes=limits.bytes,
            auth=auth,
            headers={**(headers or {}), **tenant_header},
            ca_file=ca_file,
            client_cert=client_cert,
        )
        self.url = self._transport.url
        self.ui_url = ui_url or self.url
        self._match = tuple(match)
        self._kind, self._version, self._met = kind, "", False
        who = identity_of(auth if isinstance(auth, tuple) else type(auth), sorted((headers or {}).items()))
        identity = (self.url, tenant, ",".join(map(str, self._match)), who)
        self._cache = Cache(cache, identity) if cache is not None else None

    @property
    def description(self) -> str:
        """Kind and address, no secret; the version is known after the first question."""
        name = backends.NAMES[self._kind] if self._kind else "Prometheus API"
        return f"{name} {self._version}".rstrip() + f" at {self.url}"

    @property
    def kind(self) -> Kind | None:
        """What answers: as the profile says, or as it introduced itself; None when neither tells."""
        self._meet()
        return self._kind

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
        form = {"query": self._forced(promql), **self._ways().query}
        form |= {} if at_ms is None else {"time": _seconds(at_ms)}
        found = self._ask("/api/v1/query", form, Query(promql, "", at_ms=at_ms))
        if at_ms is None and found.query.result_type in ("vector", "scalar") and len(found.time):
            return found.with_query(replace(found.query, at_ms=int(found.time[0].astype(np.int64))))
        return found

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        """Evaluate an expression on a window's grid, in pieces when it is long."""
        question = Query(promql, "", window=window)
        step = window.step_ms
        sent = pinned(self._forced(promql), window.start_ms, window.end_ms)
        points = max(_UNIT_POINTS, -(-_RANGES_A_PIECE * longest_range_ms(sent) // step))
        points = min(points, self._limits.points)
        cut = Cut(
            start_ms=window.start_ms,
            end_ms=window.end_ms,
            unit_ms=points * step,
            longest_ms=self._limits.points * step,
            shared_edge=False,
            grain_ms=step,
            whole_ms=0 if self._cache else 2 * (points - 1) * step,
        )
        tables: LabelTables = {}

        def ask(piece: Piece) -> SeriesSet:
            span = {"start": _seconds(piece.start_ms), "end": _seconds(piece.end_ms), "step": _seconds(step)}
            form = {"query": sent, **span, **self._ways().query_range}
            return self._ask("/api/v1/query_range", form, Query(promql, ""), tables=tables)

        found = self._gathered(cut, ask, "range", sent, str(step), what=promql)
        return self._whole(found, question)

    def samples(self, selector: str, window: Window) -> SeriesSet:
        """Raw samples with start < time <= end, in pieces when it is long; the server leaves out stale markers."""
        question = Query(selector, "", window=window, result_type="samples")
        cut = Cut(
            start_ms=window.start_ms,
            end_ms=window.end_ms,
            unit_ms=_UNIT_RAW_MS,
            longest_ms=_LONGEST_RAW_MS,
            shared_edge=True,
            grain_ms=1000 if window.step_ms % 1000 == 0 else 1,
            whole_ms=0 if self._cache else _WHOLE_RAW_MS,
        )
        sent = self._forced(selector)
        tables: LabelTables = {}
        found = self._gathered(cut, lambda piece: self._raw(sent, piece, tables), "raw", sent, what=selector)
        whole = self._whole(found, question)
        got = len(whole.sid)
        told = replace(whole.query, window=window, result_type="samples", points_expected=got, points_got=got)
        return whole.with_query(told)

    def series(self, selector: str, window: Window) -> SeriesSet:
        """Label sets of the series with data in the window; a server may add some of the storage blocks around it."""
        form = {"match[]": self._forced(selector), **self._ways().series}
        form |= {"start": _seconds(window.start_ms), "end": _seconds(window.end_ms)}
        return self._ask("/api/v1/series", form, Query(selector, "", window=window), read=self._read_series)

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

    def status(self, path: str) -> dict[str, object]:
        """What a server says of itself at a path such as ``/api/v1/status/runtimeinfo``; nothing where it has none.

        Raises
        ------
        Unreachable
            Nobody answers.
        """
        try:
            body = self._transport.ask(path, {}, method="GET", patient=False)
            return open_envelope(body, Envelope[dict[str, object]], self.url)[0]
        except Unreachable as error:
            raise self._transport.redacted(error) from None
        except EngineError:
            return {}

    def _forced(self, promql: str) -> str:
        return forced(promql, self._match)

    def _ways(self) -> backends.Ways:
        return backends.ways(self._kind)

    def _gathered(self, cut: Cut, ask: Callable[[Piece], SeriesSet], *question: str, what: str) -> Gathered:
        settled_ms = self._settled_ms() if self._cache else 0

        def cached(piece: Piece) -> SeriesSet:
            if self._cache is None or piece.end_ms > settled_ms:
                return ask(piece)
            key = (*question, str(piece.start_ms), str(piece.end_ms))
            found = self._cache.get(*key)
            if found is None:
                found = ask(piece)
                self._cache.put(found, *key)
            return found

        self._meet()
        return gather(cut, cached, parallel=self._limits.parallel, what=plain(what)[:60])

    def _settled_ms(self) -> int:
        return round(self.now().timestamp() * 1000) - _SETTLED_MS

    def _whole(self, found: Gathered, question: Query) -> SeriesSet:
        question = self._named(question)
        parts = [part for _, part in found.parts]
        whole = join(parts, question)
        query = replace(whole.query, failed=tuple(dict.fromkeys((*found.failed, *whole.query.failed))))
        return whole.with_query(query)

    def _raw(self, selector: str, piece: Piece, tables: LabelTables) -> SeriesSet:
        if self._ways().exports:
            try:
                return self._export(selector, piece)
            except (TooMuch, Unreachable):
                raise
            except Refused:
                # What a wrong selector is, or a gateway without this path, the ordinary query tells.
                pass
        promql = f"{selector}[{format_duration(piece.end_ms - piece.start_ms)}]"
        form = {"query": promql, "time": _seconds(piece.end_ms), **self._ways().query}
        # Prometheus 2 answers with the sample at the start as well, Prometheus 3 without it.
        return _after(self._ask("/api/v1/query", form, Query(selector, ""), tables=tables), piece.start_ms)

    def _export(self, selector: str, piece: Piece) -> SeriesSet:
        form = {"match[]": selector, "start": _seconds(piece.start_ms + 1), "end": _seconds(piece.end_ms)}
        try:
            return decode_export(
                self._transport.stream("/api/v1/export", form),
                Query(selector, self.description),
                self.description,
                max_series=self._limits.series,
                max_samples=_MOST_EXPORTED,
            )
        except EngineError as error:
            raise self._transport.redacted(error) from None

    def _ask(
        self,
        path: str,
        form: Form,
        question: Query,
        *,
        read: Callable[[bytes, Query, str], SeriesSet] | None = None,
        tables: LabelTables | None = None,
    ) -> SeriesSet:
        try:
            # Pieces share what one answer may have.
            most = self._limits.bytes if tables is None else self._limits.bytes // self._limits.parallel
            body = self._transport.ask(path, form, max_bytes=most)
            self._meet()
            question = self._named(question)
            if read is not None:
                found = read(body, question, self.description)
            else:
                found = decode(body, question, self.description, max_series=self._limits.series, tables=tables)
            hide, said = self._transport.hide, found.query
            told = replace(said, warnings=tuple(map(hide, said.warnings)), infos=tuple(map(hide, said.infos)))
            return found.with_query(told)
        except EngineError as error:
            raise self._transport.redacted(error) from None

    def _named(self, question: Query) -> Query:
        return replace(question, engine=self.description, link=link(self.ui_url, question, self._kind))

    def _read_series(self, body: bytes, question: Query, origin: str) -> SeriesSet:
        return read_series(body, question, origin, max_series=self._limits.series)

    def _meet(self) -> None:
        """Learn kind and version, once. A store that only speaks PromQL tells neither, and is no worse for it."""
        if self._met:
            return
        self._met = True
        try:
            body = self._transport.ask("/api/v1/status/buildinfo", {}, method="GET", patient=False)
            told, _ = open_envelope(body, Envelope[dict[str, object]], self.url)
        except Unreachable:
            # The question itself shows how long one waits, and what is said then.
            self._met = False
            return
        except EngineError:
            return
        kind, version = backends.introduced(told, self._speaks_metricsql)
        self._version = self._transport.hide(version)
        self._kind = self._kind or kind

    def _speaks_metricsql(self) -> bool:
        try:
            body = self._transport.ask("/api/v1/query", {"query": _METRICSQL_PROBE}, patient=False)
            open_envelope(body, Envelope[dict[str, object]], self.url)
        except EngineError:
            return False
        return True


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
