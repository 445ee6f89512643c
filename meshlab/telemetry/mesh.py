"""One method for each thing that one asks of telemetry; counts and frames in one vocabulary come out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.subject import Subject
from meshlab.core.times import Moment
from meshlab.core.window import Span, Window
from meshlab.telemetry import counts, queries, renaming, retries, subjects, subsets
from meshlab.telemetry.answer import Answer
from meshlab.telemetry.dialects import lookup
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.counter_view import CounterView
from meshlab.telemetry.dialects.dialect import Where
from meshlab.telemetry.dialects.lookup import unknown
from meshlab.telemetry.opened import Opened

__all__ = ["Answer", "Mesh", "unknown"]


class Mesh(Opened):
    """The service meshes, seen through the telemetry that an engine holds: one method for each thing that one asks.

    Every `by` and `words` is of the vocabulary (`dialects.base`), every `where` of `Condition` and `Matcher`, every
    `reporter` a `Reporter` or its text. Blocks of `block_ms` milliseconds are counted from the window's start, and a
    last one that would reach beyond the window is left out. All that counts requests raises a ParameterError where
    every series is there twice, from replicas of one Prometheus, and no ``replica_label`` is set.
    """

    __slots__ = ()

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

    def nameless(self, window: Span) -> Answer:
        """Requests of no service: ``category`` (`dialects.unreached.Category`), ``destination_host``, ``requests``."""
        answer = self.totals(window, ("destination_service", "category", "destination_host"))
        rows = answer.frame[answer.frame["destination_service"] == ""].drop(columns="destination_service")
        return Answer(rows.reset_index(drop=True), answer.query)

    def subset_counts(self, window: Span, hosts: Sequence[str] = (), *, block_ms: int) -> Counts:
        """Requests by the version that they were sent to, in blocks of time, as Envoy's own cluster counters say.

        They know the version of requests that reached no pod: a cluster is made for each subset of a DestinationRule.
        Retries are counted, too. By ``destination_namespace``, ``destination_service``, ``destination_host``,
        ``destination_version`` (the subset's name) and ``code`` (``5xx`` where only classes are exported).
        """
        return subsets.subset_counts(self.views, window, hosts, block_ms)

    def arms(self, window: Span, subject: Subject, by: str = "destination_version") -> Answer:
        """The versions of a service, or what else tells its arms apart, and their ``requests`` as in `totals`."""
        return self.totals(window, (by,), self.where(subject))

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
