"""Policies as arrays: one row a policy, one column a hop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meshlab.errors import ParameterError
from meshlab.questions.retries.simulate.policy import Concurrency, Hop, Policy, Ratio, Tokens

__all__ = ["Tables"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What `policies` say, in steps.

    Attributes
    ----------
    retries : ndarray of int64, shape (policies, hops)
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

    retries: Ints
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
    def of(cls, policies: Sequence[Policy], step_s: float, deadline_s: float) -> Tables:
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
        hops = [[(hop, *_lasting(hop, deadline_s)) for hop in policy.hops] for policy in policies]
        tries = 1 + max(hop.retries for policy in policies for hop in policy.hops)

        def table(read: object) -> Floats:
            return np.array([[read(one) for one in row] for row in hops], dtype=np.float64)  # type: ignore[operator]

        def steps(times: Floats) -> Ints:
            return np.maximum(np.round(np.minimum(times, 1e9) / step_s), 1).astype(np.int64)

        limits = [[hop.limit for hop in policy.hops] for policy in policies]

        def limit(kind: type, name: str, other: float) -> Floats:
            return np.array([[getattr(one, name) if isinstance(one, kind) else other for one in row] for row in limits])

        ratio = np.array([[isinstance(one, Ratio) for one in row] for row in limits])
        tokens = np.array([[isinstance(one, Tokens) for one in row] for row in limits])
        return cls(
            retries=table(lambda one: one[0].retries).astype(np.int64),
            lasts=steps(table(lambda one: one[1])),
            ends=table(lambda one: one[2]).astype(np.bool_),
            route=steps(table(lambda one: one[0].route_s or np.inf)),
            soon=np.array([[[_soon(one[0], k, step_s) for k in range(1, tries + 1)] for one in row] for row in hops]),
            pause_s=table(lambda one: one[0].pause_s(1)),
            least=limit(Concurrency, "least", np.inf),
            percent=limit(Concurrency, "percent", 0.0),
            has_bucket=ratio | tokens,
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
