"""From a metric that crosses its target to the first request of a new copy: where the time goes."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject
from meshlab.questions.scaling.autoscaler import Autoscaler
from meshlab.questions.scaling.samples import place_mask, seconds

__all__ = ["STAGES", "lags", "start_s", "summary"]

STAGES: Final = {
    "control_s": "metric beyond its target until the decision",
    "creation_s": "decision until the pod is there",
    "node_s": "pod until it has a node",
    "start_s": "node until it is ready",
    "traffic_s": "ready until its first request",
}
"""The chain's parts, seconds, in the order of time."""


def lags(evidence: Evidence, subject: Subject, scaler: Autoscaler) -> pd.DataFrame:
    """One row a pod that a scale-up brought.

    Returns
    -------
    DataFrame
        ``decided`` (time), ``pod``, and the seconds of `STAGES`, NaN where a moment is not known. The control lag is
        known to a sync period, the traffic lag to a block of time.
    """
    columns = ["decided", "pod", *STAGES]
    pods = evidence.frames["pods"]
    pods = pods[place_mask(pods, subject) & (pods["workload"] == scaler.workload)] if len(pods) else pods
    history = scaler.replayed
    if pods.empty or history.empty:
        return pd.DataFrame(columns=columns)
    when = seconds(history["time"])
    rises = np.flatnonzero((history["desired"] > history["current"]).to_numpy())
    wants = (history["recommended"] > history["current"]).to_numpy()
    sync_s = scaler.ticks.sync_s
    first = _first_requests(evidence, subject)
    rows = []
    for k in rises:
        begun = k
        while (
            begun > 0 and wants[begun - 1] and history["desired"].iloc[begun - 1] <= history["current"].iloc[begun - 1]
        ):
            begun -= 1
        mine = pods[(pods["created"] > when[k] - sync_s / 2) & (pods["created"] <= when[k] + sync_s / 2)]
        for pod in mine.itertuples(index=False):
            request = first.get(str(pod.pod), np.empty(0))
            ready = float(pod.ready)
            later = request[request >= ready - 1.0] if len(request) else request
            rows.append(
                (
                    history["time"].iloc[k],
                    pod.pod,
                    when[k] - when[begun],
                    max(float(pod.created) - when[k], 0.0),
                    float(pod.scheduled) - float(pod.created),
                    ready - (float(pod.scheduled) if np.isfinite(float(pod.scheduled)) else float(pod.created)),
                    max(float(later[0]) - ready, 0.0) if len(later) else np.nan,
                )
            )
    return pd.DataFrame(rows, columns=columns).drop_duplicates(["decided", "pod"]).reset_index(drop=True)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """The middle and the 95th per cent of each part: ``part, what, pods, p50_s, p95_s``."""
    rows = []
    for name, what in STAGES.items():
        known = table[name].dropna().to_numpy(np.float64) if len(table) else np.empty(0)
        middle, late = np.quantile(known, [0.5, 0.95]) if len(known) else (np.nan, np.nan)
        rows.append((name.removesuffix("_s"), what, len(known), float(middle), float(late)))
    return pd.DataFrame(rows, columns=["part", "what", "pods", "p50_s", "p95_s"])


def start_s(table: pd.DataFrame) -> float | None:
    """From a decision to a ready copy, in the middle; None where no pod's start was seen."""
    known = table[["creation_s", "node_s", "start_s"]].sum(axis=1, min_count=3).dropna() if len(table) else table
    return float(np.median(known.to_numpy(np.float64))) if len(known) else None


def _first_requests(evidence: Evidence, subject: Subject) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Begin of the blocks in which a pod had requests and none in the block before, unix seconds."""
    counts = evidence.frames["counts"]
    mine = counts[subject.mask(counts) & (counts["count"] > 0) & (counts["destination_instance"] != "")]
    assert isinstance(evidence.chosen, int)
    found = {}
    for pod, rows in mine.groupby("destination_instance"):
        blocks = np.unique(rows["block"].to_numpy(np.int64))
        new = blocks[np.r_[True, np.diff(blocks) > 1]]
        # A request in a block is somewhere inside: its middle is wrong by half a block at most.
        found[str(pod)] = (evidence.window.start_ms + (new + 0.5) * evidence.chosen) / 1000
    return found
