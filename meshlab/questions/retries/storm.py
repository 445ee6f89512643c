"""Whether attempts feed on themselves: where it began, what it did, and whether it outlasted its cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.questions.retries.changes import rise, usual
from meshlab.questions.retries.cube import CHUNK, Bools, Cells, Floats, total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.graph import above, below
from meshlab.questions.retries.settings import Policy

__all__ = ["State", "Storm", "depths", "storm"]

_CAPACITY_LOST: Final = 0.6
"""Share of what a service usually takes in below which it is itself in trouble."""

_MORE_LOAD: Final = 1.25
_LOAD_CUT: Final = 0.8
"""Share of the usual load below which somebody, or the callers' own waiting, has cut it."""
_CALM_BLOCKS: Final = 2


class State(StrEnum):
    """What retries do to a system (Bronson and others, HotOS 2021)."""

    STABLE = "stable"
    VULNERABLE = "vulnerable"
    """Attempts were amplified, and the system came back by itself."""
    STORM = "storm"
    """Attempts are amplified and goodput is lost, and the trigger may still be on."""
    METASTABLE = "metastable"
    """The same, long after the trigger ended."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, eq=False)
class Storm:
    """What was found.

    Parameters
    ----------
    state : State
    probability : float
        Share of resamplings of the decisive blocks in which there is a storm, 0..1; NaN where there is nothing to draw.
    origin : int or None
        The deepest edge whose requests fail.
    amplifiers : tuple of int
        Amplified edges, from the origin upwards.
    onset : ndarray of int, shape (edges,)
        The first block of each edge's rise; -1 for none.
    timeline : DataFrame
        One row a block: ``time, load_per_s, goodput_per_s, attempts_per_s`` (at the origin), ``accepted_per_s``,
        ``amplification`` (of the amplified edges), ``share`` (of good answers), ``phase``.
    incident : ndarray of bool, shape (blocks,)
        Blocks with amplification and lost goodput.
    trigger : tuple of int or None
        First block of the trigger and the one after its last; None where none was seen or it did not end.
    trigger_kind : str
    lasted_s : float
        From the trigger's end (without one: from the beginning) to the incident's end.
    recovered : bool
        Whether the window ends calm.
    amplified : float
        Attempts for a request at the origin, over all amplified hops, in the incident's blocks.
    overloaded : bool
        Whether goodput was lost while attempts followed the load.
    """

    state: State
    probability: float
    origin: int | None
    amplifiers: tuple[int, ...]
    onset: NDArray[np.intp]
    timeline: pd.DataFrame
    incident: Bools
    trigger: tuple[int, int] | None = None
    trigger_kind: str = ""
    lasted_s: float = 0.0
    recovered: bool = True
    amplified: float = 1.0
    overloaded: bool = False
    tops: tuple[int, ...] = field(default=())


def storm(all_edges: Edges, among: Bools, start_ms: int, policy: Policy) -> Storm:
    """Look for a retry storm.

    Parameters
    ----------
    all_edges : Edges
    among : ndarray of bool, shape (edges,)
        The edges that are judged.
    start_ms : int
        The window's start, unix milliseconds.
    policy : Policy
    """
    known = among & (all_edges.basis != "")
    known &= np.nan_to_num(all_edges.table["logical"].to_numpy(np.float64)) >= policy.least
    asked, tried, good = all_edges.logical, all_edges.attempts, all_edges.good
    base, amplified, onset, failing, failing_since = _rises(all_edges, known, policy)
    # Two ends are scraped at two moments, and either may miss one at the window's edge: a surplus of a block, or one
    # that the next block pays back, is no retry.
    surplus = max(0.02, 1.0 / max(all_edges.blocks, 1))
    amplified &= (all_edges.basis == "proxies") | (np.nan_to_num(all_edges.amplification) >= 1.0 + surplus)
    if not known.any():
        return Storm(State.UNKNOWN, np.nan, None, (), onset, _nothing(), np.zeros(all_edges.blocks, np.bool_))
    if not amplified.any():
        return _without(all_edges, known, failing, onset, start_ms, policy)

    troubled = known & (amplified | failing)
    origin = _origin(all_edges, amplified, troubled, np.where(onset >= 0, onset, failing_since))
    ways = above(all_edges, [origin], troubled)
    hops = ways & amplified
    tops = ways & ~np.isin(all_edges.caller, all_edges.callee[ways & (all_edges.callee != all_edges.callee[origin])])
    if not tops.any():
        tops = hops
    load, fine = _sum(asked, tops), _sum(good, tops)
    hot = _over(_sum(tried, hops), _sum(asked, hops)) >= policy.amplification * _pooled(base, asked, hops)
    first = int(onset[hops].min())
    share = _over(fine, load)
    calm = np.arange(all_edges.blocks) < first
    before = float(_over(np.nansum(fine[calm]), np.nansum(load[calm]))) if np.nansum(load[calm]) > 0 else 1.0
    low = share < policy.goodput * before
    incident = hot & low
    line = _timeline(all_edges, known, origin, hops, load, fine, start_ms)
    distance = depths(all_edges, origin, hops)
    order = sorted(np.flatnonzero(hops).tolist(), key=lambda e: (distance[e], onset[e], e))
    during = _amplified(all_edges, origin, hops, tried, asked, incident if incident.any() else hot)
    if not incident.any():
        line["phase"] = np.where(hot, "triggered", "calm")
        chance = _probability(hot, low, np.flatnonzero(hot), policy)
        return Storm(
            State.VULNERABLE,
            chance,
            origin,
            tuple(order),
            onset,
            line,
            incident,
            amplified=during,
            tops=tuple(np.flatnonzero(tops).tolist()),
        )
    trigger, kind = _trigger(all_edges, origin, load, incident, calm)
    last = int(np.flatnonzero(incident)[-1])
    begin = trigger[1] if trigger else int(np.flatnonzero(incident)[0])
    seconds = all_edges.block_ms / 1000
    lasted = max(0, last + 1 - begin) * seconds
    recovered = all_edges.blocks - 1 - last >= _CALM_BLOCKS
    long = lasted >= policy.sustained_s
    if trigger and long:
        state = State.METASTABLE
    elif recovered and (trigger or not long):
        state = State.VULNERABLE
    else:
        state = State.STORM
    span = max(1, int(np.ceil(policy.sustained_s / seconds)))
    decisive = np.arange(begin, min(all_edges.blocks, begin + span))
    # A trigger that goes on to the window's end leaves no block after it.
    decisive = decisive if len(decisive) else np.flatnonzero(incident)
    line["phase"] = _phases(hot, low, incident, trigger, last, state)
    return Storm(
        state,
        _probability(hot, low, decisive, policy),
        origin,
        tuple(order),
        onset,
        line,
        incident,
        trigger,
        kind,
        lasted,
        recovered,
        during,
        tops=tuple(np.flatnonzero(tops).tolist()),
    )


def _rises(
    all_edges: Edges, known: Bools, policy: Policy
) -> tuple[Floats, Bools, NDArray[np.intp], Bools, NDArray[np.intp]]:
    """What is usual on each edge, and where attempts and where failures rose: since when, -1 for not."""
    count = len(known)
    base, found, since = np.ones(count), np.zeros((2, count), np.bool_), np.full((2, count), -1, np.intp)
    numbers = np.flatnonzero(known)
    for low in range(0, len(numbers), CHUNK):
        part = numbers[low : low + CHUNK]
        asked, tried, good = (
            cells[part].astype(np.float64) for cells in (all_edges.logical, all_edges.attempts, all_edges.good)
        )
        base[part] = usual(tried, asked, 1.0, 1.2)
        found[0, part], since[0, part] = rise(tried, asked, base[part], policy.amplification)
        failures = asked - good
        found[1, part], since[1, part] = rise(failures, asked, usual(failures, asked, 0.02, 0.2), 2.0)
    return base, found[0], since[0], found[1], since[1]


def _origin(all_edges: Edges, amplified: Bools, troubled: Bools, since: NDArray[np.intp]) -> int:
    """The deepest troubled edge below the amplified ones: of several the one with most failed attempts."""
    reach = below(all_edges, np.flatnonzero(amplified).tolist(), troubled)
    callers = all_edges.caller[reach & troubled]
    leaves = reach & ~np.isin(all_edges.callee, callers[callers >= 0])
    # In a circle nobody is deepest.
    chosen = np.flatnonzero(leaves if leaves.any() else amplified)
    failures = total(all_edges.attempts[chosen] - all_edges.good[chosen])
    return int(chosen[np.lexsort((since[chosen], -failures))[0]])


def depths(all_edges: Edges, origin: int, hops: Bools) -> NDArray[np.intp]:
    """How many calls each edge is above the origin."""
    distance = np.full(len(hops), len(hops), np.intp)
    level = all_edges.callee == all_edges.callee[origin]
    at = 0
    while (new := level & hops & (distance > at) & (distance == len(hops))).any():
        distance[new] = at
        level = np.isin(all_edges.callee, all_edges.caller[new & (all_edges.caller >= 0)])
        at += 1
    return distance


def _amplified(all_edges: Edges, origin: int, hops: Bools, tried: Cells, asked: Cells, blocks: Bools) -> float:
    """The product of the amplified hops' attempts for a request, edges of one depth taken together."""
    distance = depths(all_edges, origin, hops)
    product = 1.0
    for depth in np.unique(distance[hops]):
        level = hops & (distance == depth)
        product *= float(_over(total(tried[level], blocks).sum(), total(asked[level], blocks).sum()))
    return product


