"""The state of a chain of retrying callers over a queue, for many policies at once.

A fluid: masses of tries rather than tries. Of each try is kept when it was issued, when the call that it serves began,
and the number it has. A try of one hop is a call of the next, so "issued at" there is "began at" here: what happens at
the queue finds its way up without following single requests. Within the tries of one moment all are alike: whichever
of them succeed are spread evenly over the calls that they serve.

Moments are kept in rings: the slot of a step is its number modulo the ring's length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from meshlab.questions.retries.simulate.tables import Floats, Tables

__all__ = ["TINY", "State", "begin", "share"]

TINY: Final = 1e-12
"""A mass that is none."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class State:
    """All masses at the end of a step; the first axis of each array is the policies'.

    Attributes
    ----------
    step : int
        How many steps have been.
    in_flight : tuple of ndarray, shape (policies, slots of issue, slots of the call's begin + 1, tries)
        Tries of each hop. The last begin holds those whose caller has gone.
    calls : tuple of ndarray, shape (policies, slots)
        Calls under way by when they began: requests of the client, then the tries of each hop.
    pausing : tuple of ndarray, shape (policies, slots of the call's begin + 1, tries)
        Retries of each hop that were allowed and wait for their pause to end.
    backlog : ndarray, shape (policies, slots of issue)
        Attempts in the queue whose caller still waits.
    abandoned : ndarray, shape (policies,)
        Attempts in the queue whose caller has timed out.
    refusal : ndarray, shape (policies,)
        Probability that the service refuses an attempt at once.
    asked_per_s : ndarray, shape (policies, hops)
        Retries asked for, averaged over about a second.
    tokens : ndarray, shape (policies, hops)
        What the buckets hold.
    rejected, repeats : ndarray, shape (policies, hops)
        Probability that a fresh try is refused within its step, and how often it is repeated within it.
    asked, granted, fresh, succeeded : ndarray, shape (policies, hops)
        In the last step: retries asked for and allowed, calls that began, calls that succeeded.
    attempts, good, waiting : ndarray, shape (policies,)
        In the last step: attempts at the service, requests answered in time, and the queue at its end.
    """

    step: int
    in_flight: tuple[Floats, ...]
    calls: tuple[Floats, ...]
    pausing: tuple[Floats, ...]
    backlog: Floats
    abandoned: Floats
    refusal: Floats
    asked_per_s: Floats
    tokens: Floats
    rejected: Floats
    repeats: Floats
    asked: Floats
    granted: Floats
    fresh: Floats
    succeeded: Floats
    attempts: Floats
    good: Floats
    waiting: Floats

    def copy(self) -> State:
        """The same in arrays of its own."""
        return self._each(np.copy)

    def repeat(self, rows: int) -> State:
        """The state of one policy as that of so many."""
        return self._each(lambda masses: np.repeat(masses, rows, axis=0))

    def fits(self, tables: Tables) -> bool:
        """Whether it is of one policy with the hops, the number of tries and the timeouts of these."""
        other = begin(tables)
        return len(self.refusal) == 1 and all(
            [mass.shape[1:] for mass in getattr(self, name)] == [mass.shape[1:] for mass in getattr(other, name)]
            for name in ("in_flight", "calls")
        )

    def _each(self, change: Callable[[Floats], Floats]) -> State:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        masses: dict[str, Any] = {
            name: tuple(map(change, value)) if isinstance(value, tuple) else change(value)
            for name, value in values.items()
            if name != "step"
        }
        return State(step=self.step, **masses)


def begin(tables: Tables) -> State:
    """An idle chain with full buckets."""
    (rows, hops, tries), rings = tables.soon.shape, tables.rings
    by_hop = ("asked_per_s", "rejected", "repeats", "asked", "granted", "fresh", "succeeded")
    by_policy = ("abandoned", "refusal", "attempts", "good", "waiting")
    nothing: dict[str, Any] = {name: np.zeros((rows, hops)) for name in by_hop}
    nothing |= {name: np.zeros(rows) for name in by_policy}
    return State(
        step=0,
        in_flight=tuple(np.zeros((rows, rings[hop + 1], rings[hop] + 1, tries)) for hop in range(hops)),
        calls=tuple(np.zeros((rows, ring)) for ring in rings),
        pausing=tuple(np.zeros((rows, rings[hop] + 1, tries)) for hop in range(hops)),
        backlog=np.zeros((rows, rings[hops])),
        tokens=np.where(np.isfinite(tables.most), tables.most, tables.per_s * np.minimum(tables.ttl_s, 1e9)),
        **nothing,
    )


def share(part: Floats, whole: Floats) -> Floats:
    """One by the other, 0..1; 0 where there is nothing to divide by."""
    return np.clip(np.divide(part, whole, out=np.zeros_like(part), where=whole > TINY), 0.0, 1.0)
