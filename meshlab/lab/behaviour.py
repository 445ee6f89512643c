"""How one replica of a service behaves: its configuration at the start, and whenever that changes."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meshlab.lab.addresses import OUTBOUND_PORT
from meshlab.lab.specs.workloads import WorkloadSpec
from meshlab.lab.topology import Replica, service_host

__all__ = ["Behaviour"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """All that a service process knows."""

    address: str
    """Its own address."""
    stream: str
    """Seeds its random numbers."""
    calls: tuple[tuple[str, tuple[str, ...]], ...]
    """Services to call for every request, in this order: host, and the addresses at which it is reached in turn. With
    a sidecar that is the sidecar alone.
    """
    spec: WorkloadSpec
    """How it behaves at this moment."""

    @classmethod
    def of(
        cls,
        replica: Replica,
        seed: int,
        *,
        spec: WorkloadSpec | None = None,
        direct: Mapping[str, Sequence[str]] | None = None,
    ) -> Behaviour:
        """The behaviour of a replica; each has a random stream of its own, so that none disturbs another's.

        Parameters
        ----------
        spec : WorkloadSpec, optional
            As it is at this moment; that of the workload when not given.
        direct : mapping of str to sequence of str, optional
            Where services are reached without a sidecar, by name.
        """
        spec = spec or replica.spec
        own = f"http://{replica.address}:{OUTBOUND_PORT}"
        return cls(
            address=replica.address,
            stream=f"{seed}/{replica.pod.removesuffix('-0')}",
            calls=tuple(
                (service_host(service, replica.namespace), (own,) if spec.sidecar else tuple((direct or {})[service]))
                for service in spec.calls
            ),
            spec=spec,
        )

    def draw(self, stream: random.Random) -> tuple[float, bool]:
        """The service time in seconds and whether it fails, of one request.

        Always three draws, so that a changed share or factor leaves all others as they were.
        """
        spec = self.spec
        median_s = spec.service_time_median_ms * spec.latency_factor / 1000
        service_s = median_s * math.exp(spec.service_time_sigma * stream.gauss(0, 1))
        fails, slow = stream.random() < spec.error_share, stream.random() < spec.slow_share
        return service_s * (spec.slow_factor if slow else 1.0), fails
