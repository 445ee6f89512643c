"""What the callers' sidecars do with requests for a service: splits, retries, time-outs, breakers, faults, mirrors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from meshlab.errors import ParameterError
from meshlab.lab.specs.workloads import WorkloadSpec
from meshlab.lab.tables import Table, unknown

__all__ = ["Breaker", "Fault", "Mirror", "Outlier", "Retries", "Split", "Traffic", "splits", "traffic"]


@dataclass(frozen=True, slots=True)
class Split:
    """How callers divide the requests for a service among its versions; the weights are relative."""

    service: str
    weights: tuple[tuple[str, int], ...]

    def share(self, version: str) -> float:
        """The share of requests that a version gets, 0..1."""
        return dict(self.weights)[version] / sum(weight for _, weight in self.weights)


@dataclass(frozen=True, slots=True)
class Retries:
    """Envoy's retry policy of a route.

    Parameters
    ----------
    attempts : int
        Retries after the first attempt; 0 switches them off.
    on : str
        Envoy's ``retry_on``.
    per_try_timeout_ms : float
        Of each attempt; 0 for none.
    back_off_ms : float
        Base of the back-off; the longest is ten times as much.
    """

    attempts: int = 0
    on: str = "5xx,reset,connect-failure"
    per_try_timeout_ms: float = 0.0
    back_off_ms: float = 25.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """Circuit breakers of the callers' clusters; 0 is no limit.

    Parameters
    ----------
    connections, pending, requests, retries : int
        Envoy's thresholds.
    budget_percent : float
        Retry budget, in per cent of the active requests; 0 for none. It replaces `retries`.
    budget_min : int
        Retries at once that the budget always allows.
    """

    connections: int = 0
    pending: int = 0
    requests: int = 0
    retries: int = 0
    budget_percent: float = 0.0
    budget_min: int = 3


@dataclass(frozen=True, slots=True)
class Outlier:
    """Outlier detection: hosts that fail are ejected for a while.

    Parameters
    ----------
    consecutive_5xx : int
        Failures in a row that eject; 0 switches detection off.
    interval_ms, ejection_ms : float
        How often it is looked, and the first ejection's length.
    most_percent : int
        Share of hosts that may be ejected.
    """

    consecutive_5xx: int = 0
    interval_ms: float = 1_000.0
    ejection_ms: float = 10_000.0
    most_percent: int = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """Faults that the callers' sidecars inject.

    Parameters
    ----------
    abort_percent, abort_status : float, int
    delay_percent, delay_ms : float
    """

    abort_percent: float = 0.0
    abort_status: int = 503
    delay_percent: float = 0.0
    delay_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of requests goes to a version, and its answers are thrown away.

    Parameters
    ----------
    version : str
        "" for none.
    percent : float
    """

    version: str = ""
    percent: float = 100.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """All of it for one service.

    Parameters
    ----------
    service : str
    timeout_ms : float
        Of the whole request with its retries; 0 for none.
    retries, breaker, outlier, fault, mirror
        See their classes.
    failover : bool
        Whether callers prefer the copies in their own cluster and go to others when those are gone; otherwise all
        copies get the same.
    plaintext_from : tuple of str
        Workloads that call this service without TLS although they have a sidecar.
    """

    service: str
    timeout_ms: float = 0.0
    retries: Retries = field(default_factory=Retries)
    breaker: Breaker = field(default_factory=Breaker)
    outlier: Outlier = field(default_factory=Outlier)
    fault: Fault = field(default_factory=Fault)
    mirror: Mirror = field(default_factory=Mirror)
    failover: bool = True
    plaintext_from: tuple[str, ...] = ()


