"""From counters to points: how much each copy of a service had in flight, and how much it got done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject

__all__ = ["Samples", "arrivals", "block_s", "place_mask", "samples", "seconds"]

_COPY: Final = ("destination_workload", "destination_version", "destination_instance")
# Answers that a proxy gave by itself: nothing reached the service, and its answer took no time.
_LOCAL: Final = frozenset({"UO", "UH", "UF", "NR", "NC", "RL", "RLSE", "UAEX", "FI", "OM", "LH"})
_NAMED: Final = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Points of a service, one a copy and block (or one a block, where copies are not told apart).

    Attributes
    ----------
    frame : DataFrame
        ``workload, version, instance, block, time, concurrency, throughput`` (good answers a second),
        ``requests, errors`` (counts).
    each : str
        What a point stands for: ``copy``, ``replica`` (a share of the whole) or ``service``.
    local : int
        Requests that were left out because a proxy answered by itself.
    """

    frame: pd.DataFrame
    each: str
    local: int


def block_s(evidence: Evidence) -> float:
    """Length of the evidence's blocks, seconds."""
    assert isinstance(evidence.chosen, int)
    return evidence.chosen / 1000


def seconds(time: pd.Series[pd.Timestamp]) -> NDArray[np.float64]:
    """Unix seconds of a column of times; shape (rows,)."""
    return np.asarray(pd.DatetimeIndex(time).as_unit("ms").asi8 / 1000, np.float64)


def place_mask(frame: pd.DataFrame, subject: Subject) -> pd.Series[bool]:
    """Rows of an exporter's frame in a subject's namespace; a store of one cluster has no label for it."""
    return (frame["namespace"] == subject.namespace) & frame["cluster"].isin([subject.cluster, ""])


