"""What proxies say of their own retries and breakers, and how their counters count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts
from meshlab.core.selector import Matcher
from meshlab.core.series import Query, SeriesSet
from meshlab.core.times import format_duration
from meshlab.core.window import Span
from meshlab.engines.base import LOOKBACK_MS
from meshlab.telemetry import scraped_twice
from meshlab.telemetry.answer import Answer, joined_query
from meshlab.telemetry.dialects import proxies, replicas
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.counter_view import CounterView
from meshlab.telemetry.dialects.dialect import Dialect
from meshlab.telemetry.queries import together
from meshlab.telemetry.scrapes import Scrapes
from meshlab.telemetry.targets import Targets

__all__ = ["breaker_gauges", "counts_attempts", "retry_counts", "retry_totals"]

Views = Sequence[CounterView]


def retry_counts(views: Views, span: Span, block_ms: int) -> Counts:
    """See `Mesh.retry_counts`."""
    answers, workloads = _samples(views, "retries", span), _workloads(views, span)
    grid = BlockGrid.over(span, block_ms)
    parts = []
    for dialect, raw in answers:
        targets = _targets(views[0].scrapes, dialect, raw, span)
        parts.append(proxies.increase_by_block(targets, dialect, workloads, grid))
    return Counts.joined(parts, joined_query([raw.query for _, raw in answers], span))


def breaker_gauges(views: Views, span: Span, block_ms: int) -> Answer:
    """See `Mesh.breaker_gauges`."""
    answers, workloads = _samples(views, "breakers", span), _workloads(views, span)
    grid = BlockGrid.over(span, block_ms)
    frames = [proxies.summary(raw, dialect, workloads, grid) for dialect, raw in answers]
    held = [frame for frame in frames if len(frame)] or frames[:1]
    return Answer(pd.concat(held, ignore_index=True), joined_query([raw.query for _, raw in answers], span))


def retry_totals(views: Views, span: Span) -> pd.DataFrame:
    """See `Mesh.retry_totals`."""
    length = format_duration(span.duration_ms)
    found = [
        pd.DataFrame({**dict.fromkeys(proxies.PLACE[2:], pd.Series(dtype=str)), "retries": pd.Series(dtype=float)})
    ]
    for view in {view.dialect.name: view for view in views}.values():
        asked = [
            (sign, signal, promql)
            for metric, sign in (("retry", 1), ("tried", 1), ("asked", -1))
            for signal, promql in proxies.summed(view.dialect, metric, length)
        ]
        answers = together(view.engine, [promql for *_, promql in asked], span.end)
        for (sign, signal, _), answer in zip(asked, answers, strict=True):
            values = np.bincount(answer.sid, np.nan_to_num(answer.value), len(answer))
            found.append(proxies.called(signal, answer.labels).assign(retries=sign * values))
    return pd.concat(found).groupby(list(proxies.PLACE[2:]))["retries"].sum().clip(lower=0).reset_index()


def counts_attempts(views: Views) -> bool:
    """Whether the source's request counters count every attempt, and not every request once."""
    return any(family.counts_attempts for family in views[0].dialect.families(Reporter.SOURCE))


def _samples(views: Views, name: str, span: Span) -> list[tuple[Dialect, SeriesSet]]:
    """The series of a signal, by mesh; an empty answer where no mesh exports it."""
    answers = []
    for view in {view.dialect.name: view for view in views}.values():
        if name in view.dialect.signals:
            raw = view.engine.samples(proxies.selected(view.dialect, name), span.with_lead(LOOKBACK_MS))
            label = view.dialect.options.replica_label
            raw = replicas.deduplicate(raw, label, view.dialect.owns) if label else raw
            rising = name == "retries"
            answers.append((view.dialect, scraped_twice.distinct(raw, view.dialect.owns, rising=rising)))
    nothing = SeriesSet.empty(Query(promql="", engine="", window=span))
    return answers or [(views[0].dialect, nothing)]


def _targets(scrapes: Scrapes, dialect: Dialect, raw: SeriesSet, span: Span) -> Targets:
    """The proxies behind the series of a signal: all of a proxy's series were scraped together."""

    def others(matcher: Matcher | None) -> list[str]:
        return [proxies.selected(dialect, "retries", *([matcher] if matcher else []))]

    return scrapes.targets(Targets.of_proxies(raw), span, others)


def _workloads(views: Views, span: Span) -> pd.Series[str]:
    """The workload for which each proxy speaks, as the source's side names it."""
    found = [pd.Series(dtype=str)]
    for view in views:
        if view.reporter is Reporter.SOURCE:
            labels = view.engine.series(view.dialect.counts(view.family, ()), span).labels
            named = view.family.named(labels, ("source",))["source"]
            found.append(pd.Series(named.to_numpy(), index=proxies.proxies(labels).to_numpy(), dtype=str))
    known: pd.Series[str] = pd.concat(found)
    known = known[(known != "") & (known.index != "")]
    once: pd.Series[str] = known[~known.index.duplicated()]
    return once