def splits(table: Table, workloads: Iterable[WorkloadSpec]) -> tuple[Split, ...]:
    """Read ``[split.SERVICE]``: weights by version.

    Raises
    ------
    ParameterError
        An unknown service or version, or weights that are all zero.
    """
    workloads = tuple(workloads)
    found = []
    for service in table.keys():  # noqa: SIM118 - a Table is no mapping
        versions = _versions(service, workloads)
        weights = table.table(service)
        for version in weights.keys():  # noqa: SIM118
            if version not in versions:
                raise unknown(f"version of {service}", version, versions)
        split = Split(service, tuple((v, weights.integer(v, most=1_000_000)) for v in weights.keys()))  # noqa: SIM118
        if not sum(weight for _, weight in split.weights):
            raise ParameterError(f"the weights of split.{service} are all zero", "give at least one version a weight")
        found.append(split)
    return tuple(found)


def traffic(table: Table, workloads: Iterable[WorkloadSpec]) -> tuple[Traffic, ...]:
    """Read ``[traffic.SERVICE]`` of every service that has one.

    Raises
    ------
    ParameterError
        An unknown service, workload, version or key, a wrong type, or a value out of range.
    """
    workloads = tuple(workloads)
    return tuple(_traffic(name, table.table(name), workloads) for name in table.keys())  # noqa: SIM118


def _traffic(service: str, table: Table, workloads: tuple[WorkloadSpec, ...]) -> Traffic:
    versions = _versions(service, workloads)
    found = Traffic(
        service=service,
        timeout_ms=table.number("timeout_ms", 0, most=600_000),
        retries=_retries(table.table("retries")),
        breaker=_breaker(table.table("breaker")),
        outlier=_outlier(table.table("outlier")),
        fault=_fault(table.table("fault")),
        mirror=_mirror(table.table("mirror")),
        failover=table.flag("failover", default=True),
        plaintext_from=table.names("plaintext_from"),
    )
    table.close()
    if found.mirror.version and found.mirror.version not in versions:
        raise unknown(f"version of {service}", found.mirror.version, versions)
    callers = {spec.name for spec in workloads if service in spec.calls and spec.sidecar}
    for name in found.plaintext_from:
        if name not in callers:
            raise unknown(f"caller of {service} with a sidecar", name, callers)
    return found


def _retries(table: Table) -> Retries:
    found = Retries(
        attempts=table.integer("attempts", 0, most=100),
        on=table.text("on", Retries().on),
        per_try_timeout_ms=table.number("per_try_timeout_ms", 0, most=600_000),
        back_off_ms=table.number("back_off_ms", 25, above=0, most=60_000),
    )
    table.close()
    return found


def _breaker(table: Table) -> Breaker:
    found = Breaker(
        connections=table.integer("connections", 0),
        pending=table.integer("pending", 0),
        requests=table.integer("requests", 0),
        retries=table.integer("retries", 0),
        budget_percent=table.number("budget_percent", 0, most=100),
        budget_min=table.integer("budget_min", 3),
    )
    table.close()
    return found


def _outlier(table: Table) -> Outlier:
    found = Outlier(
        consecutive_5xx=table.integer("consecutive_5xx", 0),
        interval_ms=table.number("interval_ms", 1_000, least=100),
        ejection_ms=table.number("ejection_ms", 10_000, least=100),
        most_percent=table.integer("most_percent", 100, most=100),
    )
    table.close()
    return found


def _fault(table: Table) -> Fault:
    found = Fault(
        abort_percent=table.number("abort_percent", 0, most=100),
        abort_status=table.integer("abort_status", 503, least=200, most=599),
        delay_percent=table.number("delay_percent", 0, most=100),
        delay_ms=table.number("delay_ms", 0, most=60_000),
    )
    table.close()
    return found


def _mirror(table: Table) -> Mirror:
    found = Mirror(version=table.text("version", ""), percent=table.number("percent", 100, most=100))
    table.close()
    return found


def _versions(service: str, workloads: tuple[WorkloadSpec, ...]) -> set[str]:
    versions = {spec.version for spec in workloads if spec.service == service}
    if not versions:
        raise unknown("service", service, (spec.service for spec in workloads))
    return versions
