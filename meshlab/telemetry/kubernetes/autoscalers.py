"""HorizontalPodAutoscalers, as kube-state-metrics shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from meshlab.core.window import Span
from meshlab.telemetry.answer import Answer
from meshlab.telemetry.kubernetes.gauges import PLACE, Exporter

__all__ = ["Autoscalers"]

_PREFIX: Final = "kube_horizontalpodautoscaler"
_AUTOSCALER: Final = {**PLACE, "autoscaler": "horizontalpodautoscaler"}
_METRIC: Final = {**_AUTOSCALER, "metric": "metric_name", "kind": "metric_target_type"}


@dataclass(frozen=True, slots=True)
class Autoscalers:
    """Bounds, targets, metrics and decisions of autoscalers.

    kube-state-metrics exports bounds and targets; policies, windows and the sync period are only in the
    object itself and in the controller's flags.

    Parameters
    ----------
    exporter : Exporter
    """

    exporter: Exporter

    def bounds(self, window: Span) -> Answer:
        """Bounds and scaled workload: ``cluster, namespace, autoscaler, workload, min_replicas, max_replicas``."""
        lower = self.exporter.last(f"{_PREFIX}_spec_min_replicas", window, _AUTOSCALER)
        upper = self.exporter.last(f"{_PREFIX}_spec_max_replicas", window, _AUTOSCALER).frame
        info = self.exporter.labels(f"{_PREFIX}_info", window, {**_AUTOSCALER, "workload": "scaletargetref_name"}).frame
        keys = list(_AUTOSCALER)
        frame = lower.frame.rename(columns={"value": "min_replicas"}).merge(
            upper.rename(columns={"value": "max_replicas"}), on=keys, how="inner"
        )
        frame = frame.merge(info, on=keys, how="left")
        # An older exporter has no info: an autoscaler usually has the name of the workload it scales.
        frame["workload"] = frame["workload"].fillna(frame["autoscaler"])
        return Answer(frame[[*keys, "workload", "min_replicas", "max_replicas"]].reset_index(drop=True), lower.query)

    def scaled(self, window: Span) -> Answer:
        """What is scaled at the window's end, by one small query: ``cluster, namespace, autoscaler, workload``."""
        return self.exporter.there(f"{_PREFIX}_info", window, {**_AUTOSCALER, "workload": "scaletargetref_name"})

    def now(self, window: Span) -> pd.DataFrame:
        """At the window's end: ``cluster, namespace, autoscaler, workload, current, most``; at most two queries."""
        keys = list(_AUTOSCALER)
        names = (f"{_PREFIX}_status_current_replicas", f"{_PREFIX}_spec_max_replicas")
        current, most = self.exporter.at_end(names, window, _AUTOSCALER)
        frame = current.rename(columns={"value": "current"}).merge(most.rename(columns={"value": "most"}), on=keys)
        scaled = self.scaled(window).frame if len(frame) else pd.DataFrame(columns=[*keys, "workload"])
        frame = frame.merge(scaled.drop_duplicates(keys), on=keys, how="left")
        frame["workload"] = frame["workload"].fillna(frame["autoscaler"])
        return frame

    def targets(self, window: Span) -> Answer:
        """The target of each metric: ``cluster, namespace, autoscaler, metric, kind, target``."""
        answer = self.exporter.last(f"{_PREFIX}_spec_target_metric", window, _METRIC)
        return Answer(answer.frame.rename(columns={"value": "target"}), answer.query)

    def observed(self, window: Span) -> Answer:
        """The value of each metric: ``cluster, namespace, autoscaler, metric, kind, time, value``."""
        return self.exporter.gauge(f"{_PREFIX}_status_target_metric", window, _METRIC)

    def status(self, window: Span) -> Answer:
        """``cluster, namespace, autoscaler, time, current, desired``: replicas of the last decision at each scrape."""
        current = self.exporter.gauge(f"{_PREFIX}_status_current_replicas", window, _AUTOSCALER)
        desired = self.exporter.gauge(f"{_PREFIX}_status_desired_replicas", window, _AUTOSCALER)
        frame: pd.DataFrame = current.frame.rename(columns={"value": "current"}).merge(
            desired.frame.rename(columns={"value": "desired"}), on=[*_AUTOSCALER, "time"], how="inner"
        )
        return Answer(frame, desired.query)