def samples(evidence: Evidence, subject: Subject) -> Samples:
    """Points of all versions of a subject.

    Concurrency is the time that requests took in a block over its length (J. Little, Operations Research 9, 1961): it
    needs no gauge, and holds for every version and copy by itself. A copy's first and last block are left out where it
    began or ended inside the window: it was there for a part of them.

    Parameters
    ----------
    evidence : Evidence
    subject : Subject
    """
    counts, took = (evidence.frames[name] for name in ("counts", "durations"))
    counts, took = counts[subject.mask(counts)], took[subject.mask(took)]
    keys = [*_COPY, "block", "time"]
    local = _is_local(counts["flags"])
    left_out = int(counts.loc[local, "count"].sum())
    counts, took = counts[~local], took[~_is_local(took["flags"])]
    failed = _failed(counts["code"])
    done = counts.assign(errors=counts["count"].where(failed, 0)).groupby(keys)[["count", "errors"]].sum()
    time = took.groupby(keys)["sum_ms"].sum()
    frame = done.join(time, how="inner").reset_index()
    length_s = block_s(evidence)
    frame = frame.rename(columns={name: name.removeprefix("destination_") for name in _COPY})
    frame["concurrency"] = frame["sum_ms"] / 1000 / length_s
    frame["throughput"] = (frame["count"] - frame["errors"]) / length_s
    frame = frame.rename(columns={"count": "requests"}).drop(columns="sum_ms")
    total = float(frame["requests"].sum())
    named = float(frame.loc[frame["instance"] != "", "requests"].sum())
    if total and named >= _NAMED * total:
        blocks = int((evidence.window.end_ms - evidence.window.start_ms) // (1000 * length_s))
        return Samples(_whole(frame[frame["instance"] != ""], blocks), "copy", left_out)
    return _shared(evidence, subject, frame, left_out)


def arrivals(evidence: Evidence, subject: Subject) -> pd.DataFrame:
    """How much was asked of a subject in each block, requests that still wait included.

    Requests are counted when they end; they came in earlier by what they took. So what each copy got done in a block
    is moved back by the mean duration there: a queue that grows, or drains, is seen where it was made.

    Returns
    -------
    DataFrame
        ``block, time, arrivals_per_s, concurrency`` (of all copies, by Little's law). What came in at the very end and
        had not ended is missing there.
    """
    counts, took = (evidence.frames[name] for name in ("counts", "durations"))
    # Refused at once and answered late are not one duration: outcomes are kept apart.
    keys = ["destination_instance", "destination_version", "code", "block"]
    done = counts[subject.mask(counts)].groupby(keys)["count"].sum()
    time = took[subject.mask(took)].groupby(keys)["sum_ms"].sum()
    frame = pd.concat([done, time], axis=1, join="inner").reset_index()
    if frame.empty:
        nothing = {"block": [], "time": pd.DatetimeIndex([], tz="UTC"), "arrivals_per_s": [], "concurrency": []}
        return pd.DataFrame(nothing)
    length_s = block_s(evidence)
    block, count = frame["block"].to_numpy(np.int64), frame["count"].to_numpy(np.float64)
    mean_s = np.divide(frame["sum_ms"].to_numpy(np.float64) / 1000, count, out=np.zeros(len(count)), where=count > 0)
    # In lengths of a block: where the moved interval begins, and how much of it lies in the block of its begin.
    begin = block - mean_s / length_s
    first = np.floor(begin).astype(np.int64)
    inside = 1.0 - (begin - first)
    blocks = np.arange(block.min(), block.max() + 1)
    total = np.zeros(len(blocks))
    for at, part in ((first, inside), (first + 1, 1.0 - inside)):
        place = np.clip(at - block.min(), 0, len(blocks) - 1)
        total += np.bincount(place, count * part, len(blocks))
    seen = np.isin(blocks, block)
    flying = np.bincount(block - block.min(), frame["sum_ms"], len(blocks)) / 1000 / length_s
    ends = evidence.window.start_ms + (blocks + 1) * round(1000 * length_s)
    found = pd.DataFrame(
        {
            "block": blocks,
            "time": pd.DatetimeIndex(ends.astype("datetime64[ms]")).tz_localize("UTC"),
            "arrivals_per_s": np.where(seen, total / length_s, np.nan),
            "concurrency": flying,
        }
    )
    return found.dropna().reset_index(drop=True)


def _is_local(flags: pd.Series[str]) -> pd.Series[bool]:
    # Several flags are joined by commas: one of them is enough.
    local = {text: bool(_LOCAL & set(str(text).split(","))) for text in flags.unique()}
    return flags.map(local).astype(bool)


def _failed(code: pd.Series[str]) -> pd.Series[bool]:
    failed = {text: str(text).startswith("5") or text in ("", "0") for text in code.unique()}
    return code.map(failed).astype(bool)


def _whole(frame: pd.DataFrame, blocks: int) -> pd.DataFrame:
    busy = frame[frame["requests"] > 0].groupby("instance")["block"].agg(["min", "max"])
    first, last = frame["instance"].map(busy["min"]), frame["instance"].map(busy["max"])
    keep = (frame["block"] > first) | ((first == 0) & (frame["block"] == 0))
    keep &= (frame["block"] < last) | ((last >= blocks - 1) & (frame["block"] == last))
    return frame[keep & first.notna()].reset_index(drop=True)


def _shared(evidence: Evidence, subject: Subject, frame: pd.DataFrame, local: int) -> Samples:
    """Where copies are not told apart: shares of the whole, while the ready replicas stay what they are."""
    keys = ["workload", "version", "block", "time"]
    whole = frame.groupby(keys)[["concurrency", "throughput", "requests", "errors"]].sum().reset_index()
    whole["instance"] = ""
    ready = evidence.frames["replicas"]
    ready = ready[place_mask(ready, subject)] if len(ready) else ready
    if ready.empty:
        return Samples(whole, "service", local)
    block = (1000 * seconds(ready["time"]) - evidence.window.start_ms - 1) // (1000 * block_s(evidence))
    spans = ready.assign(block=block).groupby(["workload", "block"])["ready"].agg(["min", "max"]).reset_index()
    joined = whole.merge(spans, on=["workload", "block"], how="inner")
    joined = joined[(joined["min"] == joined["max"]) & (joined["min"] > 0)]
    for name in ("concurrency", "throughput"):
        joined[name] = joined[name] / joined["min"]
    return Samples(joined.drop(columns=["min", "max"]).reset_index(drop=True), "replica", local)
