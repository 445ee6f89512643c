"""Workloads: who they are, whom they call, and how they behave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meshlab.errors import ParameterError
from meshlab.lab.tables import Table, unknown

__all__ = ["WorkloadSpec", "workload_spec"]


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """One workload: who it is, whom it calls, and how it behaves.

    Parameters
    ----------
    name, service, version : str
        The workload (a Deployment's name in Kubernetes), the service that it stands behind, and its version label.
    clusters : tuple of str
        Where it runs; a copy in each.
    replicas : int
        Copies in each of its clusters, at the beginning.
    service_account : str
        Whose identity it carries; several workloads may share one.
    sidecar : bool
        False: it stands outside the mesh, calls services directly and in plain text, and is unknown to them.
    calls : tuple of str
        Services that it calls for every request, one after the other, before it answers.
    own_rate_per_s : float
        Requests a second that it makes by itself, as a batch job does (Poisson), 0 for none.
    service_time_median_ms, service_time_sigma : float
        Its own log-normal service time, in milliseconds; sigma is that of the logarithm, 0 makes it constant.
    latency_factor : float
        Multiplies every service time: 1.3 is 30 % slower.
    slow_share, slow_factor : float
        This share of requests (0..1) takes `slow_factor` times as long: a tail that leaves the median alone.
    error_share : float
        Share of its own answers that are errors, 0..1.
    error_status : int
        The HTTP status of those errors.
    concurrency : int
        Requests at work at once, in each copy; 0 for no limit.
    queue : int
        Requests that may wait for a place, first come, first served; one more gets 503 at once.
    deadline_ms : float
        How long it waits for each of its calls; 0 for a minute.
    cancels : bool
        Whether work that its caller has given up is stopped; most servers go on.
    cpu_share : float
        Share of its service time that it computes, 0..1; the rest it waits, as for a disk.
    down_in : tuple of str
        Clusters in which its process is dead (its sidecar lives on).
    rotates : bool
        Whether its certificate is renewed, where certificates are rotated at all.
    """

    name: str
    service: str
    version: str
    clusters: tuple[str, ...]
    replicas: int
    service_account: str
    sidecar: bool
    calls: tuple[str, ...]
    own_rate_per_s: float
    service_time_median_ms: float
    service_time_sigma: float
    latency_factor: float
    slow_share: float
    slow_factor: float
    error_share: float
    error_status: int
    concurrency: int
    queue: int
    deadline_ms: float
    cancels: bool
    cpu_share: float
    down_in: tuple[str, ...]
    rotates: bool


def workload_spec(name: str, table: Table, clusters: Sequence[str]) -> WorkloadSpec:
    """Read ``[workloads.NAME]``.

    Parameters
    ----------
    name : str
    table : Table
    clusters : sequence of str
        All clusters of the scenario; a workload runs in the first unless it says where.

    Raises
    ------
    ParameterError
        An unknown key or cluster, a wrong type, or a value out of range.
    """
    Table({"name": name}, "workloads").name("name")
    service = table.name("service")
    spec = WorkloadSpec(
        name=name,
        service=service,
        version=table.name("version"),
        clusters=table.names("clusters") or tuple(clusters[:1]),
        replicas=table.integer("replicas", 1, least=0, most=40),
        service_account=table.name("service_account", service),
        sidecar=table.flag("sidecar", default=True),
        calls=table.names("calls"),
        own_rate_per_s=table.number("own_rate_per_s", 0, most=500),
        service_time_median_ms=table.number("service_time_median_ms", 1, most=60_000),
        service_time_sigma=table.number("service_time_sigma", 0, most=3),
        latency_factor=table.number("latency_factor", 1, above=0, most=1_000),
        slow_share=table.number("slow_share", 0, most=1),
        slow_factor=table.number("slow_factor", 1, above=0, most=1_000),
        error_share=table.number("error_share", 0, most=1),
        error_status=table.integer("error_status", 500, least=400, most=599),
        concurrency=table.integer("concurrency", 0, most=100_000),
        queue=table.integer("queue", 0, most=100_000),
        deadline_ms=table.number("deadline_ms", 0, most=600_000),
        cancels=table.flag("cancels", default=False),
        cpu_share=table.number("cpu_share", 0, most=1),
        down_in=table.names("down_in"),
        rotates=table.flag("rotates", default=True),
    )
    table.close()
    for cluster in (*spec.clusters, *spec.down_in):
        if cluster not in clusters:
            raise unknown("cluster", cluster, clusters)
    if spec.queue and not spec.concurrency:
        raise ParameterError(f"workloads.{name} has a queue and no limit", "set concurrency as well")
    return spec
