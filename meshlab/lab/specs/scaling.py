"""Autoscalers: the Kubernetes HPA's own words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from meshlab.errors import ParameterError
from meshlab.lab.specs.workloads import WorkloadSpec
from meshlab.lab.tables import Table, unknown

__all__ = ["Autoscaler", "Metric", "autoscalers"]


class Metric(StrEnum):
    """What an autoscaler looks at."""

    CPU = "cpu"
    """Processor time of the workload's processes, in per cent of `cpu_request`."""
    CONCURRENCY = "concurrency"
    """Requests at work or waiting, a copy: a Pods metric."""


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """One HorizontalPodAutoscaler, for a workload's copies in its first cluster.

    Parameters
    ----------
    workload : str
    metric : Metric
    target : float
        Per cent of the request for ``cpu``, requests a copy for ``concurrency``.
    cpu_request : float
        Cores that a copy requests.
    least, most : int
        Replicas.
    sync_s : float
        How often it decides.
    up_window_s, down_window_s : float
        Stabilisation windows.
    up_policies, down_policies : tuple of (str, int, int)
        ``Pods`` or ``Percent``, its value, its period in seconds; the largest change of them holds.
    tolerance : float
        Share by which the metric may miss its target, 0..1.
    start_delay_s : float
        Between the decision and a new copy's first request: scheduling, image, readiness.
    """

    workload: str
    metric: Metric
    target: float
    cpu_request: float
    least: int
    most: int
    sync_s: float
    up_window_s: float
    down_window_s: float
    up_policies: tuple[tuple[str, int, int], ...]
    down_policies: tuple[tuple[str, int, int], ...]
    tolerance: float
    start_delay_s: float


def autoscalers(table: Table, workloads: Iterable[WorkloadSpec]) -> tuple[Autoscaler, ...]:
    """Read ``[autoscaler.WORKLOAD]``.

    Raises
    ------
    ParameterError
        An unknown workload, metric, policy or key, a wrong type, or a value out of range.
    """
    specs = {spec.name: spec for spec in workloads}
    found = []
    for name in table.keys():  # noqa: SIM118 - a Table is no mapping
        if name not in specs:
            raise unknown("workload", name, specs)
        found.append(_autoscaler(name, table.table(name)))
    return tuple(found)


def _autoscaler(name: str, table: Table) -> Autoscaler:
    text = table.text("metric")
    try:
        metric = Metric(text)
    except ValueError:
        raise unknown("metric of an autoscaler", text, (metric.value for metric in Metric)) from None
    found = Autoscaler(
        workload=name,
        metric=metric,
        target=table.number("target", above=0),
        cpu_request=table.number("cpu_request", 0.1, above=0, most=64),
        least=table.integer("least", 1, least=1, most=40),
        most=table.integer("most", least=1, most=40),
        sync_s=table.number("sync_s", 15, least=1, most=600),
        up_window_s=table.number("up_window_s", 0, most=3_600),
        down_window_s=table.number("down_window_s", 300, most=3_600),
        up_policies=_policies(table, "up_policies", (("Pods", 4, 15), ("Percent", 100, 15))),
        down_policies=_policies(table, "down_policies", (("Percent", 100, 15),)),
        tolerance=table.number("tolerance", 0.1, most=1),
        start_delay_s=table.number("start_delay_s", 0, most=600),
    )
    table.close()
    if found.most < found.least:
        raise ParameterError(f"autoscaler.{name} allows at most {found.most} and at least {found.least}", "swap them")
    return found


def _policies(table: Table, key: str, default: tuple[tuple[str, int, int], ...]) -> tuple[tuple[str, int, int], ...]:
    if not table.has(key):
        return default
    found = []
    for entry in table.tables(key):
        kind = entry.text("type")
        if kind not in ("Pods", "Percent"):
            raise unknown("type of scaling policy", kind, ("Pods", "Percent"))
        found.append((kind, entry.integer("value", least=1), entry.integer("period_s", least=1, most=1_800)))
        entry.close()
    if not found:
        raise ParameterError(f"{key} of an autoscaler is empty", "leave it out for the defaults of Kubernetes")
    return tuple(found)
