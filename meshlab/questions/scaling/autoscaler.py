"""The autoscaler of a subject: what it was told, and its history decided anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject
from meshlab.questions.scaling.hpa import Behaviour, HpaSpec, Manifest, Target, TargetKind, Ticks, replay
from meshlab.questions.scaling.hpa import ticks as periods
from meshlab.questions.scaling.samples import place_mask, seconds
from meshlab.questions.scaling.settings import Policy

__all__ = ["Autoscaler", "autoscaler"]

# Kubernetes' own default first: it stays where others explain no more.
_WINDOWS_S: Final = (300.0, 0.0, 15.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 420.0, 600.0, 900.0, 1800.0)
# So many sync periods tell the behaviour; it may have been another before.
_ENOUGH: Final = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Autoscaler:
    """One autoscaler.

    Attributes
    ----------
    name, workload : str
    spec : HpaSpec
    targets : tuple of Target
    ticks : Ticks
    replayed : DataFrame
        Of `hpa.replay`.
    assumed : str
        What was not exported and is assumed, one sentence; empty where the YAML says all.
    """

    name: str
    workload: str
    spec: HpaSpec
    targets: tuple[Target, ...]
    ticks: Ticks
    replayed: pd.DataFrame
    assumed: str

    @property
    def spec_window_s(self) -> float:
        """The stabilisation window on the way down."""
        return self.spec.behaviour.down.window_s if self.spec.behaviour else self.spec.down_window_s

    @property
    def explained(self) -> float:
        """Share of the sync periods that the algorithm explains; NaN where none was seen."""
        return float(self.replayed["explained"].mean()) if len(self.replayed) else float("nan")


def autoscaler(evidence: Evidence, subject: Subject, workloads: list[str], policy: Policy) -> Autoscaler | None:
    """Find the autoscaler of a subject's workloads (the one with the most decisions) and replay it.

    Returns
    -------
    Autoscaler or None
        None where there is none in the telemetry.

    Raises
    ------
    ParameterError
        The YAML that the policy names cannot be understood.
    """
    told = evidence.frames["told"]
    told = told[place_mask(told, subject) & told["workload"].isin(workloads)] if len(told) else told
    decided = evidence.frames["decided"]
    if told.empty or decided.empty:
        return None
    decided = decided[place_mask(decided, subject)]
    name = max(told["autoscaler"], key=lambda one: int(np.sum(decided["autoscaler"] == one)))
    decided = decided[decided["autoscaler"] == name].sort_values("time")
    if decided.empty:
        return None
    row = told[told["autoscaler"] == name].iloc[0]
    manifest = Manifest.read(policy.hpa_file) if policy.hpa_file else None
    targets = manifest.targets if manifest else _targets(evidence.frames["targets"], subject, name)
    ticks = _ticks(evidence, subject, decided, name, str(row["workload"]), targets, policy)
    if manifest is not None:
        history = replay(manifest.spec, targets, ticks)
        return Autoscaler(name, str(row["workload"]), manifest.spec, targets, ticks, history, "")
    plain = HpaSpec(int(row["least"]), int(row["most"]))
    spec, history, assumed = _inferred(plain, targets, ticks)
    return Autoscaler(name, str(row["workload"]), spec, targets, ticks, history, assumed)


def _targets(frame: pd.DataFrame, subject: Subject, name: str) -> tuple[Target, ...]:
    if frame.empty:
        return ()
    mine = frame[place_mask(frame, subject) & (frame["autoscaler"] == name)]
    known = {kind.value: kind for kind in TargetKind}
    return tuple(
        Target(str(metric), known[str(kind)], float(value))
        for metric, kind, value in zip(mine["metric"], mine["kind"], mine["target"], strict=True)
        if str(kind) in known and value > 0
    )


def _ticks(
    evidence: Evidence,
    subject: Subject,
    decided: pd.DataFrame,
    name: str,
    workload: str,
    targets: tuple[Target, ...],
    policy: Policy,
) -> Ticks:
    seen, ready = evidence.frames["seen"], evidence.frames["replicas"]
    rows = []
    for target in targets:
        mine = seen[place_mask(seen, subject) & (seen["autoscaler"] == name) & (seen["metric"] == target.metric)]
        joined = decided[["time"]].merge(mine[["time", "value"]].drop_duplicates("time"), on="time", how="left")
        rows.append(joined["value"].to_numpy(np.float64))
    ready = ready[place_mask(ready, subject) & (ready["workload"] == workload)].sort_values("time")
    status = (
        seconds(decided["time"]),
        decided["current"].to_numpy(np.float64),
        decided["desired"].to_numpy(np.float64),
        np.vstack(rows) if rows else np.empty((0, len(decided))),
    )
    sync_s = policy.sync_s or periods.period(*status) or periods.USUAL_S
    return periods.found(*status, seconds(ready["time"]), ready["ready"].to_numpy(np.float64), sync_s=sync_s)


def _inferred(plain: HpaSpec, targets: tuple[Target, ...], ticks: Ticks) -> tuple[HpaSpec, pd.DataFrame, str]:
    """The window on the way down that explains the history best: it is exported nowhere."""
    usual = Behaviour()
    whole, ticks = ticks, ticks.last(_ENOUGH)
    tried = []
    for window_s in _WINDOWS_S:
        spec = replace(plain, behaviour=replace(usual, down=replace(usual.down, window_s=window_s)))
        history = replay(spec, targets, ticks)
        tight = replay(spec, targets, ticks, loose=False)
        tried.append((int(history["explained"].sum()), spec, history, window_s, int(tight["explained"].sum())))
    # Of those that explain as much, the one that needs the fewest doubts about moments.
    best = max(tried, key=lambda one: (one[0], one[4]))
    total = len(best[2])
    rivals = sorted(window for found, _, _, window, tight in tried if (found, tight) == (best[0], best[4]))
    said = f"{best[3]:.0f} s" if len(rivals) == 1 else f"{rivals[0]:.0f} to {rivals[-1]:.0f} s"
    assumed = (
        f"neither the window on the way down nor the sync period is exported; {said} and {ticks.sync_s:g} s explain "
        f"most of the history ({best[0]} of {total} sync periods), with the default policies"
    )
    return best[1], best[2] if len(whole) == len(ticks) else replay(best[1], targets, whole), assumed
