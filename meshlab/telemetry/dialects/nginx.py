"""The NGINX ingress controller of Kubernetes: requests that it sends to services.

Names: kubernetes.github.io/ingress-nginx, "Monitoring: exposed metrics". The controller reports as the source; its
``namespace`` and ``service`` are the called service's, unless the scrape renamed them.
"""

from __future__ import annotations

from typing import Final

from meshlab.core.selector import matches
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["NGINX"]

_COUNTER: Final = "nginx_ingress_controller_requests"

NGINX: Final = Dialect(
    name="NGINX ingress",
    looks_for=f"{_COUNTER}: set controller.metrics.enabled",
    counters=(_COUNTER,),
    stand_in=5,
    views={
        Reporter.SOURCE: View(
            (
                Family(
                    requests=_COUNTER,
                    durations="nginx_ingress_controller_request_duration_seconds_bucket",
                    unit_ms=1000.0,
                    columns={
                        "source": Column(
                            ("controller_pod",), cut="(.+?)-[0-9a-z]{8,10}-[0-9a-z]{5}", ask="{}-[0-9a-z]+-[0-9a-z]+"
                        ),
                        "source_namespace": Column(("controller_namespace",)),
                        "destination_service": Column(("service",)),
                        "destination_namespace": Column(("namespace",)),
                        "destination_host": Column(("host",)),
                        "reporter": Column(constant="source"),
                        "code": Column(("status",)),
                    },
                ),
            )
        )
    },
    label_pattern="__name__|le|ingress|service|namespace|host|path|method|status|canary|controller_.*",
    recorded_selectors=((matches("__name__", "nginx_ingress_controller_(requests|request_duration_seconds_.*)"),),),
    remedies={
        "source": "send the requests through the ingress controller",
        "destination": "an ingress counts what it sends: the called side would need a mesh's metrics",
        "latency": "keep nginx_ingress_controller_request_duration_seconds (not excluded by --exclude-socket-metrics)",
    },
)
"""NGINX's words."""
