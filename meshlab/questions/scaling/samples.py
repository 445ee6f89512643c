"""From counters to points: the concurrency and the throughput of each replica of a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.blocks import BlockGrid
from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject
from meshlab.questions.scaling.tables import table
from meshlab.telemetry.outcomes import DEFAULT_ERRORS, flagged, is_error, never_arrived, unanswered

__all__ = ["Samples", "arrivals", "block_s", "namespace_mask", "samples", "seconds"]

_REPLICA: Final = ("destination_workload", "destination_version", "destination_instance")
_NAMED: Final = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Points of a service, one a replica and block (or one a block, where replicas cannot be distinguished)."""

    frame: pd.DataFrame
    """Table ``points``."""
    unit: str
    """What a point stands for: ``replica``, ``average`` (of the ready replicas) or ``service``."""


def block_s(evidence: Evidence) -> float:
    """Length of the evidence's blocks, seconds."""
    return evidence.block_ms / 1000


def seconds(time: pd.Series[pd.Timestamp]) -> NDArray[np.float64]:
    """Unix seconds of a column of times; shape (rows,)."""
    return np.asarray(pd.DatetimeIndex(time).as_unit("ms").asi8 / 1000, np.float64)


def namespace_mask(frame: pd.DataFrame, subject: Subject) -> pd.Series[bool]:
    """Rows of an exporter's frame in a subject's namespace; a store of one cluster has no label for it."""
    return (frame["namespace"] == subject.namespace) & frame["cluster"].isin([subject.cluster, ""])


def samples(evidence: Evidence, subject: Subject, error_codes: str = DEFAULT_ERRORS) -> Samples:
    """Points of all versions of a subject.

    Concurrency is the time that requests took in a block over its length (J. Little, Operations Research 9, 1961): it
    needs no gauge, and holds for every version and replica by itself. A replica's first and last block are left out
    where it started or stopped inside the window: it was there for a part of them.
    """
    counts, durations = _own(evidence, subject)
    keys = [*_REPLICA, "block", "time"]
    counts, durations = (frame[~_is_local(frame)] for frame in (counts, durations))
    errors = counts["count"].where(is_error(counts, error_codes) | unanswered(counts), 0)
    answered = counts.assign(errors=errors).groupby(keys)[["count", "errors"]].sum()
    frame = answered.join(durations.groupby(keys)["sum_ms"].sum(), how="inner").reset_index()
    length_s = block_s(evidence)
    frame = frame.rename(columns={name: name.removeprefix("destination_") for name in _REPLICA})
    frame["concurrency"] = frame["sum_ms"] / 1000 / length_s
    frame["throughput"] = (frame["count"] - frame["errors"]) / length_s
    frame = frame.rename(columns={"count": "requests"}).drop(columns="sum_ms")
    total = float(frame["requests"].sum())
    named = float(frame.loc[frame["instance"] != "", "requests"].sum())
    if total and named >= _NAMED * total:
        blocks = BlockGrid.over(evidence.window, evidence.block_ms).blocks
        return Samples(table("points", _whole(frame[frame["instance"] != ""], blocks)), "replica")
    return _averaged(evidence, subject, frame)


