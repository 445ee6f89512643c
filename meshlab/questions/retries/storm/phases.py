"""Third stage: load, goodput and attempts over time, and the phases that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.questions.retries.cells import Bools, Floats, over_edges, ratio, total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.storm.origin import Origin
from meshlab.questions.retries.storm.rises import Rises
from meshlab.questions.retries.tables import RATES

__all__ = ["Course", "find_course", "incident_table", "label", "timeline"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Course:
    """What happened on the paths to the origin, shape (blocks,) each.

    Parameters
    ----------
    load, goodput : ndarray of float64
        Requests that enter the paths, and those of them that were answered with success.
    amplified, degraded, calm : ndarray of bool
        Blocks with amplification beyond the limit, with lost goodput, and before the first rise.
    """

    load: Floats
    goodput: Floats
    amplified: Bools
    degraded: Bools
    calm: Bools

    @property
    def incident(self) -> Bools:
        """Blocks with amplification and lost goodput."""
        return self.amplified & self.degraded


def find_course(edges: Edges, rises: Rises, origin: Origin, *, amplification: float, goodput: float) -> Course:
    """Compare each block with what was usual before the first rise."""
    load, good = over_edges(edges.requests, origin.tops), over_edges(edges.good, origin.tops)
    attempts, requests = over_edges(edges.attempts, origin.hops), over_edges(edges.requests, origin.hops)
    weight = total(edges.requests[origin.hops])
    usual = float(np.average(rises.usual[origin.hops], weights=weight)) if weight.sum() > 0 else 1.0
    calm = np.arange(edges.blocks) < int(rises.onset[origin.hops].min())
    before = float(ratio(np.nansum(good[calm]), np.nansum(load[calm]))) if np.nansum(load[calm]) > 0 else 1.0
    return Course(
        load=load,
        goodput=good,
        amplified=ratio(attempts, requests) >= amplification * usual,
        degraded=ratio(good, load) < goodput * before,
        calm=calm,
    )


def label(course: Course, begin: int, end: int, worst: str) -> NDArray[np.str_]:
    """The phase of each block of an incident whose trigger's first block and the one after its last are known.

    `worst` is what the blocks after the trigger are called.
    """
    trouble = course.amplified | course.degraded
    span = np.arange(len(trouble))
    first, last = np.flatnonzero(course.incident)[[0, -1]]
    # What is amplified or degraded before the first bad block without a pause belongs to it.
    sound = np.flatnonzero(~trouble & (span < first))
    began = min(int(sound[-1]) + 1 if len(sound) else 0, begin)
    phase = np.full(len(trouble), "calm", dtype="<U10")
    phase[(span >= began) & (span < end)] = "triggered"
    phase[(span >= end) & (span <= last)] = worst
    # What is not yet calm after the last bad block comes back.
    after = span > last
    phase[np.logical_and.accumulate(np.where(after, trouble, True)) & after] = "recovering"
    return phase


def timeline(edges: Edges, known: Bools, edge: int, hops: Bools, *, load: Floats, goodput: Floats) -> pd.DataFrame:
    """One row a block, without its phase: see the result's table of that name.

    Shown are the attempts at the service of `edge` on the `known` ones, and the amplification of the `hops`.
    """
    service = edges.destination == edges.destination[edge]
    return pd.DataFrame(
        {
            "time": edges.grid.ends,
            "load_per_s": load / edges.block_s,
            "goodput_per_s": goodput / edges.block_s,
            "attempts_per_s": over_edges(edges.attempts, service & known) / edges.block_s,
            "amplification": ratio(over_edges(edges.attempts, hops), over_edges(edges.requests, hops)),
            "accepted_per_s": edges.accepted[service].sum(axis=0, dtype=np.float64) / edges.block_s,
            "success_rate": ratio(goodput, load),
        }
    )


def incident_table(line: pd.DataFrame) -> pd.DataFrame:
    """The phases in the order of time: when each began and ended, and its mean rates."""
    if line.empty:
        return pd.DataFrame()
    run = (line["phase"] != line["phase"].shift()).cumsum()
    length = line["time"].diff().median() if len(line) > 1 else pd.Timedelta(0)
    means = {name: (name, "mean") for name in RATES}
    spans = {"begin": ("time", "min"), "end": ("time", "max"), "blocks": ("time", "size")}
    table = line.groupby(run, sort=True).agg(phase=("phase", "first"), **spans, **means)
    table["begin"] -= length
    return table.reset_index(drop=True)
