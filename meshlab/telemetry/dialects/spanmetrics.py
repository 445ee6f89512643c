"""Requests as span metrics: what the OpenTelemetry Collector or Tempo count from the spans of servers.

Names: opentelemetry-collector-contrib, spanmetricsconnector; grafana.com, "Tempo: use span metrics". A span has no HTTP
status unless it is a dimension: a failed one is code ``5xx``, any other ``2xx``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from typing import Final

from meshlab.core.selector import matches, one_of
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["SPANMETRICS", "spanmetrics"]

_STEMS: Final = ("traces_span_metrics_", "traces_spanmetrics_", "span_metrics_", "")
_HISTOGRAMS: Final = {"duration_milliseconds": 1.0, "duration_seconds": 1000.0, "latency": 1000.0}
"""From histogram to milliseconds in its unit; Tempo's latency is in seconds."""
_COUNTERS: Final = ("calls_total", *(f"{name}_count" for name in _HISTOGRAMS))
_KIND: Final = "span_kind"
_SERVERS: Final = ("SPAN_KIND_SERVER", "SERVER")
_STATUS: Final = {
    "STATUS_CODE_ERROR": "5xx",
    "STATUS_CODE_OK": "2xx",
    "STATUS_CODE_UNSET": "2xx",
    "Error": "5xx",
    "Ok": "2xx",
    "Unset": "2xx",
}
_COLUMNS: Final = {
    "destination_service": Column(("service_name", "service")),
    "destination_namespace": Column(("service_namespace", "k8s_namespace_name"), exclusive=False),
    "destination_version": Column(("service_version",)),
    "destination_workload": Column(("k8s_deployment_name",)),
    "destination_instance": Column(("service_instance_id", "k8s_pod_name"), exclusive=False),
    "reporter": Column(constant="destination"),
    "code": Column(("http_response_status_code", "http_status_code", "status_code"), exclusive=False, spelling=_STATUS),
}


def spanmetrics(stem: str, names: Set[str]) -> Dialect:
    """Span metrics' words.

    Parameters
    ----------
    stem : str
        What stands before ``calls_total``.
    names : set of str
        The counters that the store holds.
    """
    there = [name for name in _HISTOGRAMS if f"{stem}{name}_count" in names]
    family = Family(
        requests=f"{stem}calls_total",
        durations=f"{stem}{there[0]}_bucket" if there else "",
        unit_ms=_HISTOGRAMS[there[0]] if there else 1.0,
        columns=_COLUMNS,
        matchers=(one_of(_KIND, _SERVERS),),
    )
    return dataclasses.replace(SPANMETRICS, views={Reporter.DESTINATION: View((family,))})


def _adapt(census: Census) -> Dialect | None:
    for stem in _STEMS:
        if census.values(census.requests(f"{stem}calls_total"), _KIND) & {*_SERVERS}:
            return spanmetrics(stem, census.names)
    return None


SPANMETRICS: Final = Dialect(
    name="OpenTelemetry span metrics",
    looks_for="traces_span_metrics_calls_total, traces_spanmetrics_calls_total: the Collector's connector, "
    "or Tempo's metrics generator",
    counters=tuple(f"{stem}{name}" for stem in _STEMS for name in _COUNTERS),
    labels=(_KIND,),
    adapt=_adapt,
    stand_in=4,
    views={},
    label_pattern="__name__|le|span_(name|kind)|status_code|(http|rpc|db|messaging|net|server|url|error|otel_scope)_.*",
    recorded_selectors=(
        (matches("__name__", "(traces_span_?metrics_|span_metrics_)?(calls|duration|latency)(_.*)?"),),
    ),
    remedies={
        "source": "span metrics count what a service received: instrument the callers' HTTP clients",
        "destination": "let the services' server spans reach the connector that counts them",
        "latency": "let the connector export a histogram of durations",
    },
)
"""Span metrics' words; `spanmetrics` gives those of one stem."""
