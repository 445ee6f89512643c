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
_ONE: Final = {**PLACE, "autoscaler": "horizontalpodautoscaler"}
_METRIC: Final = {**_ONE, "metric": "metric_name", "kind": "metric_target_type"}


@dataclass(frozen=True, slots=True)
class Autoscalers:
    """What autoscalers were told, saw and decided.

    kube-state-metrics exports bounds and targets; policies, windows and the sync period stand nowhere but in the
    object itself and in the controller's flags.

    Parameters
    ----------
    exporter : Exporter
    """

    exporter: Exporter

    def told(self, window: Span) -> Answer:
        """Bounds and what is scaled: ``cluster, namespace, autoscaler, workload, least, most``."""
        least = self.exporter.last(f"{_PREFIX}_spec_min_replicas", window, _ONE)
        most = self.exporter.last(f"{_PREFIX}_spec_max_replicas", window, _ONE).frame
        info = self.exporter.labels(f"{_PREFIX}_info", window, {**_ONE, "workload": "scaletargetref_name"}).frame
        keys = list(_ONE)
        frame = least.frame.rename(columns={"value": "least"}).merge(
            most.rename(columns={"value": "most"}), on=keys, how="inner"
        )
        frame = frame.merge(info, on=keys, how="left")
        # An older exporter has no info: an autoscaler bears the name of what it scales more often than not.
        frame["workload"] = frame["workload"].fillna(frame["autoscaler"])
        return Answer(frame[[*keys, "workload", "least", "most"]].reset_index(drop=True), least.query)

    def scaled(self, window: Span) -> Answer:
        """What is scaled at the window's end, by one small question: ``cluster, namespace, autoscaler, workload``."""
        return self.exporter.there(f"{_PREFIX}_info", window, {**_ONE, "workload": "scaletargetref_name"})

    def targets(self, window: Span) -> Answer:
        """What each metric shall be: ``cluster, namespace, autoscaler, metric, kind, target``."""
        answer = self.exporter.last(f"{_PREFIX}_spec_target_metric", window, _METRIC)
        return Answer(answer.frame.rename(columns={"value": "target"}), answer.query)

    def seen(self, window: Span) -> Answer:
        """What each metric was: ``cluster, namespace, autoscaler, metric, kind, time, value``."""
        return self.exporter.gauge(f"{_PREFIX}_status_target_metric", window, _METRIC)

    def decided(self, window: Span) -> Answer:
        """``cluster, namespace, autoscaler, time, current, desired``: replicas, as last decided at each scrape."""
        current = self.exporter.gauge(f"{_PREFIX}_status_current_replicas", window, _ONE)
        desired = self.exporter.gauge(f"{_PREFIX}_status_desired_replicas", window, _ONE)
        frame: pd.DataFrame = current.frame.rename(columns={"value": "current"}).merge(
            desired.frame.rename(columns={"value": "desired"}), on=[*_ONE, "time"], how="inner"
        )
        return Answer(frame, desired.query)
