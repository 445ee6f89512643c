"""One counter of one side of one mesh: from what an engine answers to dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts, group_rows
from meshlab.core.selector import Matcher, equal, selector
from meshlab.core.series import Query, SeriesSet, utc_index
from meshlab.core.subject import IDENTITY
from meshlab.core.window import Span, Window
from meshlab.engines.base import LOOKBACK_MS, Engine
from meshlab.stats.counters import resets
from meshlab.telemetry import scraped_twice
from meshlab.telemetry.dialects import identity, replicas, reporters, unreached
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.dialect import Dialect, Family, View, Where
from meshlab.telemetry.first_look import Look, look
from meshlab.telemetry.increase import increase, increase_by_block
from meshlab.telemetry.scrapes import Scrapes
from meshlab.telemetry.targets import Targets

__all__ = ["CounterView"]

_RECENT_MS: Final = 3_600_000
"""How far back a server is asked for names that are not known beforehand."""

_EDGE: Final = (*reporters.EDGE, "reporter", "destination_workload", "destination_version")
"""The dimensions that tell sums over pods apart."""

Services = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class CounterView:
    """One counter of one side of one mesh.

    Parameters
    ----------
    engine : Engine
    dialect : Dialect
    reporter : Reporter
    family : Family
    source : str
        What the user called the store, for messages.
    scrapes : Scrapes
        Since when targets are scraped.
    """

    engine: Engine
    dialect: Dialect
    reporter: Reporter
    family: Family
    source: str
    scrapes: Scrapes
    _services: dict[Span, Services] = field(default_factory=dict, init=False, repr=False, compare=False)
    _looks: dict[tuple[str, Span], Look] = field(default_factory=dict, init=False, repr=False, compare=False)
    _hosts: dict[Span, unreached.Hosts] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def view(self) -> View:
        """The side that it belongs to."""
        return self.dialect.views[self.reporter]

    def named(self, labels: pd.DataFrame, dimensions: Sequence[str], span: Span) -> pd.DataFrame:
        """The dimensions for a label table; shape (rows, dimensions)."""
        needed = self._needed(dimensions, ())
        named = self.family.named(labels, needed)
        if "destination_service" in needed:
            if self.view.service_from_source:
                named["destination_service"] = identity.with_services(named, self._services_in(span))
            elif self.view.fallback_to_workload and (nameless := named["destination_service"] == "").any():
                named.loc[nameless, "destination_service"] = identity.with_services(
                    named[nameless], self._services_in(span)
                )
        if self._hosts_tell and "category" in needed:
            named = unreached.filled(named, lambda: self._hosts_in(span))
        elif "category" in needed:
            named["category"] = unreached.categories(named)
        return named[list(dimensions)]

    def asked(self, where: Where, span: Span) -> Where:
        """Conditions as this side can be asked: for services where it knows workloads, for their workloads.

        What reached no pod names no service, and comes with every service that is asked for.
        """
        if not self._hosts_tell:
            return self._reached(where, span)
        return [
            Condition(c.dimension, (*c.values, "")) if isinstance(c, Condition) and c.dimension in IDENTITY else c
            for c in self._reached(where, span)
        ]

    def _reached(self, where: Where, span: Span) -> Where:
        """The same for requests that reached a pod."""
        asked: list[Condition | Matcher] = []
        for condition in where:
            if not isinstance(condition, Condition) or condition.dimension != "destination_service":
                pass
            elif self.view.fallback_to_workload:
                condition = Condition(condition.dimension, (*condition.values, ""))
            elif self.view.service_from_source:
                behind = {w for (_, w), s in self._services_in(span).items() if s in condition.values}
                condition = Condition("destination_workload", tuple(sorted({*behind, *condition.values})))
            asked.append(condition)
        return asked

    def combinations(self, where: Where, dimensions: Sequence[str], span: Span) -> pd.DataFrame:
        """Combinations of dimensions of the counters in a store; conditions that it cannot be asked are left open."""
        selected = self.dialect.counts(self.family, self.asked(where, span))
        return self.named(self.engine.series(selected, span).labels, dimensions, span).drop_duplicates()

    def all_combinations(self, dimensions: Sequence[str], span: Span) -> pd.DataFrame:
        """Combinations of dimensions of all counters (a server: of the last hour)."""
        return self.named(self._all_labels(self.family, dimensions, span), dimensions, span).drop_duplicates()

    def with_durations(self, dimensions: Sequence[str], span: Span) -> set[tuple[str, ...]]:
        """For which values of some dimensions there are durations at the span's end."""
        if not self.family.durations:
            return set()
        labels = ", ".join(self.family.labels(self._needed((*dimensions, "category"), ())))
        whole = self.dialect.buckets(self.family, [equal("le", "+Inf")])
        answer = self.engine.query(f"count by ({labels}) ({whole})", span.end)
        named = self.named(answer.labels, (*dimensions, "category"), span)
        return set(named.loc[named["category"] == "", list(dimensions)].itertuples(index=False, name=None))

    def native_durations(self, span: Span) -> str:
        """The metric of durations that are native histograms, without classic buckets; empty where there is none."""
        name = self.family.durations.removesuffix("_bucket")
        if not name or self.with_durations(("destination_service",), span):
            return ""
        native = selector(name, *self.family.matchers, forced=self.dialect.options.forced)
        return name if len(self.engine.query(f"count({native})", span.end)) else ""

    def request_counts(self, span: Span, by: Sequence[str], where: Where, grid: BlockGrid) -> Counts:
        """Requests by dimensions and block."""
        raw = self._samples(self.dialect.counts(self.family, self.asked(where, span)), span)
        labels, targets, keep = self._labelled(raw, span, by, where, grid)
        return increase_by_block(targets, labels, grid, keep=keep)

    def latency_buckets(self, span: Span, by: Sequence[str], where: Where, grid: BlockGrid) -> Counts:
        """Requests by dimensions, ``le`` (milliseconds) and block, cumulative over ``le``."""
        raw = self._samples(self.dialect.buckets(self.family, self.asked(where, span)), span)
        labels, targets, keep = self._labelled(raw, span, by, where, grid)
        # Prometheus 2 writes le="1", Prometheus 3 le="1.0": the number is what counts.
        edges = raw.labels["le"].astype(np.float64) if len(raw) else pd.Series(dtype=np.float64)
        return increase_by_block(targets, labels.assign(le=edges * self.family.unit_ms), grid, keep=keep)

    def durations(self, span: Span, by: Sequence[str], where: Where, grid: BlockGrid) -> Counts:
        """Milliseconds that requests took together, by dimensions and block."""
        raw = self._samples(self.dialect.sums(self.family, self.asked(where, span)), span)
        labels, targets, keep = self._labelled(raw, span, by, where, grid)
        scale = self.family.unit_ms
        return increase_by_block(targets, labels, grid, keep=keep, quantity="sum_ms", scale=scale)

    def restarts(self, span: Span, by: Sequence[str], where: Where) -> tuple[pd.DataFrame, Query]:
        """How often counters fell: the dimensions and ``restarts``.

        A process has many counters, and the one that fell most often counts.
        """
        selected = self.dialect.counts(self.family, self.asked(where, span))
        raw = self._deduplicated(self.engine.samples(selected, span), span)
        labels, targets = self.named(raw.labels, self._needed(by, where), span), self._targets(raw)
        fell = resets(raw.sid, raw.value, len(raw), targets.unknown)
        labels = labels.assign(restarts=fell)[_fulfilled(labels, where)]
        return labels.groupby(list(by), sort=True)["restarts"].max().reset_index(), raw.query

    def rates(self, window: Window, by: Sequence[str], where: Where) -> tuple[pd.DataFrame, Query]:
        """Requests a second at the points of a grid: the dimensions, ``time`` and ``value``."""
        look = self._look(where, window)
        dimensions, range_ms = self._needed(by, where), max(window.step_ms, 60_000)
        promql = self.dialect.rate(self.family, self.asked(where, window), dimensions, range_ms, look.scrapers.labels)
        frame, query = self._summed(self.engine.query_range(promql, window), dimensions, where, window)
        return frame, replace(query, infos=(*query.infos, *look.infos))

    def totals(self, span: Span, by: Sequence[str], where: Where) -> tuple[pd.DataFrame, Query]:
        """Requests over a span by PromQL's increase: the dimensions, ``time`` and ``value``."""
        look, dimensions = self._look(where, span), self._needed(by, where)
        asked, length = self.asked(where, span), span.duration_ms
        promql = self.dialect.increase(self.family, asked, dimensions, length, look.scrapers.labels)
        frame, query = self._summed(self.engine.query(promql, span.end), dimensions, where, span)
        return frame, replace(query, infos=(*query.infos, *look.infos))

    def scraped_twice(self, span: Span) -> tuple[str, ...]:
        """The jobs that scrape the same counters; none as a rule."""
        return self._look((), span).scrapers.jobs

    def _needed(self, by: Sequence[str], where: Where) -> tuple[str, ...]:
        """All dimensions without which an answer can be neither filtered nor counted once."""
        asked = (c.dimension for c in where if isinstance(c, Condition))
        dimensions = tuple(dict.fromkeys((*by, *asked, *reporters.dimensions(self.view))))
        if "category" in dimensions or (self._hosts_tell and {*dimensions} & {*IDENTITY, "destination_revision"}):
            dimensions = tuple(dict.fromkeys((*dimensions, *unreached.NEEDED)))
        if (self.view.service_from_source or self.view.fallback_to_workload) and "destination_service" in dimensions:
            dimensions = tuple(dict.fromkeys((*dimensions, "destination_namespace", "destination_workload")))
        return dimensions

    def _labelled(
        self, raw: SeriesSet, span: Span, by: Sequence[str], where: Where, grid: BlockGrid
    ) -> tuple[pd.DataFrame, Targets, NDArray[np.bool_]]:
        """Dimensions and scraped targets of the series, and which of them count, so that no request counts twice."""
        labels = self.named(raw.labels, self._needed(by, where), span)
        targets = self.scrapes.targets(self._targets(raw), span, self._others)
        keep = _fulfilled(labels, where)
        keep &= reporters.select_reporter(labels, lambda: increase(targets, grid), self.view)
        return labels[list(by)], targets, keep.to_numpy(np.bool_)

    def _summed(
        self, answer: SeriesSet, dimensions: Sequence[str], where: Where, span: Span
    ) -> tuple[pd.DataFrame, Query]:
        """The tidy frame of an answer that the engine has summed: filtered, and no request counted twice."""
        labels = self.named(answer.labels, dimensions, span)
        keep = _fulfilled(labels, where)
        keep &= reporters.select_reporter(
            labels, lambda: np.bincount(answer.sid, np.nan_to_num(answer.value), len(answer)), self.view
        )
        rows = keep.to_numpy(np.bool_)[answer.sid]
        frame = labels.iloc[answer.sid[rows]].reset_index(drop=True)
        return frame.assign(time=utc_index(answer.time[rows]), value=answer.value[rows]), answer.query

    def _samples(self, selector: str, span: Span) -> SeriesSet:
        """Raw counters, with those before the span: the last one is the base of the first increment."""
        return self._deduplicated(self.engine.samples(selector, span.with_lead(LOOKBACK_MS)), span)

    def _deduplicated(self, raw: SeriesSet, span: Span) -> SeriesSet:
        """Raw counters, each once: of one replica, and of one scraper.

        Raises
        ------
        ParameterError
            There are replicas, and the options do not name their label.
        """
        label = self.dialect.options.replica_label
        if label:
            raw = replicas.deduplicate(raw, label, self.dialect.owns)
        elif label := replicas.replica_label(raw, self.dialect.owns):
            raise replicas.duplicated(self.source, label)
        return scraped_twice.distinct(raw, self.dialect.owns, weights=lambda table: self.scrapes.counts(table, span))

    def _look(self, where: Where, span: Span) -> Look:
        """Look at a few of the largest counters, before the engine sums them all; once for each question.

        Raises
        ------
        ParameterError
            There are replicas, and the options do not name their label; or some are scraped twice, and an expression
            cannot count them once.
        """
        selected = self.dialect.counts(self.family, self.asked(where, span))
        if (selected, span) not in self._looks:
            self._looks[selected, span] = look(
                self.engine, self.family.requests, selected, span, self.dialect, self.source
            )
        return self._looks[selected, span]

    def _services_in(self, span: Span) -> Services:
        """The service of each workload by namespace and workload, as the source's side knows; asked once."""
        if span not in self._services:
            dimensions = ("destination_namespace", "destination_workload", "destination_service")
            frames = [pd.DataFrame(columns=list(dimensions), dtype=str)]
            for family in self.dialect.families(Reporter.SOURCE):
                frames.append(family.named(self._all_labels(family, dimensions, span), dimensions))
            self._services[span] = identity.services_of(pd.concat(frames))
        return self._services[span]

    @property
    def _hosts_tell(self) -> bool:
        """Whether this side counts requests that reached no pod: the called side never saw them."""
        return self.reporter is Reporter.SOURCE and self.family.hosts_tell

    def _hosts_in(self, span: Span) -> unreached.Hosts:
        """The services behind hosts, as requests that reached a pod tell them; asked once."""
        if span not in self._hosts:
            dimensions = tuple(dict.fromkeys((*IDENTITY, "destination_host", "destination_workload")))
            known = self.family.named(self._all_labels(self.family, dimensions, span), dimensions)
            self._hosts[span] = unreached.Hosts.of(known)
        return self._hosts[span]

    def _all_labels(self, family: Family, dimensions: Sequence[str], span: Span) -> pd.DataFrame:
        """Labels of all counters: a server groups them, because a big store's series are too many to look through."""
        if not self.engine.is_live:
            return self.engine.series(self.dialect.counts(family, ()), span).labels
        asked = self.dialect.seen(family, dimensions, min(span.duration_ms, _RECENT_MS))
        return self.engine.query(asked, span.end).labels

    def _targets(self, raw: SeriesSet) -> Targets:
        """The scraped targets of series, as far as these series know."""

        def edges() -> NDArray[np.int64]:
            # Sums over pods are kept by workload; the codes of one edge lose a part together.
            apart = self.family.named(raw.labels, _EDGE).assign(target=targets.number)
            return group_rows(apart)[0]

        targets = Targets.of_mesh(raw, self.dialect.owns, edges)
        return targets

    def _others(self, matcher: Matcher | None) -> list[str]:
        """Selectors of all request counters of this mesh, of some targets."""
        where = [matcher] if matcher is not None else []
        every = (family for reporter in Reporter for family in self.dialect.families(reporter))
        return list(dict.fromkeys(self.dialect.counts(family, where) for family in every))


def _fulfilled(frame: pd.DataFrame, where: Where) -> pd.Series[bool]:
    keep = pd.Series(True, frame.index)
    for condition in where:
        if isinstance(condition, Condition):
            keep &= condition.mask(frame)
    return keep
