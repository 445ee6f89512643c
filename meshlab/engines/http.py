"""A Prometheus-compatible server as an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Final

import numpy as np

from meshlab.config import Kind
from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher
from meshlab.core.series import Query, SeriesSet
from meshlab.core.times import format_duration
from meshlab.core.window import Span, Window
from meshlab.engines.backends import BackendParams, params_for
from meshlab.engines.cache import Cache, identity_of
from meshlab.engines.chunk_join import after, join
from meshlab.engines.chunks import Chunk, ChunkPlan, Fetched, fetch_chunks
from meshlab.engines.connection import Connection
from meshlab.engines.enforced_matchers import with_matchers
from meshlab.engines.envelope import Envelope, open_envelope
from meshlab.engines.exact_names import expanded, refuses_patterns, split
from meshlab.engines.export import decode_export
from meshlab.engines.identity import Identity
from meshlab.engines.label_tables import LabelTables, read_series
from meshlab.engines.links import link
from meshlab.engines.matrix import decode
from meshlab.engines.remote_read import HEADERS, read_request, stale_markers
from meshlab.engines.tokens import asks_for_order, longest_range_ms, pinned
from meshlab.engines.transport import Form, Transport
from meshlab.errors import BadQuery, EngineError, ParameterError, Refused, TooMuch, Unreachable

__all__ = ["PrometheusEngine"]

_UNIT_POINTS: Final = 500
"""Steps of the smallest chunk of a long range query."""
_RANGES_A_CHUNK: Final = 8
"""A chunk is so many times as long as the query looks back: the server reads that part of its data twice."""
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


class PrometheusEngine:
    """A Prometheus-compatible server. Nothing is sent before the first question.

    Parameters
    ----------
    server : Connection or str
        How to reach it, or its base address alone.

    Raises
    ------
    ConfigError
        A header cannot be sent, a certificate cannot be read, or as for `Connection`.

    Notes
    -----
    Every question may raise `Unreachable`, `Refused` or `BadQuery`; no message holds a secret. A long question is asked
    in chunks, several at a time; a chunk that stays missing is named in ``query.failed``.
    """

    def __init__(self, server: Connection | str) -> None:
        connection = Connection.to(server) if isinstance(server, str) else server
        profile = connection.profile
        self._limits, self._match = profile.limits, profile.matchers
        self._transport = Transport(connection)
        self._identity = Identity(self._transport, profile.kind)
        self.url = self._transport.url
        self.ui_url = profile.ui_url or self.url
        self._cache = Cache(connection.cache, _cache_identity(connection)) if connection.cache is not None else None
        self.status = self._identity.status
        self._takes_patterns = True

    @property
    def description(self) -> str:
        """Kind and address, no secret; the version is known after the first question."""
        return f"{self._identity.name} at {self.url}"

    @property
    def kind(self) -> Kind | None:
        """What answers: as the profile says, or as it introduced itself; None when neither tells."""
        self._identity.find()
        return self._identity.kind

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

    @cached_property
    def delayed_names(self) -> bool | None:
        """Whether Prometheus 3's switch promql-delayed-name-removal is on; None where the store does not tell."""
        flags = self.status("/api/v1/status/flags")
        if "enable-feature" not in flags:
            return None
        return "promql-delayed-name-removal" in str(flags["enable-feature"]).split(",")

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        """Evaluate an expression at one instant; the server's present when none is given."""
        if at is not None and at.tzinfo is None:
            raise ParameterError(f"{at} has no time zone", "give an aware datetime")
        at_ms = None if at is None else round(at.timestamp() * 1000)
        more = {} if at_ms is None else {"time": _seconds(at_ms)}
        # All other answers are sorted by labels: the order of a server is chance, and differs from run to run.
        read = partial(decode, ordered=True) if asks_for_order(promql) else None

        def ask() -> SeriesSet:
            form = {"query": self._sent(promql), **self._params.query, **more}
            return self._ask("/api/v1/query", form, Query(promql, "", at_ms=at_ms), read=read)

        found = self._understood(ask)
        if at_ms is None and found.query.result_type in ("vector", "scalar") and len(found.time):
            return found.with_query(replace(found.query, at_ms=int(found.time[0].astype(np.int64))))
        return found

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        """Evaluate an expression on a window's grid, in chunks when it is long."""
        return self._understood(lambda: self._range(promql, window))

    def _range(self, promql: str, window: Window) -> SeriesSet:
        question = Query(promql, "", window=window)
        step = window.step_ms
        sent = pinned(self._sent(promql), window.start_ms, window.end_ms)
        points = max(_UNIT_POINTS, -(-_RANGES_A_CHUNK * longest_range_ms(sent) // step))
        points = min(points, self._limits.points)
        plan = ChunkPlan(
            start_ms=window.start_ms,
            end_ms=window.end_ms,
            unit_ms=points * step,
            longest_ms=self._limits.points * step,
            shared_edge=False,
            grain_ms=step,
            whole_ms=0 if self._cache else 2 * (points - 1) * step,
        )
        tables: LabelTables = {}

        def ask(chunk: Chunk) -> SeriesSet:
            span = {"start": _seconds(chunk.start_ms), "end": _seconds(chunk.end_ms), "step": _seconds(step)}
            form = {"query": sent, **span, **self._params.query_range}
            return self._ask("/api/v1/query_range", form, Query(promql, ""), tables=tables)

        found = self._fetched(plan, ask, "range", sent, str(step), what=promql)
        return self._whole(found, question)

    def samples(self, selector: str, window: Span) -> SeriesSet:
        """Raw samples with start < time <= end, in chunks when it is long; the server leaves out stale markers."""

        def ask() -> SeriesSet:
            parts = [self._raw_samples(one, window) for one in self._selectors(selector)]
            return parts[0] if len(parts) == 1 else join(parts, replace(parts[0].query, promql=selector))

        return self._understood(ask)

    def _raw_samples(self, selector: str, window: Span) -> SeriesSet:
        question = Query(selector, "", window=window, result_type="samples")
        plan = ChunkPlan(
            start_ms=window.start_ms,
            end_ms=window.end_ms,
            unit_ms=_UNIT_RAW_MS,
            longest_ms=_LONGEST_RAW_MS,
            shared_edge=True,
            grain_ms=1 if window.start_ms % 1000 or window.end_ms % 1000 else 1000,
            whole_ms=0 if self._cache else _WHOLE_RAW_MS,
        )
        sent = self._sent(selector)
        tables: LabelTables = {}
        found = self._fetched(plan, lambda chunk: self._raw(sent, chunk, tables), "raw", sent, what=selector)
        whole = self._whole(found, question)
        got = len(whole.sid)
        query = replace(whole.query, window=window, result_type="samples", points_expected=got, points_got=got)
        return whole.with_query(query)

    def series(self, selector: str, window: Span) -> SeriesSet:
        """Label sets of the series with data in the window; a server may add some of the storage blocks around it."""

        def ask() -> SeriesSet:
            chosen = [with_matchers(one, self._match) for one in self._selectors(selector)]
            form: dict[str, str | Sequence[str]] = {"match[]": chosen[0] if len(chosen) == 1 else chosen}
            form |= {**self._params.series, "start": _seconds(window.start_ms), "end": _seconds(window.end_ms)}
            return self._ask("/api/v1/series", form, Query(selector, "", window=window), read=read_series)

        return self._understood(ask)

    @property
    def tells_ends(self) -> bool:
        """Prometheus itself, which usually offers remote read."""
        return self.kind is Kind.PROMETHEUS

    def stale_markers(self, matchers: Sequence[Matcher], spans: Sequence[Span]) -> SeriesSet | None:
        """When series ended, by remote read where it is offered; see `meshlab.engines.base.TellsEnds`."""
        asked = read_request([*matchers, *self._match], spans)
        body = self._transport.exchange("/api/v1/read", asked, HEADERS, max_bytes=self._limits.bytes)
        if body is None:
            return None
        return stale_markers(body, self._named(Query("", "")), self.description, max_bytes=self._limits.bytes)

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
                f"{self.description} did not report its time", "check that it evaluates PromQL: time()"
            ) from None

    def _sent(self, promql: str) -> str:
        asked = with_matchers(promql, self._match)
        return asked if self._takes_patterns else expanded(asked, self._metric_names)

    def _selectors(self, selector: str) -> list[str]:
        """The selector, or one a name where the store takes exact names only."""
        return [selector] if self._takes_patterns else split(selector, self._metric_names)

    def _understood(self, ask: Callable[[], SeriesSet]) -> SeriesSet:
        """An answer; where the store refuses patterns of names, the answer to exact ones."""
        try:
            return ask()
        except BadQuery as error:
            if not self._takes_patterns or not refuses_patterns(error):
                raise
        self._takes_patterns = False
        return ask()

    @cached_property
    def _metric_names(self) -> list[str]:
        """All metrics of the store, sorted."""
        try:
            body = self._transport.ask("/api/v1/label/__name__/values", {}, method="GET")
            return sorted(open_envelope(body, Envelope[list[str]], self.url)[0])
        except (BadQuery, Refused) as error:
            raise Refused(
                f"{self.description} takes exact metric names only, and does not list its metrics ({error.what})",
                "name the metrics in a profile of meshlab.toml: mesh and metrics",
            ) from None

    @property
    def _params(self) -> BackendParams:
        # Before the first question: Thanos without its parameters answers without the stores that are down.
        self._identity.find()
        return params_for(self._identity.kind)

    def _fetched(self, plan: ChunkPlan, ask: Callable[[Chunk], SeriesSet], *question: str, what: str) -> Fetched:
        settled_ms = self._settled_ms() if self._cache else 0

        def cached(chunk: Chunk) -> SeriesSet:
            if self._cache is None or chunk.end_ms > settled_ms:
                return ask(chunk)
            key = (*question, str(chunk.start_ms), str(chunk.end_ms))
            found = self._cache.get(*key)
            if found is None:
                found = ask(chunk)
                self._cache.put(found, *key)
            return found

        self._identity.find()
        return fetch_chunks(plan, cached, parallel=self._limits.parallel, what=plain(what)[:60])

    def _settled_ms(self) -> int:
        return round(self.now().timestamp() * 1000) - _SETTLED_MS

    def _whole(self, found: Fetched, question: Query) -> SeriesSet:
        question = self._named(question)
        parts = [part for _, part in found.parts]
        whole = join(parts, question)
        query = replace(whole.query, failed=tuple(dict.fromkeys((*found.failed, *whole.query.failed))))
        return whole.with_query(query)

    def _raw(self, selector: str, chunk: Chunk, tables: LabelTables) -> SeriesSet:
        if self._params.exports:
            try:
                return self._export(selector, chunk)
            except (TooMuch, Unreachable):
                raise
            except Refused:
                # What a wrong selector is, or a gateway without this path, the ordinary query tells.
                pass
        promql = f"{selector}[{format_duration(chunk.end_ms - chunk.start_ms)}]"
        form = {"query": promql, "time": _seconds(chunk.end_ms), **self._params.query}
        # Prometheus 2 answers with the sample at the start as well, Prometheus 3 without it.
        return after(self._ask("/api/v1/query", form, Query(selector, ""), tables=tables), chunk.start_ms)

    def _export(self, selector: str, chunk: Chunk) -> SeriesSet:
        form = {"match[]": selector, "start": _seconds(chunk.start_ms + 1), "end": _seconds(chunk.end_ms)}
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
        read: Callable[..., SeriesSet] | None = None,
        tables: LabelTables | None = None,
    ) -> SeriesSet:
        try:
            # Pieces share what one answer may have.
            most = self._limits.bytes if tables is None else self._limits.bytes // self._limits.parallel
            body = self._transport.ask(path, form, max_bytes=most)
            self._identity.find()
            question = self._named(question)
            read = read or partial(decode, tables=tables)
            found = read(body, question, self.description, max_series=self._limits.series)
            hide, query = self._transport.hide, found.query
            hidden = replace(query, warnings=tuple(map(hide, query.warnings)), infos=tuple(map(hide, query.infos)))
            return found.with_query(hidden)
        except EngineError as error:
            raise self._transport.redacted(error) from None

    def _named(self, question: Query) -> Query:
        return replace(question, engine=self.description, link=link(self.ui_url, question, self._identity.kind))


def _cache_identity(connection: Connection) -> tuple[str, ...]:
    """Who is asked and as whom: answers of one are never given to another."""
    auth = connection.auth
    who = identity_of(auth if isinstance(auth, tuple) else type(auth), sorted(connection.headers.items()))
    return connection.address, connection.profile.tenant, ",".join(map(str, connection.profile.matchers)), who


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"
