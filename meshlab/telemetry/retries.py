"""What proxies say of their own retries and breakers, and how their counters count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts
from meshlab.core.series import SeriesSet
from meshlab.core.window import Span
from meshlab.engines.base import LOOKBACK_MS
from meshlab.telemetry.answer import Answer
from meshlab.telemetry.dialects import proxies, replicas
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.counter_view import CounterView

__all__ = ["breaker_gauges", "counts_attempts", "retry_counts", "scrape_ms"]

Views = Sequence[CounterView]


def retry_counts(views: Views, span: Span, block_ms: int) -> Counts:
    """See `Mesh.retry_counts`."""
    raw = _samples(views[0], proxies.counters(views[0].dialect.options.forced), span)
    return proxies.increase_by_block(raw, _workloads(views, span), BlockGrid.over(span, block_ms))


def breaker_gauges(views: Views, span: Span, block_ms: int) -> Answer:
    """See `Mesh.breaker_gauges`."""
    raw = _samples(views[0], proxies.gauges(views[0].dialect.options.forced), span)
    return Answer(proxies.summary(raw, _workloads(views, span), BlockGrid.over(span, block_ms)), raw.query)


def scrape_ms(views: Views, span: Span) -> int:
    """How often request counters are scraped, milliseconds: the median of the last five minutes; 0: not known."""
    for view in views:
        raw = view.engine.samples(view.dialect.counts(view.family, ()), span.last(LOOKBACK_MS))
        gaps = np.diff(raw.time.astype(np.int64))[raw.sid[1:] == raw.sid[:-1]]
        if len(gaps):
            return int(np.median(gaps))
    return 0


def counts_attempts(views: Views) -> bool:
    """Whether the source's request counters count every attempt, and not every request once."""
    return any(family.counts_attempts for family in views[0].dialect.families(Reporter.SOURCE))


def _samples(view: CounterView, selected: str, span: Span) -> SeriesSet:
    raw, label = view.engine.samples(selected, span.with_lead(LOOKBACK_MS)), view.dialect.options.replica_label
    return replicas.deduplicate(raw, label, view.dialect.owns) if label else raw


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
