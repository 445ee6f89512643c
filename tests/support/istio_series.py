"""Istio-shaped series with a known truth, as an engine in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from meshlab.recordings.engine import Recording

START = 1_769_860_800  # 2026-01-31T12:00:00Z
LE = ("5", "10", "25", "+Inf")

Series = tuple[dict[str, str], Sequence[float], Sequence[float]]


def labels(
    name: str, *, version: str, reporter: str, service: str = "catalog", code: str = "200", **more: str
) -> dict[str, str]:
    pod = f"{service}-{version}-0" if reporter == "destination" else "storefront-v1-0"
    return {
        "__name__": name,
        "reporter": reporter,
        "source_workload": "storefront-v1",
        "source_workload_namespace": "shop",
        "destination_workload": f"{service}-{version}",
        "destination_workload_namespace": "shop",
        "destination_canonical_service": service,
        "destination_service": f"{service}.shop.svc.cluster.local",
        "destination_version": version,
        "destination_cluster": "east",
        "request_protocol": "http",
        "response_code": code,
        "response_flags": "-",
        "connection_security_policy": "mutual_tls" if reporter == "destination" else "unknown",
        "pod": pod,
        **more,
    }


def times(count: int = 61, every: int = 5) -> np.ndarray:
    return START + every * np.arange(count)


def canary(
    rates: dict[str, tuple[int, int]] | None = None, *, count: int = 61, service: str = "catalog", **more: str
) -> Iterable[Series]:
    """Counters that rise by (ok, errors) a scrape and version, on both sides, with durations at the destination."""
    at = times(count)
    for version, (ok, errors) in (rates or {"v1": (30, 1), "v2": (10, 1)}).items():
        for reporter in ("source", "destination"):
            for code, step in (("200", ok), ("500", errors)):
                who = labels(
                    "istio_requests_total", version=version, reporter=reporter, code=code, service=service, **more
                )
                yield who, at, 100 + step * np.arange(count)
        for le, share in zip(LE, (0.25, 0.5, 1.0, 1.0), strict=True):
            who = labels(
                "istio_request_duration_milliseconds_bucket",
                version=version,
                reporter="destination",
                service=service,
                le=le,
                **more,
            )
            yield who, at, np.floor(share * (ok + errors) * np.arange(count))


HOST = "catalog.shop.svc.cluster.local"


def engine(*series: Iterable[Series]) -> Recording:
    return Recording.from_series([one for many in series for one in many], name="a test")


def lost(host: str = HOST, step: int = 2, **more: str) -> Series:
    """As Istio writes requests that found no pod."""
    unknown = dict.fromkeys(
        (
            "destination_canonical_service",
            "destination_workload",
            "destination_workload_namespace",
            "destination_cluster",
            "destination_version",
        ),
        "unknown",
    )
    who = labels("istio_requests_total", version="", reporter="source", code="503")
    who |= unknown | {"destination_service": host, "response_flags": "UH", "destination_canonical_revision": "latest"}
    return {**who, **more}, times(), step * np.arange(61)
