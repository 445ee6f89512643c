"""A toy dialect outside of meshlab: HTTP requests of a mesh that does not exist, with workloads among its labels."""

from __future__ import annotations

from meshlab.core.selector import equal, matches
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

COLUMNS = {
    "source": Column(("source_workload",)),
    "source_namespace": Column(("source_namespace",)),
    "destination_workload": Column(("destination_workload",)),
    # A pod that has an app is known by it; the others by their workload.
    "destination_service": Column(("destination_app", "destination_workload"), exclusive=False),
    "destination_namespace": Column(("destination_namespace",)),
    "destination_version": Column(("destination_version",)),
    "protocol": Column(("protocol",), spelling={"HTTP/1.1": "http", "HTTP/2": "http"}),
    "code": Column(("status",)),
    "reporter": Column(("reporter",)),
}


def view(side: str) -> View:
    family = Family(
        requests="acme_http_requests_total",
        durations="acme_http_request_duration_seconds_bucket",
        unit_ms=1000.0,
        columns=COLUMNS,
        matchers=(equal("reporter", side),),
    )
    return View((family,))


ACME = Dialect(
    name="Acme",
    looks_for="acme_http_requests_total: set acme.metrics.enabled to httpV2 with a labelsContext",
    counters=("acme_http_requests_total",),
    views={Reporter.SOURCE: view("client"), Reporter.DESTINATION: view("server")},
    label_pattern="__name__|le|reporter|method|protocol|status|(source|destination)_.*",
    recorded_selectors=((matches("__name__", "acme_.*"),),),
    remedies={
        "source": "let an L7 policy of the callers' pods select HTTP",
        "destination": "let an L7 policy of the service's pods select HTTP",
        "latency": "set acme.metrics.enabled to httpV2",
    },
)
