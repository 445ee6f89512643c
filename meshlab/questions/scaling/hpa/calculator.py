"""From metrics to replicas: ratios, and what is assumed of pods that have no metric or are not ready.

Every function returns the replicas that the metric alone asks for, before bounds, windows and policies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from meshlab.errors import MeshlabError
from meshlab.questions.scaling.hpa.spec import Tolerance

__all__ = ["NoMetrics", "Pod", "Sample", "average_replicas", "per_pod_replicas", "resource_replicas", "value_replicas"]

_Ratio = Callable[[Mapping[str, int]], float]
_Assumed = Callable[[str], int]


class NoMetrics(MeshlabError):
    """No pod that counts has a metric; the autoscaler changes nothing."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as the controller sees it."""

    name: str
    ready: bool | None = True
    """Its Ready condition; None where it has none."""
    started_s: float | None = 0.0
    """Its start time."""
    changed_s: float = 0.0
    """When its Ready condition last changed."""
    pending: bool = False
    failed: bool = False
    deleted: bool = False
    """Pending pods count as not ready; failed and deleted ones do not count."""
    request: int | None = None
    """Its containers' request of the resource, in thousandths."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A metric of one pod."""

    value: int
    """In thousandths, as Kubernetes computes: 250 is 0.25."""
    at_s: float = math.inf
    window_s: float = 0.0
    """When it was taken, and over which time."""


def resource_replicas(
    current: int,
    pods: Sequence[Pod],
    samples: Mapping[str, Sample],
    target_percent: int,
    tolerance: Tolerance,
    *,
    now_s: float,
    initialisation_s: float = 300.0,
    readiness_s: float = 30.0,
) -> int:
    """Replicas for CPU whose target is a utilisation, in per cent of the requests.

    Parameters
    ----------
    current : int
    pods : sequence of Pod
        Each with its request.
    samples : mapping of str to Sample
        By pod.
    target_percent : int
    tolerance : Tolerance
    now_s : float
    initialisation_s, readiness_s : float
        The controller's flags of these names: only for CPU does readiness matter.

    Raises
    ------
    NoMetrics
        No pod that counts has a sample, or a request is missing.
    """
    unready = partial(_is_unready, now_s=now_s, initialisation_s=initialisation_s, readiness_s=readiness_s)
    groups = _grouped(pods, samples, unready)
    requests = {pod.name: pod.request for pod in pods if pod.request is not None}
    if lacking := [pod.name for pod in pods if pod.request is None]:
        raise NoMetrics(f"pod {lacking[0]} requests nothing of the resource")

    def ratio(values: Mapping[str, int]) -> float:
        counted = [name for name in values if name in requests]
        requested = sum(requests[name] for name in counted)
        if not requested:
            raise NoMetrics("no metrics returned matched known pods")
        # Whole per cents, before they are divided: the controller computes with integers.
        return (sum(values[name] for name in counted) * 100 // requested) / target_percent

    return _replicas(current, groups, ratio, lambda pod: requests[pod] * max(100, target_percent) // 100, tolerance)


def average_replicas(
    current: int, pods: Sequence[Pod], samples: Mapping[str, Sample], target: int, tolerance: Tolerance
) -> int:
    """Replicas for a metric of every pod whose target is an average value, in thousandths.

    The parameters are those of `resource_replicas`.

    Raises
    ------
    NoMetrics
        No pod that counts has a sample.
    """
    groups = _grouped(pods, samples, lambda pod, sample: False)
    return _replicas(
        current, groups, lambda values: (sum(values.values()) // len(values)) / target, lambda pod: target, tolerance
    )


def value_replicas(current: int, ready: int, usage: int, target: int, tolerance: Tolerance) -> int:
    """Replicas for an object or external metric whose target is a value.

    Parameters
    ----------
    current, ready : int
        Replicas, and those of them whose pods are ready.
    usage, target : int
        In the same unit.
    tolerance : Tolerance
    """
    ratio = usage / target
    if not current:
        return math.ceil(ratio)
    return current if tolerance.holds(ratio) else math.ceil(ratio * ready)


def per_pod_replicas(current: int, usage: int, target: int, tolerance: Tolerance) -> int:
    """Replicas for an object or external metric whose target is an average over the pods."""
    ratio = usage / (target * current) if current else math.inf
    return current if tolerance.holds(ratio) else math.ceil(usage / target)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Samples of the pods that count, how many of those are ready, and the names of the others."""

    values: dict[str, int]
    ready: int
    unready: tuple[str, ...]
    missing: tuple[str, ...]


def _grouped(pods: Sequence[Pod], samples: Mapping[str, Sample], is_unready: Callable[[Pod, Sample], bool]) -> _Groups:
    if not pods:
        raise NoMetrics("no pods returned by selector while calculating replica count")
    values = {name: sample.value for name, sample in samples.items()}
    ready, unready, missing = 0, [], []
    for pod in pods:
        if pod.deleted or pod.failed:
            values.pop(pod.name, None)
        elif pod.pending:
            unready.append(pod.name)
        elif pod.name not in samples:
            missing.append(pod.name)
        elif is_unready(pod, samples[pod.name]):
            unready.append(pod.name)
        else:
            ready += 1
    for name in unready:
        values.pop(name, None)
    if not values:
        raise NoMetrics("did not receive metrics for targeted pods (pods might be unready)")
    return _Groups(values, ready, tuple(unready), tuple(missing))


def _is_unready(pod: Pod, sample: Sample, now_s: float, initialisation_s: float, readiness_s: float) -> bool:
    if pod.ready is None or pod.started_s is None:
        return True
    if pod.started_s + initialisation_s > now_s:
        # Not before one whole window has passed since it became ready: start-up uses CPU.
        return not pod.ready or sample.at_s < pod.changed_s + sample.window_s
    # Not ready, and it never was.
    return not pod.ready and pod.started_s + readiness_s > pod.changed_s


def _replicas(current: int, groups: _Groups, ratio_of: _Ratio, assumed: _Assumed, tolerance: Tolerance) -> int:
    ratio = ratio_of(groups.values)
    up_with_unready = bool(groups.unready) and ratio > 1.0
    if not up_with_unready and not groups.missing:
        return current if tolerance.holds(ratio) else math.ceil(ratio * groups.ready)
    values = dict(groups.values)
    if ratio < 1.0:
        values |= {name: assumed(name) for name in groups.missing}
    elif ratio > 1.0:
        values |= dict.fromkeys(groups.missing, 0)
    if up_with_unready:
        values |= dict.fromkeys(groups.unready, 0)
    again = ratio_of(values)
    if tolerance.holds(again) or (ratio < 1.0 < again) or (again < 1.0 < ratio):
        return current
    wanted = math.ceil(again * len(values))
    against = (again < 1.0 and wanted > current) or (again > 1.0 and wanted < current)
    return current if against else wanted