def _trigger(
    all_edges: Edges, origin: int, load: Floats, incident: Bools, calm: Bools
) -> tuple[tuple[int, int] | None, str]:
    """When what set it off began and ended: less taken in, more load, or faults that were put in."""
    at = np.flatnonzero(incident)
    first, last = int(at[0]), int(at[-1])
    span = np.arange(all_edges.blocks)
    near = (span >= first - 1) & (span <= last)
    seconds = all_edges.block_ms / 1000
    service = all_edges.callee == all_edges.callee[origin]
    injected = all_edges.injected[service].sum(axis=0, dtype=np.float64) > 0
    if (injected & near).any() and not injected[last]:
        ended = int(np.flatnonzero(injected & near)[-1]) + 1
        return (int(np.flatnonzero(injected & near)[0]), ended), "faults that were injected"
    accepted = all_edges.accepted[service].sum(axis=0, dtype=np.float64)
    usually = float(np.median(accepted[calm])) if calm.any() else 0.0
    if usually >= 5:
        weak = near & (accepted < _CAPACITY_LOST * usually)
        # Who cuts the load gets less taken in, too: that is a cure, and not the trigger going on.
        as_usual = load >= _LOAD_CUT * float(np.median(load[calm]))
        weak = weak & as_usual if (weak & as_usual).any() else weak
        if weak.any():
            ended = int(np.flatnonzero(weak)[-1]) + 1
            if ended <= last + 1 and ended < all_edges.blocks:
                low = float(accepted[weak].mean()) / seconds
                kind = f"the called service took in {low:.3g} requests a second, usually {usually / seconds:.3g}"
                return (first, ended), kind
            return None, ""
    normal = float(np.median(load[calm])) if calm.any() else 0.0
    if normal > 0:
        heavy = near & (load > _MORE_LOAD * normal)
        if heavy.any() and not heavy[last]:
            most = float(load[heavy].max())
            return (first, int(np.flatnonzero(heavy)[-1]) + 1), f"load of {most / normal:.2g} times the usual"
    return None, ""


