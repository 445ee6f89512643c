"""One step of a chain of retrying callers over a queue, for many policies at once.

A fluid: masses of tries rather than tries. Of each try is kept when it was issued, when the call that it serves began,
and the number it has. A try of one hop is a call of the next, so "issued at" there is "began at" here: what happens at
the queue finds its way up without following single requests. Within the try of one moment all are alike: whichever of
them succeed are spread evenly over the calls that they serve.

Refusals take milliseconds and are over within the step, all retries after them included. Time-outs, the queue and
pauses take steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meshlab.errors import ContractError
from meshlab.questions.retries.simulate.limits import blocking, expected_limit
from meshlab.questions.retries.simulate.service import Service
from meshlab.questions.retries.simulate.tables import Tables

__all__ = ["Chain", "Moment"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What one step brought, each of shape (policies,).

    Attributes
    ----------
    attempts, refused : ndarray of float64
        At the service.
    good : ndarray of float64
        Requests answered in time.
    served : ndarray of float64
        Attempts worked on, whether anybody waited for them or not.
    waiting : ndarray of float64
        In the queue at the step's end.
    """

    attempts: Floats
    refused: Floats
    good: Floats
    served: Floats
    waiting: Floats


class Chain:
    """The state of all policies.

    Parameters
    ----------
    tables : Tables
    service : Service
    step_s : float
    """

    def __init__(self, tables: Tables, service: Service, step_s: float) -> None:
        self._tables, self._service, self._step_s = tables, service, step_s
        rows, hops = tables.retries.shape
        self._rows, self._hops, self._tries = np.arange(rows), hops, tables.soon.shape[2]
        client = np.full(rows, max(round(service.deadline_s / step_s), 1), dtype=np.int64)
        # Hop 0 is the client: its "tries" are the requests, and they last until its deadline.
        self._lasts = [client, *tables.lasts.T]
        self._ring = [int(lasts.max()) + 1 for lasts in self._lasts]
        # [policy, step of issue, step at which the call began (the last: its caller has gone), number of the try]
        self._out = [np.zeros((rows, self._ring[i + 1], self._ring[i] + 1, self._tries)) for i in range(hops)]
        self._total = [np.zeros((rows, ring)) for ring in self._ring]
        self._pool = [np.zeros((rows, self._ring[i] + 1, self._tries)) for i in range(hops)]
        self._queued = np.zeros((rows, self._ring[hops]))
        self._stale = np.zeros(rows)
        self._refusal = np.zeros(rows)
        self._asked_per_s = np.zeros((rows, hops))
        self._tokens = np.where(np.isfinite(tables.most), tables.most, tables.per_s * np.minimum(tables.ttl_s, 1e9))
        self._asked = np.zeros((rows, hops))
        self._granted = np.zeros((rows, hops))
        self._calls = np.zeros((rows, hops))
        self._succeeded = np.zeros((rows, hops))
        number = np.arange(self._tries)
        self._asked_before, self._calls_before = np.zeros((rows, hops)), np.zeros((rows, hops))
        self._last_quick = self._repeats = np.zeros((rows, hops))
        self._may = number < tables.retries[:, :, None]
        # Which of a hop's masses are of retries.
        self._again = [np.broadcast_to(number > 0, out.shape[1:]).reshape(-1).astype(np.float64) for out in self._out]
        self._t = 0

    def branch(self, tables: Tables) -> Chain:
        """Many futures of one past: this state, which is of one policy, for each of others with the same time-outs.

        Raises
        ------
        ContractError
            The state is of several policies, or the others have other hops or time-outs.
        """
        other = Chain(tables, self._service, self._step_s)
        if len(self._rows) != 1 or other._ring != self._ring or other._tries != self._tries:
            raise ContractError("a state can be gone on with by policies with the same hops, tries and time-outs alone")
        rows = len(other._rows)
        for name in ("_out", "_total", "_pool"):
            setattr(other, name, [np.repeat(mass, rows, axis=0) for mass in getattr(self, name)])
        for name in ("_queued", "_stale", "_refusal", "_asked_per_s", "_tokens", "_asked", "_granted", "_calls"):
            setattr(other, name, np.repeat(getattr(self, name), rows, axis=0))
        for name in ("_succeeded", "_asked_before", "_calls_before", "_last_quick", "_repeats"):
            setattr(other, name, np.repeat(getattr(self, name), rows, axis=0))
        other._t = self._t
        return other

    def step(self, load_per_s: Floats, slower: float) -> Moment:
        """Go on by one step.

        Parameters
        ----------
        load_per_s : ndarray of float64, shape (policies,)
        slower : float
            How many times its usual time the service takes in this step.
        """
        capacity_per_s = self._service.capacity_per_s / slower
        self._asked_before, self._calls_before = self._asked.copy(), self._calls.copy()
        self._asked[:] = self._granted[:] = self._calls[:] = self._succeeded[:] = 0.0
        self._total[0][:, self._t % self._ring[0]] = 0.0
        for hop in range(self._hops):
            self._callers_go(hop)
        served, good = self._serve(capacity_per_s * self._step_s, slower)
        allowed = self._allowed()
        quick = self._quick(allowed)
        issued = self._upward(allowed, quick)
        attempts = self._downward(load_per_s * self._step_s, issued, allowed, quick)
        refused = attempts * self._refusal
        now = self._t % self._ring[self._hops]
        self._queued[:, now] = attempts - refused
        waiting = self._stale + self._queued.sum(axis=1)
        self._settle(attempts, waiting, capacity_per_s * self._step_s)
        self._t += 1
        return Moment(attempts, refused, good, served, waiting)

    def _callers_go(self, hop: int) -> None:
        """Calls whose caller has waited long enough: nobody takes their result, and they go on or are dropped."""
        rows, slot = self._rows, (self._t - self._lasts[hop]) % self._ring[hop]
        out, pool = self._out[hop], self._pool[hop]
        left = out[rows, :, slot, :]
        waiting = pool[rows, slot, :]
        out[rows, :, slot, :] = 0.0
        pool[rows, slot, :] = 0.0
        if not self._service.cancels:
            out[:, :, -1, :] += left
            pool[:, -1, :] += waiting
            return
        gone = left.sum(axis=2)
        self._drop(hop + 1, _share(gone, self._total[hop + 1]))

    def _drop(self, hop: int, share: Floats) -> None:
        """Tries of the hop before `hop` are given up, so the calls that serve them are too, down to the queue."""
        kept = 1.0 - share
        self._total[hop] *= kept
        if hop == self._hops:
            self._queued *= kept
            return
        before = self._out[hop].sum(axis=(2, 3))
        self._out[hop][:, :, :-1, :] *= kept[:, None, :, None]
        self._pool[hop][:, :-1, :] *= kept[:, :, None]
        after = self._out[hop].sum(axis=(2, 3))
        self._drop(hop + 1, _share(before - after, before))

    def _serve(self, most: float, slower: float) -> tuple[Floats, Floats]:
        """The queue's head, and who still waits for it."""
        hop, ring = self._hops, self._ring[self._hops]
        # Who gave up stands before who waits still: first come, first served.
        old = np.minimum(self._stale, most)
        self._stale = self._stale - old
        ages = np.arange(ring - 1, -1, -1)
        slots = (self._t - ages) % ring
        line = self._queued[:, slots]
        ahead = np.cumsum(line, axis=1)
        reach = np.clip((most - old)[:, None] - (ahead - line), 0.0, line)
        self._queued[:, slots] = line - reach
        # Within a step an attempt is half a step older than its age in whole ones, on average.
        left_s = (self._lasts[hop][:, None] - ages - 0.5) * self._step_s
        done = np.zeros_like(line)
        done[:, slots] = reach * self._service.in_time(left_s, slower)
        work = max(round(self._service.service_s * slower / self._step_s) - 1, 0)
        share = _share(done, self._total[hop])
        for at in range(hop - 1, -1, -1):
            self._succeeded[:, at] = (share * self._total[at + 1]).sum(axis=1)
            share = self._answer(at, share, work)
        good = (share * self._total[0]).sum(axis=1)
        return old + reach.sum(axis=1), good

    def _answer(self, hop: int, share: Floats, work: int) -> Floats:
        """Tries of a hop succeed; the share of its callers' tries that do so with them."""
        out = self._out[hop]
        by_call = (share[:, None, :] @ out.reshape(*out.shape[:2], -1)).reshape(len(out), *out.shape[2:]).sum(axis=2)
        out *= (1.0 - share)[:, :, None, None]
        self._total[hop + 1] *= 1.0 - share
        age = (self._t - np.arange(self._ring[hop])) % self._ring[hop]
        alive = age[None, :] + work < self._lasts[hop][:, None]
        return _share(np.where(alive, by_call[:, :-1], 0.0), self._total[hop])

    def _allowed(self) -> Floats:
        """Probability that a retry is allowed, shape (policies, hops)."""
        tables = self._tables
        held = np.stack([out.reshape(len(out), -1) @ which for out, which in zip(self._out, self._again, strict=True)])
        held = held.T + np.stack([pool.sum(axis=(1, 2)) for pool in self._pool], axis=1)
        # Those that time out in this step give their places back before others ask for them.
        ends = [(self._t - lasts) % ring for lasts, ring in zip(self._lasts[1:], self._ring[1:], strict=True)]
        held -= np.stack(
            [out[self._rows, slot][:, :, 1:].sum(axis=(1, 2)) for out, slot in zip(self._out, ends, strict=True)],
            axis=1,
        )
        active = np.stack([total.sum(axis=1) for total in self._total[1:]], axis=1)
        limit = expected_limit(active, tables.percent, tables.least)
        hold = self._holding()
        chance = 1.0 - blocking(limit, self._asked_per_s * hold)
        # Whatever the chance: what is held already cannot be had.
        free = np.maximum(limit - held, 0.0)
        wanted = self._asked_per_s * self._step_s * self._slow()
        chance = np.minimum(chance, np.where(np.isfinite(free), free / np.maximum(wanted, _TINY), 1.0))
        # A bucket that a rush would empty within the step must not give more than it holds: what refusals will ask for
        # is known before it is averaged.
        again = np.arange(1, self._tries)[None, :]
        rush = self._calls_before * (self._refusal[:, None] ** again).sum(axis=1)[:, None]
        asked = np.maximum(np.maximum(self._asked_per_s * self._step_s, self._asked_before), rush)
        bucket = self._tokens / np.maximum(asked, _TINY)
        chance = np.where(tables.has_bucket, np.minimum(bucket, 1.0), chance)
        return np.where(self._t >= tables.off_from[:, None], 0.0, np.clip(chance, 0.0, 1.0))

    def _slow(self) -> Floats:
        """Share of a hop's tries that are not refused at once, as in the step before."""
        return 1.0 - self._last_quick

    def _holding(self) -> Floats:
        """Mean seconds for which a retry would hold its place."""
        tables = self._tables
        slow = self._slow()
        return slow * tables.lasts * self._step_s + (1.0 - slow) * self._refusal_s() + tables.pause_s

    def _refusal_s(self) -> Floats:
        """How long a refusal of the next hop takes, its own retries included, shape (policies, hops)."""
        found = np.zeros_like(self._asked_per_s)
        below = np.full(len(found), self._service.refusal_s)
        for hop in range(self._hops - 1, -1, -1):
            found[:, hop] = below
            tries = 1.0 + self._repeats[:, hop]
            below = tries * (below + self._service.refusal_s) + (tries - 1.0) * self._tables.pause_s[:, hop]
        return found

    def _quick(self, allowed: Floats) -> Floats:
        """Probability that a fresh try of each hop is refused within the step, shape (policies, hops)."""
        found = np.zeros_like(allowed)
        self._repeats = np.zeros_like(allowed)
        below = self._refusal
        for hop in range(self._hops - 1, -1, -1):
            found[:, hop] = below
            reach, failed = np.ones_like(below), np.zeros_like(below)
            for number in range(self._tries):
                again = allowed[:, hop] * self._may[:, hop, number]
                failed = failed + reach * below * (1.0 - again)
                reach = reach * below * again * self._tables.soon[:, hop, number]
                self._repeats[:, hop] += reach
            below = failed
        self._last_quick = found
        return found

    def _upward(self, allowed: Floats, quick: Floats) -> list[Floats]:
        """Time-outs, and failures of calls that had waited; returns the tries issued for them at each hop."""
        issued: list[Floats] = []
        failures: Floats | None = None
        for hop in range(self._hops - 1, -1, -1):
            # The queue forgets who timed out first, the callers afterwards.
            failed = self._time_out(hop, allowed)
            if failures is not None:
                failed += self._fail(hop, failures)
            calls, fresh = self._retry(hop, failed, allowed, quick)
            issued.append(calls)
            failures = fresh
        return issued[::-1]

    def _time_out(self, hop: int, allowed: Floats) -> Floats:
        rows, ring = self._rows, self._ring[hop + 1]
        slot = (self._t - self._lasts[hop + 1]) % ring
        out = self._out[hop]
        failed: Floats = out[rows, slot].copy()
        out[rows, slot] = 0.0
        self._total[hop + 1][rows, slot] = 0.0
        if hop == self._hops - 1:
            if not self._service.cancels:
                self._stale = self._stale + self._queued[rows, slot]
            self._queued[rows, slot] = 0.0
        # The end of the route is that of the request: nothing is tried again.
        failed *= np.where(self._tables.ends[:, hop], 0.0, 1.0)[:, None, None]
        return failed

    def _fail(self, hop: int, failures: Floats) -> Floats:
        """Calls of the next hop have failed: so have the tries here that wait for them."""
        if not failures.any():
            return np.zeros_like(self._pool[hop])
        share = _share(failures, self._total[hop + 1])
        out = self._out[hop]
        failed = (share[:, None, :] @ out.reshape(*out.shape[:2], -1)).reshape(len(out), *out.shape[2:])
        out *= (1.0 - share)[:, :, None, None]
        self._total[hop + 1] *= 1.0 - share
        return np.asarray(failed)

    def _retry(self, hop: int, failed: Floats, allowed: Floats, quick: Floats) -> tuple[Floats, Floats]:
        """Retry what may be, at once or after its pause; returns the tries issued, and the calls that failed."""
        tables, pool = self._tables, self._pool[hop]
        ring = self._ring[hop]
        age = np.append((self._t - np.arange(ring)) % ring, 0)
        open_still = age[None, :] < tables.route[:, hop, None]
        again = np.where(open_still, allowed[:, hop, None], 0.0)[:, :, None] * self._may[:, hop, None, :]
        soon = tables.soon[:, hop, None, :]
        self._asked[:, hop] += (failed * (open_still[:, :, None] & self._may[:, hop, None, :])).sum(axis=(1, 2))
        granted = failed * again
        over = (failed - granted).sum(axis=2)
        seeds = np.zeros_like(failed)
        seeds[:, :, 1:] = (granted * soon)[:, :, :-1]
        ready = pool[:, :, 1:] * soon[:, :, :-1]
        seeds[:, :, 1:] += ready
        pool[:, :, 1:] -= ready
        pool[:, :, 1:] += (granted * (1.0 - soon))[:, :, :-1]
        self._granted[:, hop] += granted.sum(axis=(1, 2))
        issued, more = self._issue(hop, slice(None), seeds, again, quick)
        return issued, (over + more)[:, :-1]

    def _issue(self, hop: int, begun: slice, seeds: Floats, again: Floats, quick: Floats) -> tuple[Floats, Floats]:
        """Issue tries of the calls that have `begun` then and, within the step, all that follow refusals.

        Returns
        -------
        issued : ndarray of float64, shape (policies,)
        refused : ndarray of float64, shape (policies, begun)
            Calls that have no try left.
        """
        tables = self._tables
        refused = quick[:, hop, None]
        over = np.zeros(seeds.shape[:2])
        tries = np.zeros_like(seeds)
        carry = np.zeros(seeds.shape[:2])
        for number in range(self._tries):
            tries[:, :, number] = seeds[:, :, number] + carry
            failed = tries[:, :, number] * refused
            granted = failed * again[:, :, number]
            over += failed - granted
            self._asked[:, hop] += (failed * self._may[:, hop, number, None]).sum(axis=1)
            self._granted[:, hop] += granted.sum(axis=1)
            soon = tables.soon[:, hop, number, None]
            carry = granted * soon
            if number + 1 < self._tries:
                self._pool[hop][:, begun, number + 1] += granted * (1.0 - soon)
        now = self._t % self._ring[hop + 1]
        staying = tries * (1.0 - refused)[:, :, None]
        self._out[hop][:, now, begun] += staying
        self._total[hop + 1][:, now] += staying.sum(axis=(1, 2))
        return tries.sum(axis=(1, 2)), over

    def _downward(self, arrivals: Floats, issued: list[Floats], allowed: Floats, quick: Floats) -> Floats:
        """Fresh calls, from the client down; returns the attempts at the service."""
        calls = arrivals
        self._total[0][:, self._t % self._ring[0]] = arrivals
        for hop in range(self._hops):
            self._calls[:, hop] = calls
            slot = self._t % self._ring[hop]
            seeds = np.zeros((len(calls), 1, self._tries))
            seeds[:, 0, 0] = calls
            again = (allowed[:, hop, None] * self._may[:, hop])[:, None, :]
            made, _ = self._issue(hop, slice(slot, slot + 1), seeds, again, quick)
            calls = made + issued[hop]
        return calls

    def _settle(self, attempts: Floats, waiting: Floats, most: float) -> None:
        """What the next step starts from: how full the queue is, how often retries were asked for, what is left."""
        tables = self._tables
        room = np.maximum(self._service.queue - waiting + most, 0.0)
        self._refusal = np.clip(1.0 - room / np.maximum(attempts, _TINY), 0.0, 1.0)
        # Averaged over about a second: Erlang's formula speaks of a rate.
        weight = min(self._step_s, 1.0)
        self._asked_per_s += weight * (self._asked / self._step_s - self._asked_per_s)
        income = tables.per_request * self._calls + tables.per_success * self._succeeded + tables.per_s * self._step_s
        kept = self._tokens * np.exp(-self._step_s / tables.ttl_s)
        self._tokens = np.clip(kept + income - self._granted, 0.0, tables.most)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.clip(np.divide(part, whole, out=np.zeros_like(part), where=whole > _TINY), 0.0, 1.0)
