"""The service that saturates, and the client at the other end of the chain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["Service"]


@dataclass(frozen=True, slots=True)
class Service:
    """A number of requests served at once, and a queue before them, first come first served.

    Parameters
    ----------
    concurrency : float
        Requests that it serves at once.
    service_s : float
        Mean time of one.
    queue : float
        Requests that may wait; one more is refused at once.
    deadline_s : float
        How long the client at the chain's other end waits.
    refusal_s : float
        From a caller to the next service and back, for a refusal: how long a refused retry holds its place in a limit.
    spread : float
        Sigma of the log-normal service time; 0 where each takes the same.
    cancels : bool
        Whether work is dropped when its caller has gone. Most servers do it still.
    """

    concurrency: float
    service_s: float
    queue: float
    deadline_s: float
    refusal_s: float = 0.005
    spread: float = 0.5
    cancels: bool = False

    @property
    def capacity_per_s(self) -> float:
        """Requests a second that it gets done at most."""
        return self.concurrency / self.service_s

    def in_time(self, left_s: NDArray[np.float64], slower: float) -> NDArray[np.float64]:
        """Share of attempts that are done in the time that is left for them when they are begun."""
        mean_s = self.service_s * slower
        if self.spread <= 0:
            return (left_s >= mean_s).astype(np.float64)
        middle = np.log(mean_s) - self.spread**2 / 2
        return np.asarray(ndtr((np.log(np.maximum(left_s, 1e-9)) - middle) / self.spread))
