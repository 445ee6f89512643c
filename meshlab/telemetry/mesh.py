"""One method for each thing that one asks of telemetry; counts and frames in one vocabulary come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.subject import Subject
from meshlab.core.times import Moment
from meshlab.core.window import Span, Window
from meshlab.engines.base import Engine
from meshlab.telemetry import counts, queries, renaming, retries, subjects
from meshlab.telemetry.answer import Answer
from meshlab.telemetry.dialects import detection, lookup
from meshlab.telemetry.dialects.base import PLAIN, MeshOptions, Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.counter_view import CounterView
from meshlab.telemetry.dialects.dialect import Dialect, Where
from meshlab.telemetry.dialects.lookup import unknown
from meshlab.telemetry.probe import UNKNOWN, Probe, detected
from meshlab.telemetry.scrapes import Scrapes

__all__ = ["Answer", "Mesh", "unknown"]

_AFTER_MS: Final = 3_600_000
"""So long after it was looked at, a live store still has the meshes that it had."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """The service meshes, seen through the telemetry that an engine holds.

    Every `by` and `words` is of the vocabulary (`dialects.base`), every `where` of `Condition` and `Matcher`, every
    `reporter` a `Reporter` or its text. Blocks of `block_ms` milliseconds are counted from the window's start, and a
    last one that would reach beyond the window is left out. All that counts requests raises a ParameterError where
    every series is there twice, from replicas of one Prometheus, and no ``replica_label`` is set.

    Parameters
    ----------
    engine : Engine
    dialects : tuple of Dialect
        Know the meshes' metric and label names.
    source : str
        What the user called it: a URL, a profile, a recording's name.
    probe : Probe
        What was found out about the store.
    options : MeshOptions
        What a profile says about the mesh.

    Attributes
    ----------
    scrapes : Scrapes
        Since when targets are scraped.
    """

    engine: Engine
    dialects: tuple[Dialect, ...]
    source: str
    probe: Probe = UNKNOWN
    options: MeshOptions = PLAIN
    views: tuple[CounterView, ...] = field(init=False, repr=False, compare=False)
    scrapes: Scrapes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        options = self.dialects[0].options if self.dialects else self.options
        scrapes = Scrapes(self.engine, options.forced, options.replica_label)
        views = (
            CounterView(self.engine, dialect, reporter, family, self.source, scrapes)
            for reporter in Reporter
            for dialect in self.dialects
            for family in dialect.families(reporter)
        )
        object.__setattr__(self, "views", tuple(views))
        object.__setattr__(self, "scrapes", scrapes)

    def __repr__(self) -> str:
        return f"<Mesh: {self.name} in {self.engine.description}>"

    @classmethod
    def detect(
        cls,
        engine: Engine,
        source: str,
        *,
        options: MeshOptions = PLAIN,
        span: Span | None = None,
        required: bool = True,
    ) -> Mesh:
        """Find out what a store is and which meshes its metrics speak of.

        Parameters
        ----------
        engine : Engine
        source : str
            What the user called it.
        options : MeshOptions
            What a profile says about the mesh.
        span : Span, optional
            What is looked at; all of a recording, or a live engine's last hour.
        required : bool
            Whether a store without a mesh is refused; it still answers PromQL.

        Raises
        ------
        ParameterError
            There is no mesh, or only one of an outdated release.
        """
        engine, dialects, found = detected(engine, options, span)
        if not dialects and required:
            raise detection.none_found(source, found.span, options, detection.unread(engine, found.span, options, ()))
        return cls(engine, dialects, source, found, options)

    def at(self, span: Span) -> Mesh:
        """The meshes that there were in a span: on a live store, what was there an hour ago may be gone.

        Raises
        ------
        ParameterError
            There was none.
        """
        known = self.probe.span
        looked = not self.engine.is_live or known.start_ms <= span.end_ms <= known.end_ms + _AFTER_MS
        if self.dialects and (looked or self.probe is UNKNOWN):
            return self
        return Mesh.detect(renaming.store_of(self.engine), self.source, options=self.options, span=span)

    @property
    def dialect(self) -> Dialect:
        """The first of the meshes.

        Raises
        ------
        ParameterError
            There is none.
        """
        if not self.dialects:
            raise detection.none_found(self.source, self.probe.span, self.options)
        return self.dialects[0]

    @property
    def name(self) -> str:
        """The meshes' names, for people."""
        return " and ".join(dialect.name for dialect in self.dialects)

    def remedy(self, what: str) -> str:
        """What to do where something is missing (`dialects.dialect.REMEDIES`, or a signal), for every mesh."""
        native = queries.native_histograms(self.views, self.probe.span) if what == "latency" else {}
        texts = {native.get(d.name) or d.remedy(what): d.name for d in self.dialects}
        return "; ".join(text if len(texts) == 1 else f"{name}: {text}" for text, name in texts.items())

    @property
    def recorded(self) -> tuple[str, ...]:
        """Selectors of all that the notebooks read."""
        return tuple(dict.fromkeys(s for dialect in self.dialects for s in dialect.recorded))

    @property
    def counts_attempts(self) -> bool:
        """Whether the source's request counters count every attempt, and not every request once."""
        return retries.counts_attempts(self.views)

    def window(self, start: Moment = "", end: Moment = "", step: str | timedelta = "") -> Window:
        """The window to ask about, as `Window.parse` reads it; all of a recording, or a live engine's last hour.

        A ParameterError says that there is no such time, or that nothing of a recording lies in the window.
        """
        return queries.window(self.engine, self.source, start, end, step, lag_ms=self.probe.lag_ms)

    def query(
        self, promql: str, start: Moment = "", end: Moment = "", step: str | timedelta = "", *, wide: bool = False
    ) -> pd.DataFrame:
        """Evaluate PromQL at every point of a window: the tidy frame, or with `wide` one column a series by time."""
        return queries.frame(
            renaming.store_of(self.engine).query_range(promql, self.window(start, end, step)), wide=wide
        )

    def where(self, subject: Subject) -> list[Condition]:
        """Conditions that select one subject, whatever the mesh."""
        return subjects.where(subject)

    def find(self, service: str, window: Span, namespace: str = "", *, by_cluster: bool = True) -> Subject:
        """The subject that a canonical service, a host (also shortened: ``catalog.shop``) or a workload stands for.

        A ParameterError says that the store has never known the name (and the nearest ones), or that several bear it.
        Without `by_cluster` a service of several clusters is one, and its subject names none.
        """
        span = subjects.known_span(self.engine, window)
        return lookup.find(self.views, service, namespace, span, self.source, by_cluster=by_cluster)

    def with_related_services(self, subject: Subject, names: Sequence[str], window: Span) -> Subject:
        """A subject with the services of its namespace that bear one of some names, or whose workload does."""
        return lookup.with_related_services(self.views, subject, names, subjects.known_span(self.engine, window))

    def combinations(self, subject: Subject, window: Span, words: Sequence[str]) -> pd.DataFrame:
        """All combinations of some words that the store has ever known of a service (a live store: the day before)."""
        return subjects.combinations(self.views, subject, subjects.known_span(self.engine, window), words)

    def services(self, window: Span) -> Answer:
        """The called services, workloads and hosts, and ``requests`` as in `totals`."""
        return counts.services(self.views, window)

    def totals(self, window: Span, words: Sequence[str], where: Where = ()) -> Answer:
        """The words and ``requests`` by PromQL's increase, of the side that counted more; the busiest first."""
        return counts.totals(self.views, window, words, where)

    def arms(self, window: Span, subject: Subject, by: str = "destination_version") -> Answer:
        """The versions of a service, or what else tells its arms apart, and their ``requests`` as in `totals`."""
        return self.totals(window, (by,), self.where(subject))

    def has_durations(self, window: Span, subject: Subject) -> bool:
        """Whether durations of a service's requests are there at the window's end; a small query a counter at most."""
        return any(view.has_durations(self.where(subject), window) for view in reversed(self.views))

    def request_rates(
        self, window: Window, by: Sequence[str], where: Where = (), *, reporter: Reporter | str = Reporter.SOURCE
    ) -> Answer:
        """The words, ``time`` and ``rate_per_s`` at every point; the rate's range is the step, at least a minute."""
        return counts.rates(self._side(reporter), window, by, where)

    def request_counts(
        self, window: Span, by: Sequence[str], where: Where = (), *, reporter: Reporter | str, block_ms: int
    ) -> Counts:
        """Requests in blocks of time: exact increments of the raw counters, counter resets included.

        A block in which no counter of a group was scraped is missing, not zero.
        """
        return counts.request_counts(self._side(reporter), window, by, where, block_ms)

    def latency_buckets(
        self, window: Span, by: Sequence[str], where: Where = (), *, reporter: Reporter | str, block_ms: int
    ) -> Counts:
        """As `request_counts`, by ``le`` (milliseconds, the bucket's upper edge) and cumulative over the edges."""
        return counts.latency_buckets(self._side(reporter), window, by, where, block_ms)

    def durations(
        self, window: Span, by: Sequence[str], where: Where = (), *, reporter: Reporter | str, block_ms: int
    ) -> Counts:
        """How long requests that ended took together, ``sum_ms``; over a block's length: in flight (Little's law)."""
        return counts.durations(self._side(reporter), window, by, where, block_ms)

    def restarts(self, window: Span, by: Sequence[str], where: Where = (), *, reporter: Reporter | str) -> Answer:
        """The words and ``restarts``: how often proxies were started anew, as their counters tell by falling.

        A pod that came back under another name is another pod.
        """
        return counts.restarts(self._side(reporter), window, by, where)

    def retry_counts(self, window: Span, *, block_ms: int) -> Counts:
        """What the source's proxies say of their own retries, time-outs and breakers, in blocks of time.

        By `dialects.proxies.PLACE` and ``metric`` (one of `dialects.proxies.COUNTERS`). What is not exported has no
        row, what was exported and stood still has zeros.
        """
        return retries.retry_counts(self.views, window, block_ms)

    def breaker_gauges(self, window: Span, *, block_ms: int) -> Answer:
        """How often and when breakers stood open and hosts were ejected: the columns of `dialects.proxies.summary`."""
        return retries.breaker_gauges(self.views, window, block_ms)

    def scraped_twice(self, window: Span) -> tuple[str, ...]:
        """The scrape jobs that read the same counters, so that each is in the store more than once; none as a rule.

        They are counted once, and ``query.infos`` of counts and totals says so (`scraped_twice.SCRAPED_TWICE`).
        """
        return tuple(sorted({job for view in self.views for job in view.scraped_twice(window)}))

    def _side(self, reporter: Reporter | str) -> list[CounterView]:
        return [view for view in self.views if view.reporter is Reporter(reporter)]
