"""Cilium: HTTP requests as Hubble counts them at the pods' L7 proxies.

Names: docs.cilium.io, "Monitoring and metrics", ``httpV2`` with a labelsContext of sources and destinations.
"""

from __future__ import annotations

from typing import Final

from meshlab.core.selector import equal, matches
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["HUBBLE"]

_COUNTER: Final = "hubble_http_requests_total"
_STATUS: Final = "status"
# The sourceContext and destinationContext write NAMESPACE/NAME, or a reserved identity.
_RESERVED: Final = "reserved:.*"


def _name(label: str) -> Column:
    return Column((label,), cut="(?:[^/]*/)?(.+)", ask="([^/]*/)?{}", never=_RESERVED)


def _namespace(label: str) -> Column:
    return Column((label,), cut="([^/]+)/.+", whole=False, ask="{}/.+", never=_RESERVED)


_COLUMNS: Final = {
    "source": Column(("source_workload",)),
    "source_namespace": Column(("source_namespace",)),
    "destination_workload": Column(("destination_workload",)),
    "destination_service": Column(("destination_app",)),
    "destination_namespace": Column(("destination_namespace",)),
    "reporter": Column(("reporter",), spelling={"client": "source", "server": "destination"}),
    "protocol": Column(("protocol",), spelling={"HTTP/1.0": "http", "HTTP/1.1": "http", "HTTP/2": "http"}),
    "code": Column((_STATUS,)),
}
_INSTEAD: Final = {
    "source": (Column(("source_app",)), Column(("source_pod",)), _name("source")),
    "source_namespace": (_namespace("source"),),
    "destination_workload": (Column(("destination_pod",)),),
    "destination_service": (Column(("destination_workload",)), _name("destination")),
    "destination_namespace": (_namespace("destination"),),
}


def _view(side: str) -> View:
    family = Family(
        requests=_COUNTER,
        durations="hubble_http_request_duration_seconds_bucket",
        unit_ms=1000.0,
        columns=_COLUMNS,
        matchers=(equal("reporter", side),),
        alternatives=_INSTEAD,
    )
    return View((family,))


def _adapt(census: Census) -> Dialect | None:
    # Before httpV2 the counter had no status: responses were counted apart, without the edge.
    return HUBBLE if census.values(census.requests(_COUNTER), _STATUS) else None


HUBBLE: Final = Dialect(
    name="Hubble",
    looks_for=f"{_COUNTER}: set hubble.metrics.enabled to httpV2 with a labelsContext of source and destination",
    counters=(_COUNTER,),
    labels=(_STATUS,),
    adapt=_adapt,
    stand_in=1,
    views={Reporter.SOURCE: _view("client"), Reporter.DESTINATION: _view("server")},
    label_pattern="__name__|le|reporter|method|protocol|status|traffic_direction|(source|destination)(_.*)?",
    recorded_selectors=((matches("__name__", "hubble_(http|drop|flows)_.*"),),),
    remedies={
        "source": "let an L7 policy of the callers' pods select HTTP",
        "destination": "let an L7 policy of the service's pods select HTTP",
        "latency": "set hubble.metrics.enabled to httpV2, which has hubble_http_request_duration_seconds",
    },
    proxy_containers=("cilium-agent", "cilium-envoy"),
)
"""Hubble's words."""
