"""How likely a retry is allowed in a step, and how likely a fresh try is refused within it, by policy and hop."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import ndtr

from meshlab.questions.retries.simulate.state import TINY, State
from meshlab.questions.retries.simulate.tables import Floats, Tables

__all__ = ["allowed", "blocking", "expected_limit", "rejections"]

_COUNTED: Final = 40


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


def _highest() -> Floats:
    """Nine equally likely values of the highest that a count of active requests reaches within one holding time.

    In standard deviations. The count is that of arrivals in a window as long as the holding time: its highest over as
    long again has a closed form.

    References
    ----------
    D. Slepian, First passage time for a particular Gaussian process, Ann. Math. Stat. 32, 1961.
    """
    at = np.linspace(-4.0, 6.0, 2001)
    density = np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
    below = ndtr(at) ** 2 - density * (at * ndtr(at) + density)
    return np.interp((np.arange(9) + 0.5) / 9, below, at)


_HIGHEST: Final = _highest()


def blocking(places: Floats, erlangs: Floats) -> Floats:
    """Share of requests that find all places taken (Erlang's loss formula).

    It holds for any distribution of the holding time, so that retries that are over in milliseconds and retries that
    time out may share the places; a fluid in which nobody meets by chance would refuse far too few.

    Parameters
    ----------
    places : ndarray of float64
        Between whole numbers the chance is interpolated; infinite where there is no limit.
    erlangs : ndarray of float64
        Requests a second times the mean time that one would hold a place.

    Returns
    -------
    ndarray of float64
        0..1.

    References
    ----------
    A. K. Erlang, 1917; the recursion: L. Kosten. 1/B(n) = 1 + n/a 1/B(n-1).
    """
    load = np.maximum(erlangs, 1e-12)
    finite = np.isfinite(places)
    if not finite.any():
        return np.zeros_like(load)
    known = np.where(finite, places, 0.0)
    whole, part = np.floor(known), known - np.floor(known)
    # Beyond so many places chance no longer matters beside the mean.
    chance = np.maximum(1.0 - known / load, 0.0)
    inverse = np.ones_like(load)
    for n in range(int(min(whole.max(), _COUNTED)) + 1):
        # An unloaded limit makes this grow without bound; it is no chance at all then.
        above = np.minimum(1.0 + (n + 1) / load * inverse, 1e15)
        chance = np.where(whole == n, (1.0 - part) / inverse + part / above, chance)
        inverse = above
    return np.where(finite, chance, 0.0)


def expected_limit(active: Floats, percent: Floats, least: Floats) -> Floats:
    """Places that retries hold when many ask: ``max(least, floor(percent of the active requests))``.

    The active come and go by chance. A retry that was allowed when they were many stays when they are few, so what
    counts is their highest number over one holding time. Envoy cuts the fraction off.

    Parameters
    ----------
    active, percent, least : ndarray of float64
        `active` on average.
    """
    highest = np.maximum(active[..., None] + np.sqrt(active)[..., None] * _HIGHEST, 0.0)
    return np.asarray(np.maximum(least[..., None], np.floor(highest * percent[..., None] / 100)).mean(axis=-1))
