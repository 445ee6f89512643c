"""Gauges and counters of exporters as frames: named columns, each thing once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts
from meshlab.core.selector import Matcher, equal, matches, selector
from meshlab.core.series import SeriesSet, utc_index
from meshlab.core.window import Span
from meshlab.engines.base import LOOKBACK_MS
from meshlab.telemetry.answer import Answer
from meshlab.telemetry.dialects.base import MeshOptions
from meshlab.telemetry.increase import increase_by_block
from meshlab.telemetry.kubernetes.owners import METRICS as OWNERS
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.queries import together
from meshlab.telemetry.scraped_twice import distinct
from meshlab.telemetry.targets import SCRAPE, Targets

__all__ = ["PLACE", "Exporter", "recorded"]

PLACE: Final = {"cluster": "cluster", "namespace": "namespace"}
"""From columns to labels: where a thing is. A store of one cluster has no label for it, and the column is empty."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """An exporter of one namespace's things, or of all.

    Parameters
    ----------
    mesh : Mesh
        Whose engine is asked, with what its profile demands of every selector.
    namespace : str
        Empty for all.
    """

    mesh: Mesh
    namespace: str = ""

    def gauge(self, metric: str, window: Span, columns: Mapping[str, str], *matchers: Matcher) -> Answer:
        """A gauge as it was scraped.

        Parameters
        ----------
        metric : str
        window : Span
        columns : mapping of str to str
            From the frame's columns to labels; an absent label is the empty text.
        *matchers : Matcher

        Returns
        -------
        Answer
            The columns, ``time`` (datetime64[ms, UTC]) and ``value``. What is scraped twice is there once.
        """
        raw = self.mesh.engine.samples(self.selector(metric, *matchers), window.with_lead(LOOKBACK_MS))
        labels = _named(raw, columns)
        frame = labels.iloc[raw.sid].reset_index(drop=True)
        frame["time"] = utc_index(raw.time)
        frame["value"] = raw.value
        # Two scrapers of one exporter say the same: the larger one is the later one of a thing that grows.
        frame = frame.dropna(subset=["value"]).groupby([*columns, "time"], sort=True)["value"].max().reset_index()
        return Answer(frame, raw.query)

    def last(self, metric: str, window: Span, columns: Mapping[str, str], *matchers: Matcher) -> Answer:
        """The last value of each thing in the window; the columns and ``value``."""
        answer = self.gauge(metric, window, columns, *matchers)
        frame = answer.frame.drop_duplicates(list(columns), keep="last")
        return Answer(frame.drop(columns="time").reset_index(drop=True), answer.query)

    def labels(self, metric: str, window: Span, columns: Mapping[str, str]) -> Answer:
        """The labels of a metric that says nothing by its value."""
        found = self.mesh.engine.series(self.selector(metric), window)
        return Answer(_named(found, columns).drop_duplicates().reset_index(drop=True), found.query)

    def there(self, metric: str, window: Span, columns: Mapping[str, str]) -> Answer:
        """The labels of what a metric speaks of at the window's end; a server groups them."""
        found = self.mesh.engine.query(
            f"count by ({', '.join(columns.values())}) ({self.selector(metric)})", window.end
        )
        return Answer(_named(found, columns).drop_duplicates().reset_index(drop=True), found.query)

    def at_end(self, metrics: Sequence[str], window: Span, columns: Mapping[str, str]) -> list[pd.DataFrame]:
        """The largest value of each thing at the window's end, as a server groups them: the columns and ``value``."""
        by = ", ".join(columns.values())
        expressions = [f"max by ({by}) ({self.selector(metric)})" for metric in metrics]
        answers = together(self.mesh.engine, expressions, window.end)
        frames = [_named(found, columns).iloc[found.sid].assign(value=found.value) for found in answers]
        return [frame.reset_index(drop=True) for frame in frames]

    def increase_by_block(
        self,
        metric: str,
        window: Span,
        columns: Mapping[str, str],
        block_ms: int,
        *matchers: Matcher,
        quantity: str = "value",
    ) -> Counts:
        """How much a counter rose, in blocks of time, by the columns; what is scraped twice counts once."""
        raw = self.mesh.engine.samples(self.selector(metric, *matchers), window.with_lead(LOOKBACK_MS))
        raw = distinct(raw, _nothing_is_its_own, identity=[*columns.values()])
        scraped = Targets.by(raw, [name for name in raw.labels if name in SCRAPE and name not in columns.values()])
        return increase_by_block(scraped, _named(raw, columns), BlockGrid.over(window, block_ms), quantity=quantity)

    def selector(self, metric: str, *matchers: Matcher) -> str:
        """The selector of a metric, in the namespace and with what the profile demands."""
        own = (equal("namespace", self.namespace),) if self.namespace else ()
        return selector(metric, *own, *matchers, forced=self.mesh.dialect.options.forced)


def recorded(options: MeshOptions) -> tuple[str, ...]:
    """Selectors of all that the notebooks read of Kubernetes' exporters."""
    names = (
        "kube_horizontalpodautoscaler_(info|(spec|status)_.*)|"
        "kube_deployment_(spec_replicas|status_replicas_ready)|"
        "kube_pod_(created|deletion_timestamp|owner|status_scheduled_time|status_ready_time)|"
        "container_cpu_usage_seconds_total|"
        f"{OWNERS}"
    )
    return (selector("", matches("__name__", names), forced=options.forced),)


def _nothing_is_its_own(_label: str) -> bool:
    """Whether an exporter of other things sets a label itself: nobody knows, so none is passed over."""
    return False


def _named(found: SeriesSet, columns: Mapping[str, str]) -> pd.DataFrame:
    labels = found.labels
    nothing = pd.Series("", labels.index, dtype=str)
    return pd.DataFrame({c: labels[name].astype(str) if name in labels else nothing for c, name in columns.items()})
