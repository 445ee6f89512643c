"""The pods of a lab: which replicas of workloads there are, since when, and with which processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from meshlab.lab.topology import Replica

__all__ = ["Pod", "Pods"]


@dataclass(frozen=True, slots=True)
class Pod:
    """One replica of a workload, from the decision that it shall be to its end."""

    replica: Replica
    created_s: float
    """Unix seconds of the decision."""
    ready_s: float | None
    """When it may get requests; None before."""
    deleted_s: float | None
    """When it was taken out; None while it lives."""
    processes: Mapping[str, int]
    """Process ids by container: ``app`` and ``istio-proxy``."""

    @property
    def name(self) -> str:
        """The pod's name."""
        return self.replica.pod

    @property
    def ready(self) -> bool:
        """Whether it may get requests."""
        return self.ready_s is not None and self.deleted_s is None


class Pods:
    """All pods that live. Each is replaced whole, so that another thread may read while one writes."""

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}

    def living(self) -> tuple[Pod, ...]:
        """All pods, in the order of their names."""
        return tuple(sorted(dict(self._pods).values(), key=lambda pod: pod.name))

    def of(self, workload: str, cluster: str) -> tuple[Pod, ...]:
        """The pods of a workload in a cluster, by number."""
        pods = (p for p in self.living() if p.replica.name == workload and p.replica.cluster == cluster)
        return tuple(sorted(pods, key=lambda pod: pod.replica.number))

    def get(self, name: str) -> Pod | None:
        """A pod by its name."""
        return self._pods.get(name)

    def add(self, pod: Pod) -> None:
        """A pod is there, or is another than before."""
        self._pods[pod.name] = pod

    def change(self, name: str, **fields: object) -> None:
        """Change a pod's fields."""
        self._pods[name] = replace(self._pods[name], **fields)  # type: ignore[arg-type]

    def remove(self, name: str) -> None:
        """A pod is gone."""
        self._pods.pop(name, None)
