"""Run policies against a load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from meshlab.errors import ContractError, ParameterError
from meshlab.questions.retries.cells import ratio
from meshlab.questions.retries.simulate.policy import RetryPolicy
from meshlab.questions.retries.simulate.service import Service
from meshlab.questions.retries.simulate.state import State, begin
from meshlab.questions.retries.simulate.step import step
from meshlab.questions.retries.simulate.tables import Floats, Tables

__all__ = ["Runs", "reach", "simulate"]

RECOVERED: Final = 0.9
"""Share of the load that has to be answered..."""
OVER_S: Final = 5.0
"""... over so many seconds, to call it recovered."""

# So many policies fit into a processor's cache at once.
_TOGETHER: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """What became of each policy.

    Attributes
    ----------
    policies : tuple of RetryPolicy
    step_s : float
    offered, attempts, good, waiting : ndarray of float64, shape (policies, steps)
        Requests a second, attempts a second at the service, requests a second answered in time, attempts in the queue.
    """

    policies: tuple[RetryPolicy, ...]
    step_s: float
    offered: Floats
    attempts: Floats
    good: Floats
    waiting: Floats

    def over(self, values: Floats, seconds: float) -> Floats:
        """Means over the last so many seconds, at each step that has so many before it; NaN before."""
        width = max(round(seconds / self.step_s), 1)
        sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
        means = np.full(values.shape, np.nan)
        means[:, width - 1 :] = (sums[:, width:] - sums[:, :-width]) / width
        return means

    def recovery_s(self, after_s: float, *, stays: bool = True) -> Floats:
        """Seconds from `after_s` to the end of the first 5 s with 90 % of the load answered.

        Parameters
        ----------
        after_s : float
        stays : bool
            Whether it has to be so from then on. Where a few requests come by chance the share itself goes up and down.

        Returns
        -------
        ndarray of float64, shape (policies,)
            Infinite where that does not come.
        """
        offered = self.over(self.offered, OVER_S)
        answered = self.over(self.good, OVER_S) >= RECOVERED * offered
        begin = round(after_s / self.step_s)
        if not stays:
            back = (answered & (offered > 0))[:, begin:]
            return np.where(back.any(axis=1), np.argmax(back, axis=1) * self.step_s, np.inf)
        bad = ~answered[:, begin:]
        steps = bad.shape[1]
        last = np.where(bad.any(axis=1), steps - np.argmax(bad[:, ::-1], axis=1), 0)
        return np.where(last < steps, last * self.step_s, np.inf)

    def amplification(self, begin_s: float, end_s: float) -> Floats:
        """Attempts for each request offered, between two moments."""
        part = slice(round(begin_s / self.step_s), round(end_s / self.step_s))
        return np.asarray(self.attempts[:, part].sum(axis=1) / self.offered[:, part].sum(axis=1))

    def peak_attempts_per_s(self) -> Floats:
        """The most attempts a second, over 5 s."""
        return np.asarray(np.nanmax(self.over(self.attempts, OVER_S), axis=1))

    def frame(self, after_s: float) -> pd.DataFrame:
        """One row a policy: ``policy, recovered, recovery_s, answered, attempts, peak_per_s, wasted``.

        `answered` is the share of all requests, `attempts` those for each request, `wasted` the share of attempts that
        answered nothing.
        """
        recovery = self.recovery_s(after_s)
        offered, attempts, good = (per_s.sum(axis=1) for per_s in (self.offered, self.attempts, self.good))
        return pd.DataFrame(
            {
                "policy": [policy.name for policy in self.policies],
                "recovered": np.isfinite(recovery),
                "recovery_s": np.where(np.isfinite(recovery), recovery, np.nan),
                "answered": good / offered,
                "attempts": attempts / offered,
                "peak_per_s": self.peak_attempts_per_s(),
                "wasted": 1.0 - ratio(good, attempts, 1.0),
            }
        )


def simulate(
    policies: Sequence[RetryPolicy],
    service: Service,
    load_per_s: ArrayLike,
    slower: ArrayLike = 1.0,
    *,
    step_s: float = 0.1,
    past: State | None = None,
) -> Runs:
    """Run policies against a load and a trigger.

    Parameters
    ----------
    policies : sequence of RetryPolicy
    service : Service
    load_per_s : array_like, shape (steps,) or (policies, steps)
        Requests that clients make, not their retries.
    slower : array_like, shape (steps,) or a number
        How many times its usual time the service takes: the trigger.
    step_s : float
    past : State, optional
        What has been until now, under one policy (`reach`): each policy goes on from there.

    Raises
    ------
    ParameterError
        The shapes do not fit, or the load or the service is impossible.
    ContractError
        The past is of several policies, or of one with other hops, tries or timeouts.
    """
    load = np.asarray(load_per_s, dtype=np.float64)
    if not len(policies):
        raise ParameterError("there is no policy to simulate", "give one at least")
    if load.ndim == 1:
        load = np.broadcast_to(load, (len(policies), len(load)))
    if load.ndim != 2 or len(load) != len(policies) or not np.all(np.isfinite(load)) or np.any(load < 0):
        raise ParameterError("the load is no series of finite rates, one row a policy", "give one number a step")
    factor = np.asarray(slower, dtype=np.float64)
    if factor.ndim and factor.shape != load.shape[1:]:
        raise ParameterError("the service's slowness and the load differ in length", "give one number a step for each")
    least = min(service.concurrency, service.service_s, service.deadline_s)
    if not np.all(factor > 0) or least <= 0 or service.queue < 0:
        raise ParameterError("a service without concurrency, time or deadline answers nothing", "give positive numbers")
    factor = np.broadcast_to(factor, load.shape[1:])
    attempts, good, waiting = (np.empty(load.shape) for _ in range(3))
    for first in range(0, len(policies), _TOGETHER):
        rows = slice(first, first + _TOGETHER)
        tables = Tables.of(policies[rows], service, step_s)
        if past is not None and not past.fits(tables):
            raise ContractError("a state can be resumed only by policies with the same hops, tries and timeouts")
        state = begin(tables) if past is None else past.repeat(len(tables.rows))
        for at in range(load.shape[1]):
            state = step(state, tables, load[rows, at], float(factor[at]))
            attempts[rows, at] = state.attempts / step_s
            good[rows, at] = state.good / step_s
            waiting[rows, at] = state.waiting
    return Runs(tuple(policies), step_s, np.array(load), attempts, good, waiting)


def reach(policy: RetryPolicy, service: Service, load_per_s: Floats, slower: Floats, *, step_s: float) -> State:
    """The state in which a load and a trigger, both of shape (steps,), leave one policy."""
    tables = Tables.of([policy], service, step_s)
    state = begin(tables)
    for load, factor in zip(load_per_s, slower, strict=True):
        state = step(state, tables, np.array([load]), float(factor))
    return state