def _phases(
    hot: Bools, low: Bools, incident: Bools, trigger: tuple[int, int] | None, last: int, state: State
) -> NDArray[np.str_]:
    span = np.arange(len(hot))
    first = int(np.flatnonzero(incident)[0])
    # What is amplified or lost before the first bad block without a pause belongs to it.
    sound = np.flatnonzero(~(hot | low) & (span < first))
    began = min(int(sound[-1]) + 1 if len(sound) else 0, trigger[0] if trigger else first)
    ended = trigger[1] if trigger else first
    worst = "metastable" if state is State.METASTABLE else "storm" if state is State.STORM else "recovering"
    phase = np.full(len(hot), "calm", dtype="<U10")
    phase[(span >= began) & (span < ended)] = "triggered"
    phase[(span >= ended) & (span <= last)] = worst
    # What is not yet calm after the last bad block comes back.
    after = span > last
    unsettled = np.logical_and.accumulate(np.where(after, hot | low, True)) & after
    phase[unsettled] = "recovering"
    return phase


def _probability(hot: Bools, low: Bools, blocks: NDArray[np.intp], policy: Policy) -> float:
    """How often most of some blocks are in a storm when they are drawn anew, in pairs of neighbours."""
    bad = (hot & low)[blocks]
    if not len(bad):
        return float("nan")
    draw = np.random.default_rng(policy.seed)
    pairs = -(-len(bad) // 2)
    start = draw.integers(0, len(bad), (policy.resamples, pairs))
    taken = np.stack([start, (start + 1) % len(bad)], axis=2).reshape(policy.resamples, -1)[:, : len(bad)]
    return float((bad[taken].mean(axis=1) > 0.5).mean())


def _without(
    all_edges: Edges, known: Bools, failing: Bools, onset: NDArray[np.intp], start_ms: int, policy: Policy
) -> Storm:
    """Nothing is amplified: what is usual, and whether goodput was lost for another reason."""
    tops = known & (all_edges.caller < 0)
    tops = tops if tops.any() else known & ~np.isin(all_edges.caller, all_edges.callee[known])
    tops = tops if tops.any() else known
    asked, tried, good = all_edges.logical, all_edges.attempts, all_edges.good
    load, fine = _sum(asked, tops), _sum(good, tops)
    busiest = int(np.nanargmax(np.where(known, all_edges.amplification, -1.0)))
    line = _timeline(all_edges, known, busiest, known, load, fine, start_ms)
    line["phase"] = "calm"
    hot = _over(tried[busiest], asked[busiest]) >= policy.amplification
    share = _over(fine, load)
    low = share < policy.goodput * min(1.0, float(np.nanmax(share, initial=0.0)) or 1.0)
    chance = _probability(hot, low, np.arange(all_edges.blocks), policy)
    return Storm(
        State.STABLE,
        chance,
        None,
        (),
        onset,
        line,
        np.zeros(all_edges.blocks, np.bool_),
        amplified=float(np.nan_to_num(all_edges.amplification[busiest], nan=1.0)),
        overloaded=bool(failing.any() and low.any()),
        tops=tuple(np.flatnonzero(tops).tolist()),
    )


def _timeline(
    all_edges: Edges, known: Bools, origin: int, hops: Bools, load: Floats, fine: Floats, start_ms: int
) -> pd.DataFrame:
    seconds = all_edges.block_ms / 1000
    ends = (start_ms + (np.arange(all_edges.blocks) + 1) * all_edges.block_ms).astype("datetime64[ms]")
    service = all_edges.callee == all_edges.callee[origin]
    return pd.DataFrame(
        {
            "time": pd.DatetimeIndex(ends).tz_localize("UTC"),
            "load_per_s": load / seconds,
            "goodput_per_s": fine / seconds,
            "attempts_per_s": _sum(all_edges.attempts, service & known) / seconds,
            "accepted_per_s": all_edges.accepted[service].sum(axis=0, dtype=np.float64) / seconds,
            "amplification": _over(_sum(all_edges.attempts, hops), _sum(all_edges.logical, hops)),
            "share": _over(fine, load),
        }
    )


def _nothing() -> pd.DataFrame:
    columns = ["time", "load_per_s", "goodput_per_s", "attempts_per_s", "accepted_per_s", "amplification", "share"]
    return pd.DataFrame(columns=[*columns, "phase"])


def _sum(cells: Cells, rows: Bools) -> Floats:
    """The sum of some edges by block; NaN in a block where none of them was measured."""
    summed, some = np.zeros(cells.shape[1]), np.zeros(cells.shape[1], np.bool_)
    numbers = np.flatnonzero(rows)
    for low in range(0, len(numbers), CHUNK):
        mine = cells[numbers[low : low + CHUNK]]
        summed += np.nansum(mine, axis=0, dtype=np.float64)
        some |= np.isfinite(mine).any(axis=0)
    return np.where(some, summed, np.nan)


def _over(a: object, b: object) -> Floats:
    top, bottom = np.asarray(a, np.float64), np.asarray(b, np.float64)
    ratio: Floats = np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)
    return ratio


def _pooled(base: Floats, asked: Cells, rows: Bools) -> float:
    weight = total(asked[rows])
    return float(np.average(base[rows], weights=weight)) if weight.sum() > 0 else 1.0
