"""How one replica of a service behaves: its configuration at the start, and whenever that changes."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from meshlab.lab.addresses import OUTBOUND_PORT
from meshlab.lab.specs.workloads import WorkloadSpec
from meshlab.lab.topology import Replica, service_host

__all__ = ["Behaviour"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """All that a service process knows.

    Parameters
    ----------
    address : str
        Its own address.
    stream : str
        Seeds its random numbers.
    calls : tuple of (str, tuple of str)
        Services to call for every request, in this order: host, and the addresses at which it is reached in turn. With
        a sidecar that is the sidecar alone.
    median_s, sigma : float
        Log-normal service time.
    slow_share, slow_factor : float
        Requests that take longer, and how many times as long.
    error_share, error_status : float, int
        How often it fails by itself, and with which status.
    concurrency, queue : int
        Requests at work at once (0: no limit), and waiting.
    deadline_s : float
        How long it waits for one call.
    cpu_share : float
        Share of the service time that it computes.
    own_rate_per_s : float
        Requests that it makes by itself.
    cancels : bool
        Whether abandoned work is stopped.
    """

    address: str
    stream: str
    calls: tuple[tuple[str, tuple[str, ...]], ...]
    median_s: float
    sigma: float
    slow_share: float
    slow_factor: float
    error_share: float
    error_status: int
    concurrency: int
    queue: int
    deadline_s: float
    cpu_share: float
    own_rate_per_s: float
    cancels: bool

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
        replica : Replica
        seed : int
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
            median_s=spec.service_time_median_ms * spec.latency_factor / 1000,
            sigma=spec.service_time_sigma,
            slow_share=spec.slow_share,
            slow_factor=spec.slow_factor,
            error_share=spec.error_share,
            error_status=spec.error_status,
            concurrency=spec.concurrency,
            queue=spec.queue,
            deadline_s=spec.deadline_ms / 1000 or 60.0,
            cpu_share=spec.cpu_share,
            own_rate_per_s=spec.own_rate_per_s,
            cancels=spec.cancels,
        )

    @classmethod
    def from_json(cls, text: str) -> Behaviour:
        """Read what `to_json` wrote."""
        return msgspec.json.decode(text, type=cls)

    def to_json(self) -> str:
        """Write all fields as a JSON object."""
        return msgspec.json.encode(self).decode()

    def draw(self, stream: random.Random) -> tuple[float, bool]:
        """The service time in seconds and whether it fails, of one request.

        Always three draws, so that a changed share or factor leaves all others as they were.
        """
        service_s = self.median_s * math.exp(self.sigma * stream.gauss(0, 1))
        fails, slow = stream.random() < self.error_share, stream.random() < self.slow_share
        return service_s * (self.slow_factor if slow else 1.0), fails
