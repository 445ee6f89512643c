"""From a metric that crosses its target to the first request of a new pod: where the time goes."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject
from meshlab.questions.scaling.autoscaler import Autoscaler
from meshlab.questions.scaling.samples import block_s, namespace_mask, seconds
from meshlab.questions.scaling.tables import table

__all__ = ["STAGES", "lags", "start_s", "summary"]

STAGES: Final = {
    "control_s": "metric beyond its target until the decision",
    "creation_s": "decision until the pod is created",
    "node_s": "pod created until it is scheduled",
    "start_s": "scheduled until it is ready",
    "traffic_s": "ready until its first request",
}
"""The stages, seconds, in the order of time."""


def lags(evidence: Evidence, subject: Subject, scaler: Autoscaler | None) -> pd.DataFrame:
    """One row a pod that a scale-up started.

    Returns
    -------
    DataFrame
        ``decided`` (time), ``pod``, and the seconds of `STAGES`, NaN where a moment is not known. The control lag is
        known to a sync period, the traffic lag to a block of time.
    """
    columns = ["decided", "pod", *STAGES]
    pods = evidence.frames["pods"]
    if scaler is None or pods.empty or scaler.replayed.empty:
        return pd.DataFrame(columns=columns)
    pods = pods[namespace_mask(pods, subject) & (pods["workload"] == scaler.workload)]
    history = scaler.replayed
    when = seconds(history["time"])
    rises, wants = ((history[name] > history["current"]).to_numpy() for name in ("desired", "recommended"))
    sync_s = scaler.ticks.sync_s
    first = _first_requests(evidence, subject)
    rows = []
    for k in np.flatnonzero(rises):
        crossed = k
        while crossed > 0 and wants[crossed - 1] and not rises[crossed - 1]:
            crossed -= 1
        started = pods[(pods["created"] > when[k] - sync_s / 2) & (pods["created"] <= when[k] + sync_s / 2)]
        for pod in started.itertuples(index=False):
            request = first.get(str(pod.pod), np.empty(0))
            ready = float(pod.ready)
            served = request[request >= ready - 1.0]
            rows.append(
                (
                    history["time"].iloc[k],
                    pod.pod,
                    when[k] - when[crossed],
                    max(float(pod.created) - when[k], 0.0),
                    float(pod.scheduled) - float(pod.created),
                    ready - (float(pod.scheduled) if np.isfinite(float(pod.scheduled)) else float(pod.created)),
                    max(float(served[0]) - ready, 0.0) if len(served) else np.nan,
                )
            )
    return pd.DataFrame(rows, columns=columns).drop_duplicates(["decided", "pod"]).reset_index(drop=True)


def summary(pods: pd.DataFrame) -> pd.DataFrame:
    """Table ``lags``: the median and the 95th percentile of each stage."""
    if pods.empty:
        return table("lags")
    rows = []
    for name, what in STAGES.items():
        known = pods[name].dropna().to_numpy(np.float64)
        middle, late = np.quantile(known, [0.5, 0.95]) if len(known) else (np.nan, np.nan)
        rows.append((name.removesuffix("_s"), what, len(known), float(middle), float(late)))
    return table("lags", rows)


def start_s(pods: pd.DataFrame) -> float | None:
    """Median time from a decision to a ready pod; None where no start was observed."""
    known = pods[["creation_s", "node_s", "start_s"]].sum(axis=1, min_count=3).dropna() if len(pods) else pods
    return float(np.median(known.to_numpy(np.float64))) if len(known) else None


def _first_requests(evidence: Evidence, subject: Subject) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Middle of the blocks in which a pod had requests and none in the block before, unix seconds."""
    counts = evidence.frames["destination"]
    mine = counts[subject.mask(counts) & (counts["count"] > 0) & (counts["destination_instance"] != "")]
    first = {}
    for pod, rows in mine.groupby("destination_instance"):
        blocks = np.unique(rows["block"].to_numpy(np.int64))
        new = blocks[np.r_[True, np.diff(blocks) > 1]]
        # A request in a block is somewhere inside: its middle is wrong by half a block at most.
        first[str(pod)] = (evidence.window.start_ms + (new + 0.5) * 1000 * block_s(evidence)) / 1000
    return first