def arrivals(evidence: Evidence, subject: Subject) -> pd.DataFrame:
    """Requests that arrived at a subject in each block, those still queued included.

    Requests are counted when they end; they arrived earlier by their duration. So what each replica answered in a block
    is moved back by the mean duration there: a queue that grows, or drains, appears when it did.

    Returns
    -------
    DataFrame
        Table ``arrivals``. What arrived at the very end and had not ended is missing there.
    """
    counts, durations = _own(evidence, subject)
    # Refused at once and answered late are not one duration: outcomes are kept apart.
    keys = ["destination_instance", "destination_version", "code", "block"]
    sums = [counts.groupby(keys)["count"].sum(), durations.groupby(keys)["sum_ms"].sum()]
    frame = pd.concat(sums, axis=1, join="inner").reset_index()
    if frame.empty:
        return table("arrivals")
    length_s = block_s(evidence)
    block, count = frame["block"].to_numpy(np.int64), frame["count"].to_numpy(np.float64)
    mean_s = np.divide(frame["sum_ms"].to_numpy(np.float64) / 1000, count, out=np.zeros(len(count)), where=count > 0)
    # In lengths of a block: where the moved interval starts, and how much of it lies in the block of its start.
    start = block - mean_s / length_s
    first = np.floor(start).astype(np.int64)
    inside = 1.0 - (start - first)
    blocks = np.arange(block.min(), block.max() + 1)
    total = np.zeros(len(blocks))
    for at, part in ((first, inside), (first + 1, 1.0 - inside)):
        total += np.bincount(np.clip(at - block.min(), 0, len(blocks) - 1), count * part, len(blocks))
    in_flight = np.bincount(block - block.min(), frame["sum_ms"], len(blocks)) / 1000 / length_s
    columns = {
        "block": blocks,
        "time": BlockGrid.over(evidence.window, evidence.block_ms).ends_of(blocks),
        "arrivals_per_s": np.where(np.isin(blocks, block), total / length_s, np.nan),
        "concurrency": in_flight,
    }
    return table("arrivals", pd.DataFrame(columns).dropna().reset_index(drop=True))


def _own(evidence: Evidence, subject: Subject) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The subject's requests and durations."""
    counts, durations = (evidence.frames[name] for name in ("destination", "durations"))
    return counts[subject.mask(counts)], durations[subject.mask(durations)]


def _is_local(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which replies a proxy made by itself: nothing reached the service, and they took no time."""
    # The called side retries nothing, so that its breaker refuses what has not been tried.
    return never_arrived(frame) | flagged(frame, "UO")


def _whole(frame: pd.DataFrame, blocks: int) -> pd.DataFrame:
    """The blocks in which a replica was there throughout; one that comes back under its name has several lives."""
    there = frame[["instance", "block"]].drop_duplicates().sort_values(["instance", "block"])
    there["life"] = (there["block"] != there.groupby("instance")["block"].shift() + 1).cumsum()
    life = frame.merge(there, on=["instance", "block"], how="left")["life"].set_axis(frame.index)
    busy = frame["block"][frame["requests"] > 0].groupby(life).agg(["min", "max"])
    first, last = life.map(busy["min"]), life.map(busy["max"])
    keep = (frame["block"] > first) | ((first == 0) & (frame["block"] == 0))
    keep &= (frame["block"] < last) | ((last >= blocks - 1) & (frame["block"] == last))
    return frame[keep & first.notna()].reset_index(drop=True)


def _averaged(evidence: Evidence, subject: Subject, frame: pd.DataFrame) -> Samples:
    """Where replicas cannot be distinguished: the average of the ready ones, while their number does not change."""
    keys = ["workload", "version", "block", "time"]
    whole = frame.groupby(keys)[["concurrency", "throughput", "requests", "errors"]].sum().reset_index()
    whole["instance"] = ""
    ready = evidence.frames["replicas"]
    ready = ready[namespace_mask(ready, subject)] if len(ready) else ready
    if ready.empty:
        return Samples(table("points", whole), "service")
    block = (1000 * seconds(ready["time"]) - evidence.window.start_ms - 1) // (1000 * block_s(evidence))
    spans = ready.assign(block=block).groupby(["workload", "block"])["ready"].agg(["min", "max"]).reset_index()
    joined = whole.merge(spans, on=["workload", "block"], how="inner")
    joined = joined[(joined["min"] == joined["max"]) & (joined["min"] > 0)]
    for name in ("concurrency", "throughput"):
        joined[name] = joined[name] / joined["min"]
    return Samples(table("points", joined.reset_index(drop=True)), "average")
