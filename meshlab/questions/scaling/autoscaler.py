"""The autoscaler of a subject: its spec, and its history replayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject
from meshlab.questions.scaling.hpa import HpaSpec, Manifest, Target, TargetKind, Ticks, replay
from meshlab.questions.scaling.hpa.ticks import DEFAULT_SYNC_S, sync_period, sync_periods
from meshlab.questions.scaling.samples import namespace_mask, seconds

__all__ = ["Autoscaler", "autoscaler"]

# Kubernetes' own default first: it stays where others explain no more.
_WINDOWS_S: Final = (300.0, 0.0, 15.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 420.0, 600.0, 900.0, 1800.0)
# So many sync periods reveal the behaviour; it may have been another before.
_ENOUGH: Final = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Autoscaler:
    """One autoscaler."""

    name: str
    workload: str
    spec: HpaSpec
    targets: tuple[Target, ...]
    ticks: Ticks
    replayed: pd.DataFrame
    """Table ``replayed``."""
    assumption: str = ""
    """What is not exported and was inferred, one sentence; empty where the YAML was given."""

    @property
    def down_window_s(self) -> float:
        """The scale-down stabilization window."""
        return self.spec.behaviour.down.window_s if self.spec.behaviour else self.spec.down_window_s


def autoscaler(evidence: Evidence, subject: Subject, workloads: list[str], sync_s: float) -> Autoscaler | None:
    """Find the autoscaler of a subject's workloads (the one with the most decisions) and replay it.

    Returns
    -------
    Autoscaler or None
        None where the telemetry has none.
    """
    bounds, status = evidence.frames["bounds"], evidence.frames["status"]
    if bounds.empty or status.empty:
        return None
    bounds = bounds[namespace_mask(bounds, subject) & bounds["workload"].isin(workloads)]
    status = status[namespace_mask(status, subject)]
    if bounds.empty:
        return None
    name = max(bounds["autoscaler"], key=lambda candidate: int(np.sum(status["autoscaler"] == candidate)))
    status = status[status["autoscaler"] == name].sort_values("time")
    if status.empty:
        return None
    row = bounds[bounds["autoscaler"] == name].iloc[0]
    workload = str(row["workload"])
    manifest: Manifest | None = evidence.documents.get("hpa")
    targets = manifest.targets if manifest else _targets(evidence.frames["targets"], subject, name)
    ticks = _ticks(evidence, subject, status, name, workload, targets, sync_s)
    if manifest is not None:
        return Autoscaler(name, workload, manifest.spec, targets, ticks, replay(manifest.spec, targets, ticks))
    exported = HpaSpec(int(row["min_replicas"]), int(row["max_replicas"]))
    return Autoscaler(name, workload, *_inferred(exported, targets, ticks))


def _targets(frame: pd.DataFrame, subject: Subject, name: str) -> tuple[Target, ...]:
    if frame.empty:
        return ()
    mine = frame[namespace_mask(frame, subject) & (frame["autoscaler"] == name)]
    known = {kind.value: kind for kind in TargetKind}
    return tuple(
        Target(str(metric), known[str(kind)], float(value))
        for metric, kind, value in zip(mine["metric"], mine["kind"], mine["target"], strict=True)
        if str(kind) in known and value > 0
    )


def _ticks(
    evidence: Evidence,
    subject: Subject,
    status: pd.DataFrame,
    name: str,
    workload: str,
    targets: tuple[Target, ...],
    sync_s: float,
) -> Ticks:
    observed, ready = evidence.frames["observed"], evidence.frames["replicas"]
    observed = observed[namespace_mask(observed, subject) & (observed["autoscaler"] == name)]
    rows = []
    for target in targets:
        mine = observed.loc[observed["metric"] == target.metric, ["time", "value"]].drop_duplicates("time")
        rows.append(status[["time"]].merge(mine, on="time", how="left")["value"].to_numpy(np.float64))
    ready = ready[namespace_mask(ready, subject) & (ready["workload"] == workload)].sort_values("time")
    scrapes = (
        seconds(status["time"]),
        status["current"].to_numpy(np.float64),
        status["desired"].to_numpy(np.float64),
        np.vstack(rows) if rows else np.empty((0, len(status))),
    )
    sync_s = sync_s or sync_period(*scrapes) or DEFAULT_SYNC_S
    return sync_periods(*scrapes, seconds(ready["time"]), ready["ready"].to_numpy(np.float64), sync_s=sync_s)


def _inferred(
    exported: HpaSpec, targets: tuple[Target, ...], ticks: Ticks
) -> tuple[HpaSpec, tuple[Target, ...], Ticks, pd.DataFrame, str]:
    """Infer the scale-down window, which is exported nowhere: the one that explains most of the history."""
    recent = ticks.last(_ENOUGH)
    tried = []
    for window_s in _WINDOWS_S:
        spec = exported.with_down_window(window_s)
        history = replay(spec, targets, recent)
        tight = replay(spec, targets, recent, loose=False)
        # Of those that explain as much, the one that needs the least uncertainty of times.
        score = int(history["explained"].sum()), int(tight["explained"].sum())
        tried.append((score, window_s, spec, history))
    best, _, spec, history = max(tried, key=lambda attempt: attempt[0])
    rivals = sorted(window_s for score, window_s, *_ in tried if score == best)
    window = f"{rivals[0]:.0f} s" if len(rivals) == 1 else f"{rivals[0]:.0f} to {rivals[-1]:.0f} s"
    assumption = (
        f"Neither the scale-down window nor the sync period is exported; {window} and {ticks.sync_s:g} s explain most "
        f"of the history ({best[0]} of {len(history)} sync periods), assuming the default policies."
    )
    if len(recent) < len(ticks):
        history = replay(spec, targets, ticks)
    return spec, targets, ticks, history, assumption
