"""Workloads: who they are, whom they call, and how they behave."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from meshlab.core.declarations import INTERNAL
from meshlab.core.settings import Settings
from meshlab.errors import ParameterError
from meshlab.lab.specs.kinds import Factor, Millis, Name, NameOrNone, Replicas, Share

__all__ = ["WorkloadSpec"]

_Queue = Annotated[int, Meta(ge=0, le=100_000)]


class WorkloadSpec(Settings, kw_only=True):
    """One workload: who it is, whom it calls, and how it behaves."""

    name: Annotated[str, INTERNAL] = ""
    """The name of its table, [workloads.NAME]: a Deployment's."""
    service: Annotated[Name, Meta(description="The service that it stands behind.")]
    version: Annotated[Name, Meta(description="Its version label.", examples=["v1"])]
    clusters: Annotated[tuple[str, ...], Meta(description="Where it runs; the first cluster when not given.")] = ()
    replicas: Annotated[Replicas, Meta(description="Replicas in each of its clusters, at the beginning.")] = 1
    service_account: Annotated[NameOrNone, Meta(description="Whose identity it carries; else the service's.")] = ""
    sidecar: Annotated[
        bool, Meta(description="False: it stands outside the mesh and calls services directly and in plaintext.")
    ] = True
    calls: Annotated[
        tuple[str, ...], Meta(description="Services that it calls for every request, in this order, before it answers.")
    ] = ()
    own_rate_per_s: Annotated[
        float, Meta(ge=0, le=500, description="Requests a second that it makes by itself, as a batch job (Poisson).")
    ] = 0.0
    service_time_median_ms: Annotated[
        float, Meta(ge=0, le=60_000, description="Median of its own log-normal service time.")
    ] = 1.0
    service_time_sigma: Annotated[
        float, Meta(ge=0, le=3, description="Sigma of the service time's logarithm; 0 makes it constant.")
    ] = 0.0
    latency_factor: Annotated[Factor, Meta(description="Multiplies every service time: 1.3 is 30 % slower.")] = 1.0
    slow_share: Annotated[Share, Meta(description="Share of requests that take `slow_factor` times as long.")] = 0.0
    slow_factor: Annotated[Factor, Meta(description="A tail that leaves the median alone.")] = 1.0
    error_share: Annotated[Share, Meta(description="Share of its own answers that are errors.")] = 0.0
    error_status: Annotated[int, Meta(ge=400, le=599, description="The HTTP status of those errors.")] = 500
    concurrency: Annotated[_Queue, Meta(description="Requests at once, in each replica; 0 for no limit.")] = 0
    queue: Annotated[_Queue, Meta(description="Requests that may wait, in order; one more gets 503.")] = 0
    deadline_ms: Annotated[Millis, Meta(description="How long it waits for each of its calls; 0 for a minute.")] = 0.0
    cancels: Annotated[bool, Meta(description="Whether it stops work that its caller has given up.")] = False
    cpu_share: Annotated[Share, Meta(description="Share of its service time that it computes.")] = 0.0
    down_in: Annotated[
        tuple[str, ...], Meta(description="Clusters in which its process is dead (its sidecar lives on).")
    ] = ()
    rotates: Annotated[
        bool, Meta(description="Whether its certificate is renewed, where certificates are rotated at all.")
    ] = True

    def __post_init__(self) -> None:
        if self.queue and not self.concurrency:
            raise ParameterError("it has a queue and no limit", "set concurrency as well")
        if not self.service_account:
            msgspec.structs.force_setattr(self, "service_account", self.service)
