"""What set a storm off: injected faults, a service that takes in less than usual, or more load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from meshlab.core.sanitize import plain
from meshlab.display.numbers import number
from meshlab.questions.retries.cells import Bools
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.storm.phases import Course

__all__ = ["Trigger", "find_trigger"]

_CAPACITY_LOST: Final = 0.6
"""Share of what a service usually takes in below which it is itself in trouble."""

_MORE_LOAD: Final = 1.25
_LOAD_CUT: Final = 0.8
"""Share of the usual load below which somebody, or the callers' own waiting, has cut it."""
_LEAST_ACCEPTED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What set it off.

    Parameters
    ----------
    begin, end : int
        Its first block, and the one after its last.
    kind : str
        In words.
    """

    begin: int
    end: int
    kind: str


def find_trigger(edges: Edges, edge: int, course: Course) -> Trigger | None:
    """When what set the incident off began and ended; None where none was seen, or it did not end."""
    bad = np.flatnonzero(course.incident)
    first, last = int(bad[0]), int(bad[-1])
    span = np.arange(edges.blocks)
    near = (span >= first - 1) & (span <= last)
    service = edges.destination == edges.destination[edge]
    injected = edges.injected[service].sum(axis=0, dtype=np.float64) > 0
    if (injected & near).any() and not injected[last]:
        begin, end = _ends(injected & near)
        return Trigger(begin=begin, end=end, kind="injected faults")
    accepted = edges.accepted[service].sum(axis=0, dtype=np.float64)
    usual, usual_load = (
        float(np.median(values[course.calm])) if course.calm.any() else 0.0 for values in (accepted, course.load)
    )
    if usual >= _LEAST_ACCEPTED:
        weak = near & (accepted < _CAPACITY_LOST * usual)
        # Who cuts the load gets less taken in, too: that is a mitigation, and not the trigger going on.
        as_usual: Bools = course.load >= _LOAD_CUT * usual_load
        weak = weak & as_usual if (weak & as_usual).any() else weak
        if weak.any():
            end = _ends(weak)[1]
            if end > last + 1 or end >= edges.blocks:
                return None
            low, normal = float(accepted[weak].mean()) / edges.block_s, usual / edges.block_s
            name = plain(edges.names["destination_service"].iloc[edge])
            kind = f"{name} throughput {number(low)} rps, normally {number(normal)}"
            return Trigger(begin=first, end=end, kind=kind)
    if usual_load > 0:
        heavy = near & (course.load > _MORE_LOAD * usual_load)
        if heavy.any() and not heavy[last]:
            times = float(course.load[heavy].max()) / usual_load
            return Trigger(begin=first, end=_ends(heavy)[1], kind=f"load {number(times)} times the usual")
    return None


def _ends(blocks: Bools) -> tuple[int, int]:
    """The first of some blocks, and the one after the last."""
    at = np.flatnonzero(blocks)
    return int(at[0]), int(at[-1]) + 1
