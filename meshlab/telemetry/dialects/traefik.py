"""Traefik: requests that it sends to services.

Names: doc.traefik.io, "Metrics: Prometheus", service metrics (``metrics.prometheus.addServicesLabels``).
"""

from __future__ import annotations

from typing import Final

from meshlab.core.selector import matches
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Column
from meshlab.telemetry.dialects.dialect import Dialect, Family, View

__all__ = ["TRAEFIK"]

_COUNTER: Final = "traefik_service_requests_total"

TRAEFIK: Final = Dialect(
    name="Traefik",
    looks_for=f"{_COUNTER}: set metrics.prometheus.addServicesLabels",
    counters=(_COUNTER,),
    stand_in=6,
    views={
        Reporter.SOURCE: View(
            (
                Family(
                    requests=_COUNTER,
                    durations="traefik_service_request_duration_seconds_bucket",
                    unit_ms=1000.0,
                    columns={
                        "source": Column(("pod", "instance"), exclusive=False),
                        "source_namespace": Column(("namespace",)),
                        # shop-catalog-80@kubernetes: namespace and name cannot be distinguished.
                        "destination_service": Column(("service",), cut="(.+)@[^@]+", ask="{}@[^@]+"),
                        "protocol": Column(("protocol",)),
                        "reporter": Column(constant="source"),
                        "code": Column(("code",)),
                    },
                ),
            )
        )
    },
    label_pattern="__name__|le|service|code|method|protocol|url|sticky",
    recorded_selectors=((matches("__name__", "traefik_service_.*"),),),
    remedies={
        "source": "send the requests through Traefik",
        "destination": "an ingress counts what it sends: the called side would need a mesh's metrics",
        "latency": "set metrics.prometheus.buckets",
    },
)
"""Traefik's words."""
