"""Fourth stage: whether it is a storm, whether it outlasted its trigger, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.questions.retries.cells import Bools, over_edges, ratio
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.settings import RetriesSettings
from meshlab.questions.retries.storm.origin import Origin, amplified, depths, find_origin
from meshlab.questions.retries.storm.phases import Course, find_course, label, timeline
from meshlab.questions.retries.storm.rises import Rises, find_rises
from meshlab.questions.retries.storm.trigger import Trigger, find_trigger
from meshlab.questions.retries.tables import TABLES

__all__ = ["State", "Storm", "find_storm"]

_CALM_BLOCKS: Final = 2
_LEAST_BLOCKS: Final = 3


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


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Storm:
    """A storm, or that there is none.

    Parameters
    ----------
    state : State
    onset : ndarray of int, shape (edges,)
        The first block of each edge's rise; -1 for none.
    incident : ndarray of bool, shape (blocks,)
        Blocks with amplification and lost goodput.
    timeline : DataFrame
        One row a block; without a row where nothing is known.
    probability : float
        Share of resamplings of the decisive blocks in which there is a storm, 0..1; NaN where there is nothing to draw.
    origin : int or None
        The deepest edge whose requests fail.
    amplifiers, tops : tuple of int
        Amplified edges from the origin upwards, and the edges by which the load enters.
    trigger : Trigger or None
        None where none was seen or it did not end.
    lasted_s : float
        From the trigger's end (without one: from the beginning) to the incident's end.
    recovered : bool
        Whether the window ends calm.
    amplified : float
        Attempts per request at the origin, over all amplified hops, in the incident's blocks.
    unresolved : bool
        Whether the blocks are too long to tell whether it outlasted its trigger.
    overloaded : bool
        Whether goodput was lost while attempts followed the load.
    """

    state: State
    onset: NDArray[np.intp]
    incident: Bools
    timeline: pd.DataFrame = field(default_factory=TABLES["timeline"].empty)
    probability: float = np.nan
    origin: int | None = None
    amplifiers: tuple[int, ...] = ()
    tops: tuple[int, ...] = ()
    trigger: Trigger | None = None
    lasted_s: float = 0.0
    recovered: bool = True
    amplified: float = 1.0
    unresolved: bool = False
    overloaded: bool = False


def find_storm(edges: Edges, judged: Bools, settings: RetriesSettings) -> Storm:
    """Look for a retry storm on the judged edges, shape (edges,)."""
    known = judged & edges.known
    known &= np.nan_to_num(edges.table["requests"].to_numpy(np.float64)) >= settings.least
    rises = find_rises(edges, known, amplification=settings.amplification)
    nothing = Storm(state=State.UNKNOWN, onset=rises.onset, incident=np.zeros(edges.blocks, np.bool_))
    if not known.any():
        return nothing
    if not rises.amplified.any():
        return _stable(edges, known, rises, nothing, settings)
    origin = find_origin(edges, known, rises)
    course = find_course(edges, rises, origin, amplification=settings.amplification, goodput=settings.goodput)
    return _storm(edges, known, origin, course, nothing, settings)


def _storm(
    edges: Edges, known: Bools, origin: Origin, course: Course, nothing: Storm, settings: RetriesSettings
) -> Storm:
    """Attempts are amplified: what became of it."""
    incident = course.incident
    line = timeline(edges, known, origin.edge, origin.hops, load=course.load, goodput=course.goodput)
    distance, onset = depths(edges, origin.edge, origin.hops), nothing.onset
    amplifiers = sorted(np.flatnonzero(origin.hops).tolist(), key=lambda e: (distance[e], onset[e], e))
    amplification = amplified(edges, origin, incident if incident.any() else course.amplified)
    storm = replace(
        nothing,
        incident=incident,
        origin=origin.edge,
        amplifiers=tuple(amplifiers),
        tops=tuple(np.flatnonzero(origin.tops).tolist()),
        amplified=amplification,
    )
    if not incident.any():
        chance = _probability(course, np.flatnonzero(course.amplified), settings)
        line["phase"] = np.where(course.amplified, "triggered", "calm")
        return replace(storm, state=State.VULNERABLE, timeline=line, probability=chance)
    trigger = find_trigger(edges, origin.edge, course)
    first, last = (int(block) for block in np.flatnonzero(incident)[[0, -1]])
    begin = trigger.end if trigger else first
    lasted_s = max(0, last + 1 - begin) * edges.block_s
    # Blocks of which fewer than three fit cannot tell a storm from the end of its trigger.
    least_s = max(settings.sustained_s, _LEAST_BLOCKS * edges.block_s)
    recovered, sustained = edges.blocks - 1 - last >= _CALM_BLOCKS, lasted_s >= least_s
    if trigger and sustained:
        state, worst = State.METASTABLE, "metastable"
    elif recovered and (trigger or not sustained):
        state, worst = State.VULNERABLE, "recovering"
    else:
        state, worst = State.STORM, "storm"
    line["phase"] = label(course, trigger.begin if trigger else first, begin, worst)
    decisive = np.arange(begin, min(edges.blocks, begin + max(1, int(np.ceil(settings.sustained_s / edges.block_s)))))
    # A trigger that goes on to the window's end leaves no block after it.
    decisive = decisive if len(decisive) else np.flatnonzero(incident)
    return replace(
        storm,
        state=state,
        timeline=line,
        probability=_probability(course, decisive, settings),
        trigger=trigger,
        lasted_s=lasted_s,
        recovered=recovered,
        unresolved=edges.block_s > settings.sustained_s / 2
        and not sustained
        and lasted_s + edges.block_s > settings.sustained_s,
    )


def _stable(edges: Edges, known: Bools, rises: Rises, nothing: Storm, settings: RetriesSettings) -> Storm:
    """Nothing is amplified: what is usual, and whether goodput was lost for another reason."""
    tops = known & (edges.source < 0)
    tops = tops if tops.any() else known & ~np.isin(edges.source, edges.destination[known])
    tops = tops if tops.any() else known
    load, good = over_edges(edges.requests, tops), over_edges(edges.good, tops)
    busiest = int(np.nanargmax(np.where(known, edges.amplification, -1.0)))
    line = timeline(edges, known, busiest, known, load=load, goodput=good)
    line["phase"] = "calm"
    share = ratio(good, load)
    course = Course(
        load=load,
        goodput=good,
        amplified=ratio(edges.attempts[busiest], edges.requests[busiest]) >= settings.amplification,
        degraded=share < settings.goodput * min(1.0, float(np.nanmax(share, initial=0.0)) or 1.0),
        calm=np.ones(edges.blocks, np.bool_),
    )
    return replace(
        nothing,
        state=State.STABLE,
        timeline=line,
        probability=_probability(course, np.arange(edges.blocks), settings),
        tops=tuple(np.flatnonzero(tops).tolist()),
        amplified=float(np.nan_to_num(edges.amplification[busiest], nan=1.0)),
        overloaded=bool(rises.failing.any() and course.degraded.any()),
    )


def _probability(course: Course, blocks: NDArray[np.intp], settings: RetriesSettings) -> float:
    """How often most of some blocks are in the incident when they are drawn anew, in pairs of neighbours."""
    bad = course.incident[blocks]
    if not len(bad):
        return float("nan")
    draw = np.random.default_rng(settings.seed)
    pairs = -(-len(bad) // 2)
    start = draw.integers(0, len(bad), (settings.resamples, pairs))
    drawn = np.stack([start, (start + 1) % len(bad)], axis=2).reshape(settings.resamples, -1)[:, : len(bad)]
    return float((bad[drawn].mean(axis=1) > 0.5).mean())
