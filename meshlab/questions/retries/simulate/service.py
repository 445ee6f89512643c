"""The service that saturates, and the client at the other end of the chain."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Service"]


@dataclass(frozen=True, slots=True)
class Service:
    """So many places, a line before them, first come first served.

    Parameters
    ----------
    places : float
        Requests at work at once.
    service_s : float
        Mean time of one in its place.
    queue : float
        Requests that may wait; one more is refused at once.
    deadline_s : float
        How long the client at the chain's other end waits.
    cancels : bool
        Whether work is dropped when its caller has gone. Most servers do it still.
    """

    places: float
    service_s: float
    queue: float
    deadline_s: float
    cancels: bool = False

    @property
    def capacity_per_s(self) -> float:
        """Requests a second that it gets done at most."""
        return self.places / self.service_s
