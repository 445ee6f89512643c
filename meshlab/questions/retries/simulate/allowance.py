"""How likely a retry is allowed in a step, and how likely a fresh try is refused within it, by policy and hop."""

from __future__ import annotations

import numpy as np

from meshlab.questions.retries.simulate.limits import blocking, expected_limit
from meshlab.questions.retries.simulate.state import TINY, State
from meshlab.questions.retries.simulate.tables import Floats, Tables

__all__ = ["allowed", "rejections"]


def allowed(state: State, tables: Tables) -> Floats:
    """Probability that a retry is allowed, shape (policies, hops), from what was asked for in the step before."""
    step_s = tables.step_s
    active = np.stack([calls.sum(axis=1) for calls in state.calls[1:]], axis=1)
    limit = expected_limit(active, tables.percent, tables.least)
    chance = 1.0 - blocking(limit, state.asked_per_s * _holding_s(state, tables))
    # Whatever the chance: what is held already cannot be had.
    free = np.maximum(limit - _held(state, tables), 0.0)
    wanted = state.asked_per_s * step_s * (1.0 - state.rejected)
    chance = np.minimum(chance, np.where(np.isfinite(free), free / np.maximum(wanted, TINY), 1.0))
    # A bucket that a rush would empty within the step must not give more than it holds: what refusals will ask for
    # is known before it is averaged.
    numbers = np.arange(1, tables.soon.shape[2])[None, :]
    rush = state.fresh * (state.refusal[:, None] ** numbers).sum(axis=1)[:, None]
    asked = np.maximum(np.maximum(state.asked_per_s * step_s, state.asked), rush)
    bucket = state.tokens / np.maximum(asked, TINY)
    chance = np.where(tables.has_bucket, np.minimum(bucket, 1.0), chance)
    return np.where(state.step >= tables.off_from[:, None], 0.0, np.clip(chance, 0.0, 1.0))


def _held(state: State, tables: Tables) -> Floats:
    """Places that retries hold, in flight or pausing, shape (policies, hops)."""
    pairs = zip(state.in_flight, tables.is_retry, strict=True)
    occupied = np.stack([tries.reshape(len(tries), -1) @ which for tries, which in pairs]).T
    held: Floats = occupied + np.stack([pausing.sum(axis=(1, 2)) for pausing in state.pausing], axis=1)
    # Those that time out in this step give their places back before others ask for them.
    ends = [(state.step - waits) % ring for waits, ring in zip(tables.waits[1:], tables.rings[1:], strict=True)]
    pairs_ending = zip(state.in_flight, ends, strict=True)
    held -= np.stack([tries[tables.rows, slot][:, :, 1:].sum(axis=(1, 2)) for tries, slot in pairs_ending], axis=1)
    return held


def _holding_s(state: State, tables: Tables) -> Floats:
    """Mean seconds for which a retry would hold its place."""
    # How long a refusal of the next hop takes, its own retries included.
    refusal_s = np.zeros_like(state.asked_per_s)
    below = np.full(len(refusal_s), tables.service.refusal_s)
    for hop in range(refusal_s.shape[1] - 1, -1, -1):
        refusal_s[:, hop] = below
        tries = 1.0 + state.repeats[:, hop]
        below = tries * (below + tables.service.refusal_s) + (tries - 1.0) * tables.pause_s[:, hop]
    slow = 1.0 - state.rejected
    return slow * tables.lasts * tables.step_s + (1.0 - slow) * refusal_s + tables.pause_s


def rejections(state: State, tables: Tables, allowance: Floats) -> None:
    """Work out `State.rejected` and `State.repeats` from the service's refusals, up the chain."""
    state.repeats[:] = 0.0
    below = state.refusal
    for hop in range(allowance.shape[1] - 1, -1, -1):
        state.rejected[:, hop] = below
        reach, failed = np.ones_like(below), np.zeros_like(below)
        for number in range(tables.soon.shape[2]):
            again = allowance[:, hop] * tables.may[:, hop, number]
            failed = failed + reach * below * (1.0 - again)
            reach = reach * below * again * tables.soon[:, hop, number]
            state.repeats[:, hop] += reach
        below = failed
