"""Policies as arrays: one row a policy, one column a hop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshlab.errors import ParameterError
from meshlab.questions.retries.simulate.policy import Concurrency, Hop, Ratio, RetryPolicy, Tokens
from meshlab.questions.retries.simulate.service import Service

__all__ = ["Floats", "Tables"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What policies say of a service, in steps.

    Attributes
    ----------
    service : Service
    step_s : float
    rows : ndarray of int64, shape (policies,)
        Their numbers.
    waits : tuple of ndarray of int64, shape (policies,)
        Steps for which the client waits for a request, and each hop for a try.
    rings : tuple of int
        Slots of time that are kept for each of these.
    may : ndarray of bool, shape (policies, hops, tries)
        Whether a try of this number may be followed by another.
    is_retry : tuple of ndarray of float64
        Which of a hop's masses in flight are of retries, flat.
    lasts : ndarray of int64, shape (policies, hops)
        Steps after which a try is given up.
    ends : ndarray of bool, shape (policies, hops)
        Whether that ends the request rather than the try.
    route : ndarray of int64, shape (policies, hops)
        Steps after which there is no retry any more.
    soon : ndarray of float64, shape (policies, hops, tries)
        Share of retries whose pause is over within a step, by the number of the failed try.
    pause_s : ndarray of float64, shape (policies, hops)
        Mean pause before the first retry.
    least, percent : ndarray of float64, shape (policies, hops)
        Of a limit on concurrency; `least` is infinite where there is none.
    has_bucket : ndarray of bool, shape (policies, hops)
    per_request, per_success, per_s, ttl_s, most : ndarray of float64, shape (policies, hops)
        Of a bucket.
    off_from : ndarray of float64, shape (policies,)
        Step from which there are no retries.
    """

    service: Service
    step_s: float
    rows: Ints
    waits: tuple[Ints, ...]
    rings: tuple[int, ...]
    may: NDArray[np.bool_]
    is_retry: tuple[Floats, ...]
    lasts: Ints
    ends: NDArray[np.bool_]
    route: Ints
    soon: Floats
    pause_s: Floats
    least: Floats
    percent: Floats
    has_bucket: NDArray[np.bool_]
    per_request: Floats
    per_success: Floats
    per_s: Floats
    ttl_s: Floats
    most: Floats
    off_from: Floats

    @classmethod
    def of(cls, policies: Sequence[RetryPolicy], service: Service, step_s: float) -> Tables:
        """Read policies.

        Raises
        ------
        ParameterError
            There is none, they differ in their number of hops, or one says something impossible.
        """
        if not policies or not policies[0].hops or len({len(policy.hops) for policy in policies}) > 1:
            raise ParameterError(
                "policies without hops, or with different numbers of them, cannot be compared",
                "give each the same hops",
            )
        for hop in {hop for policy in policies for hop in policy.hops}:
            if hop.retries < 0 or min(hop.per_try_s, hop.route_s, hop.back_off_s) < 0:
                raise ParameterError("a hop has a negative number of retries or a negative time", "0 means none")
        tries = 1 + max(hop.retries for policy in policies for hop in policy.hops)

        def table(read: Callable[[Hop], object]) -> NDArray[Any]:
            return np.array([[read(hop) for hop in policy.hops] for policy in policies])

        def steps(times: Floats) -> Ints:
            return np.maximum(np.round(np.minimum(times, 1e9) / step_s), 1).astype(np.int64)

        def limit(kind: type, name: str, other: float) -> Floats:
            return table(lambda hop: float(getattr(hop.limit, name)) if isinstance(hop.limit, kind) else other)

        lasts = steps(table(lambda hop: _lasting(hop, service.deadline_s)[0]))
        # Hop 0 is the client: its "tries" are the requests, and they last until its deadline.
        client = np.full(len(policies), max(round(service.deadline_s / step_s), 1), dtype=np.int64)
        waits = (client, *lasts.T)
        rings = tuple(int(wait.max()) + 1 for wait in waits)
        number = np.arange(tries)
        masses = [(issued, begun + 1, tries) for begun, issued in pairwise(rings)]
        return cls(
            service=service,
            step_s=step_s,
            rows=np.arange(len(policies)),
            waits=waits,
            rings=rings,
            may=number < table(lambda hop: [hop.retries]),
            is_retry=tuple(np.broadcast_to(number > 0, shape).reshape(-1).astype(np.float64) for shape in masses),
            lasts=lasts,
            ends=table(lambda hop: _lasting(hop, service.deadline_s)[1]),
            route=steps(table(lambda hop: hop.route_s or np.inf)),
            soon=table(lambda hop: [_soon(hop, retry, step_s) for retry in range(1, tries + 1)]),
            pause_s=table(lambda hop: hop.pause_s(1)),
            least=limit(Concurrency, "least", np.inf),
            percent=limit(Concurrency, "percent", 0.0),
            has_bucket=table(lambda hop: isinstance(hop.limit, Ratio | Tokens)),
            per_request=limit(Ratio, "share", 0.0),
            per_success=limit(Tokens, "per_success", 0.0),
            per_s=limit(Ratio, "least_per_s", 0.0),
            ttl_s=limit(Ratio, "ttl_s", np.inf),
            most=limit(Tokens, "most", np.inf),
            off_from=np.array([policy.off_from_s / step_s for policy in policies]),
        )


def _lasting(hop: Hop, deadline_s: float) -> tuple[float, bool]:
    """How long a try may last, and whether its end is that of the request.

    Where nothing but the route or the client ends a try there is no retry after it: when the client has gone, whether
    it waits on matters no more.
    """
    if hop.per_try_s and not (hop.route_s and hop.route_s <= hop.per_try_s):
        return hop.per_try_s, False
    return min(hop.route_s or deadline_s, deadline_s), True


def _soon(hop: Hop, retry: int, step_s: float) -> float:
    pause = hop.pause_s(retry)
    return 1.0 if pause <= 0 else float(1.0 - np.exp(-step_s / pause))
