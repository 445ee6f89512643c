"""One step of the chain: timeouts, the queue, retries from the service up, and fresh requests from the client down.

Refusals take milliseconds and are over within the step, all retries after them included. Timeouts, the queue and
pauses take steps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from meshlab.questions.retries.simulate.allowance import allowed, rejections
from meshlab.questions.retries.simulate.queue import fail, release, serve, time_out
from meshlab.questions.retries.simulate.state import TINY, State
from meshlab.questions.retries.simulate.tables import Floats, Tables

__all__ = ["step"]


def step(before: State, tables: Tables, load_per_s: Floats, slower: float) -> State:
    """Go on by one step; the state before is left as it is.

    Clients make `load_per_s` requests, shape (policies,), and the service takes `slower` times its usual time.
    """
    state = before.copy()
    capacity = tables.service.capacity_per_s / slower * tables.step_s
    state.calls[0][:, state.step % tables.rings[0]] = 0.0
    for hop in range(len(state.in_flight)):
        release(state, tables, hop)
    serve(state, tables, capacity, slower)
    allowance = allowed(state, tables)
    rejections(state, tables, allowance)
    state.asked[:] = state.granted[:] = 0.0
    issued = _upward(state, tables, allowance)
    state.attempts[:] = _downward(state, tables, load_per_s * tables.step_s, issued, allowance)
    admitted = state.attempts - state.attempts * state.refusal
    state.backlog[:, state.step % tables.rings[-1]] = admitted
    state.waiting[:] = state.abandoned + state.backlog.sum(axis=1)
    _settle(state, tables, capacity)
    return replace(state, step=state.step + 1)


def _upward(state: State, tables: Tables, allowance: Floats) -> list[Floats]:
    """Timeouts, and failures of calls that had waited; returns the tries issued for them at each hop."""
    issued: list[Floats] = []
    failures: Floats | None = None
    for hop in range(len(state.in_flight) - 1, -1, -1):
        # The queue forgets who timed out first, the callers afterwards.
        failed = time_out(state, tables, hop)
        if failures is not None:
            failed += fail(state, hop, failures)
        tries, failures = _retry(state, tables, hop, failed, allowance)
        issued.append(tries)
    return issued[::-1]


def _retry(state: State, tables: Tables, hop: int, failed: Floats, allowance: Floats) -> tuple[Floats, Floats]:
    """Retry what may be, at once or after its pause; returns the tries issued, and the calls that failed."""
    ring, pausing = tables.rings[hop], state.pausing[hop][:, :, 1:]
    age = np.append((state.step - np.arange(ring)) % ring, 0)
    in_route = age[None, :] < tables.route[:, hop, None]
    may = in_route[:, :, None] & tables.may[:, hop, None, :]
    again = np.where(may, allowance[:, hop, None, None], 0.0)
    state.asked[:, hop] += (failed * may).sum(axis=(1, 2))
    granted = failed * again
    state.granted[:, hop] += granted.sum(axis=(1, 2))
    soon, followed = tables.soon[:, hop, None, :-1], granted[:, :, :-1]
    ready = pausing * soon
    seeds = np.zeros_like(failed)
    np.add(followed * soon, ready, out=seeds[:, :, 1:])
    pausing -= ready
    pausing += followed * (1.0 - soon)
    issued, refused = _issue(state, tables, hop, slice(None), seeds, again)
    return issued, ((failed - granted).sum(axis=2) + refused)[:, :-1]


def _issue(state: State, tables: Tables, hop: int, begun: slice, seeds: Floats, again: Floats) -> tuple[Floats, Floats]:
    """Issue tries of the calls that have `begun` then and, within the step, all that follow refusals.

    Returned are how many, shape (policies,), and the calls that have no try left, shape (policies, begun).
    """
    rejected = state.rejected[:, hop, None]
    count = tables.soon.shape[2]
    exhausted, carry = np.zeros(seeds.shape[:2]), np.zeros(seeds.shape[:2])
    tries = np.zeros_like(seeds)
    for number in range(count):
        current = seeds[:, :, number] + carry
        tries[:, :, number] = current
        failed = current * rejected
        if number + 1 == count:
            # Nobody may retry after the most tries that any policy has.
            exhausted += failed
            break
        granted = failed * again[:, :, number]
        exhausted += failed - granted
        state.asked[:, hop] += failed.sum(axis=1) * tables.may[:, hop, number]
        state.granted[:, hop] += granted.sum(axis=1)
        soon = tables.soon[:, hop, number, None]
        carry = granted * soon
        state.pausing[hop][:, begun, number + 1] += granted * (1.0 - soon)
    now = state.step % tables.rings[hop + 1]
    staying = tries * (1.0 - rejected)[:, :, None]
    state.in_flight[hop][:, now, begun] += staying
    state.calls[hop + 1][:, now] += staying.sum(axis=(1, 2))
    return tries.sum(axis=(1, 2)), exhausted


def _downward(state: State, tables: Tables, arrivals: Floats, issued: list[Floats], allowance: Floats) -> Floats:
    """Fresh calls, from the client down; returns the attempts at the service."""
    calls = arrivals
    state.calls[0][:, state.step % tables.rings[0]] = arrivals
    for hop in range(len(state.in_flight)):
        state.fresh[:, hop] = calls
        slot = state.step % tables.rings[hop]
        seeds = np.zeros((len(calls), 1, tables.soon.shape[2]))
        seeds[:, 0, 0] = calls
        again = (allowance[:, hop, None] * tables.may[:, hop])[:, None, :]
        calls = _issue(state, tables, hop, slice(slot, slot + 1), seeds, again)[0] + issued[hop]
    return calls


def _settle(state: State, tables: Tables, capacity: float) -> None:
    """What the next step starts from: how full the queue is, how often retries were asked for, what is left."""
    room = np.maximum(tables.service.queue - state.waiting + capacity, 0.0)
    state.refusal[:] = np.clip(1.0 - room / np.maximum(state.attempts, TINY), 0.0, 1.0)
    # Averaged over about a second: Erlang's formula speaks of a rate.
    weight = min(tables.step_s, 1.0)
    state.asked_per_s[:] += weight * (state.asked / tables.step_s - state.asked_per_s)
    income = tables.per_request * state.fresh + tables.per_success * state.succeeded + tables.per_s * tables.step_s
    kept = state.tokens * np.exp(-tables.step_s / tables.ttl_s)
    state.tokens[:] = np.clip(kept + income - state.granted, 0.0, tables.most)
