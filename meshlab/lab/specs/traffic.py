"""What the callers' sidecars do with requests for a service: retries, time-outs, breakers, faults, mirrors."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from meshlab.core.settings import Settings
from meshlab.lab.specs.kinds import Count, Millis, Percent, PositiveMillis

__all__ = ["Breaker", "Fault", "Mirror", "Outlier", "Retries", "Traffic"]


class Retries(Settings):
    """Envoy's retry policy of a route."""

    attempts: Annotated[int, Meta(ge=0, le=100, description="Retries after the first attempt; 0 for none.")] = 0
    on: Annotated[str, Meta(description="Envoy's `retry_on`.")] = "5xx,reset,connect-failure"
    per_try_timeout_ms: Annotated[Millis, Meta(description="Of each attempt; 0 for none.")] = 0.0
    back_off_ms: Annotated[PositiveMillis, Meta(description="Base of the back-off; ten times it at most.")] = 25.0


class Breaker(Settings):
    """Circuit breakers of the callers' clusters, Envoy's thresholds; 0 is no limit."""

    connections: Count = 0
    pending: Count = 0
    requests: Count = 0
    retries: Count = 0
    budget_percent: Annotated[
        Percent, Meta(description="Retry budget, of the active requests; it replaces `retries`.")
    ] = 0.0
    budget_min: Annotated[Count, Meta(description="Retries at once that the budget always allows.")] = 3


class Outlier(Settings):
    """Outlier detection: hosts that fail are ejected for a while."""

    consecutive_5xx: Annotated[Count, Meta(description="Failures in a row that eject; 0 for no detection.")] = 0
    interval_ms: Annotated[float, Meta(ge=100, description="How often hosts are looked at.")] = 1_000.0
    ejection_ms: Annotated[float, Meta(ge=100, description="Length of the first ejection.")] = 10_000.0
    most_percent: Annotated[int, Meta(ge=0, le=100, description="Share of hosts that may be ejected.")] = 100


class Fault(Settings):
    """Faults that the callers' sidecars inject."""

    abort_percent: Percent = 0.0
    abort_status: Annotated[int, Meta(ge=200, le=599)] = 503
    delay_percent: Percent = 0.0
    delay_ms: Annotated[float, Meta(ge=0, le=60_000)] = 0.0


class Mirror(Settings):
    """Requests are sent to a version as well, and its answers are thrown away."""

    version: Annotated[str, Meta(description="Empty for none.")] = ""
    percent: Percent = 100.0


class Traffic(Settings):
    """All of it for one service."""

    timeout_ms: Annotated[Millis, Meta(description="Of the whole request with its retries; 0 for none.")] = 0.0
    retries: Retries = Retries()
    breaker: Breaker = Breaker()
    outlier: Outlier = Outlier()
    fault: Fault = Fault()
    mirror: Mirror = Mirror()
    failover: Annotated[
        bool, Meta(description="Callers prefer the replicas in their own cluster; else all replicas get the same.")
    ] = True
    plaintext_from: Annotated[
        tuple[str, ...], Meta(description="Workloads that call this service without TLS although they have a sidecar.")
    ] = ()
