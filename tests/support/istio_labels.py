"""The labels that Istio's sidecars give to their request counters."""

from __future__ import annotations

__all__ = ["istio_labels"]


def istio_labels(reporter: str, *, source: str, service: str, code: str = "200", flags: str = "-") -> dict[str, str]:
    """Of one caller and one called service, both in the namespace shop."""
    return {
        "__name__": "istio_requests_total",
        "reporter": reporter,
        "source_workload": source,
        "source_workload_namespace": "shop",
        "destination_workload": service,
        "destination_workload_namespace": "shop",
        "destination_canonical_service": service,
        "destination_service": f"{service}.shop.svc.cluster.local",
        "response_code": code,
        "response_flags": flags,
        "pod": f"{source}-0" if reporter == "source" else f"{service}-0",
        "namespace": "shop",
    }
