"""The queue and the timeouts: who gives up, who is served, and how far up the chain that is felt."""

from __future__ import annotations

import numpy as np

from meshlab.questions.retries.simulate.state import State, share
from meshlab.questions.retries.simulate.tables import Floats, Tables

__all__ = ["fail", "release", "serve", "time_out"]


def release(state: State, tables: Tables, hop: int) -> None:
    """Calls whose caller has waited long enough: nobody takes their result, and they go on or are dropped."""
    rows, slot = tables.rows, (state.step - tables.waits[hop]) % tables.rings[hop]
    in_flight, pausing = state.in_flight[hop], state.pausing[hop]
    left = in_flight[rows, :, slot, :]
    waiting = pausing[rows, slot, :]
    in_flight[rows, :, slot, :] = 0.0
    pausing[rows, slot, :] = 0.0
    if tables.service.cancels:
        _drop(state, hop + 1, share(left.sum(axis=2), state.calls[hop + 1]))
    else:
        in_flight[:, :, -1, :] += left
        pausing[:, -1, :] += waiting


def _drop(state: State, level: int, part: Floats) -> None:
    """A part of the calls of a level is given up, so the tries that serve them are too, down to the queue."""
    kept = 1.0 - part
    state.calls[level][:] *= kept
    if level == len(state.in_flight):
        state.backlog[:] *= kept
        return
    tries = state.in_flight[level]
    before = tries.sum(axis=(2, 3))
    tries[:, :, :-1, :] *= kept[:, None, :, None]
    state.pausing[level][:, :-1, :] *= kept[:, :, None]
    _drop(state, level + 1, share(before - tries.sum(axis=(2, 3)), before))


def serve(state: State, tables: Tables, capacity: float, slower: float) -> None:
    """Work on the head of the queue, and answer those that still wait for it."""
    hops, ring, service = len(state.in_flight), tables.rings[-1], tables.service
    # Who gave up stands before who waits still: first come, first served.
    wasted = np.minimum(state.abandoned, capacity)
    state.abandoned[:] -= wasted
    ages = np.arange(ring - 1, -1, -1)
    slots = (state.step - ages) % ring
    backlog = state.backlog[:, slots]
    ahead = np.cumsum(backlog, axis=1)
    served = np.clip((capacity - wasted)[:, None] - (ahead - backlog), 0.0, backlog)
    state.backlog[:, slots] = backlog - served
    # Within a step an attempt is half a step older than its age in whole ones, on average.
    left_s = np.asarray((tables.waits[hops][:, None] - ages - 0.5) * tables.step_s, np.float64)
    in_time = np.zeros_like(backlog)
    in_time[:, slots] = served * service.in_time(left_s, slower)
    work = max(round(service.service_s * slower / tables.step_s) - 1, 0)
    part = share(in_time, state.calls[hops])
    for hop in range(hops - 1, -1, -1):
        state.succeeded[:, hop] = (part * state.calls[hop + 1]).sum(axis=1)
        by_call = _end(state, hop, part).sum(axis=2)
        age = (state.step - np.arange(tables.rings[hop])) % tables.rings[hop]
        alive = age[None, :] + work < tables.waits[hop][:, None]
        part = share(np.where(alive, by_call[:, :-1], 0.0), state.calls[hop])
    state.good[:] = (part * state.calls[0]).sum(axis=1)


def fail(state: State, hop: int, failures: Floats) -> Floats:
    """Calls of the next hop have failed: so have the tries here that wait for them, by begin of the call and number."""
    if not failures.any():
        return np.zeros_like(state.pausing[hop])
    return _end(state, hop, share(failures, state.calls[hop + 1]))


def _end(state: State, hop: int, part: Floats) -> Floats:
    """Take a part of a hop's tries, shape (policies, slots of issue), away: by begin of the call and number."""
    tries = state.in_flight[hop]
    ended = (part[:, None, :] @ tries.reshape(*tries.shape[:2], -1)).reshape(len(tries), *tries.shape[2:])
    tries *= (1.0 - part)[:, :, None, None]
    state.calls[hop + 1][:] *= 1.0 - part
    return np.asarray(ended)


def time_out(state: State, tables: Tables, hop: int) -> Floats:
    """Tries of a hop that have lasted too long, by begin of the call and number."""
    rows, slot = tables.rows, (state.step - tables.waits[hop + 1]) % tables.rings[hop + 1]
    failed: Floats = state.in_flight[hop][rows, slot].copy()
    state.in_flight[hop][rows, slot] = 0.0
    state.calls[hop + 1][rows, slot] = 0.0
    if hop == len(state.in_flight) - 1:
        if not tables.service.cancels:
            state.abandoned[:] += state.backlog[rows, slot]
        state.backlog[rows, slot] = 0.0
    # The end of the route is that of the request: nothing is tried again.
    failed *= np.where(tables.ends[:, hop], 0.0, 1.0)[:, None, None]
    return failed
