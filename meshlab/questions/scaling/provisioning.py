"""Ready replicas against what the traffic needed, and how other strategies would have done."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject
from meshlab.questions.scaling.autoscaler import Autoscaler
from meshlab.questions.scaling.capacity import Capacity, sustainable_rate
from meshlab.questions.scaling.elasticity import demand, elasticity
from meshlab.questions.scaling.lags import start_s
from meshlab.questions.scaling.samples import block_s, namespace_mask, seconds
from meshlab.questions.scaling.settings import ScalingSettings
from meshlab.questions.scaling.tables import table
from meshlab.questions.scaling.what_if import WhatIf

__all__ = ["Provisioning", "provisioning"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Provisioning:
    """Supply and demand."""

    moments: pd.DataFrame = field(default_factory=lambda: table("supply"))
    """Table ``supply``."""
    metrics: pd.DataFrame = field(default_factory=lambda: table("elasticity"))
    """Table ``elasticity``: the first row is ``as observed``."""
    short: float = np.nan
    short_low: float = np.nan
    short_high: float = np.nan
    """Share of the time with fewer ready replicas than needed, at what a replica carries and at its interval's ends."""
    refusal: str = ""
    """Why there is none of this; empty where there is."""
    replica_per_s: float = np.nan
    """Requests a second that a replica carries."""


def provisioning(
    evidence: Evidence,
    subject: Subject,
    main: Capacity | None,
    flow: pd.DataFrame,
    scaler: Autoscaler | None,
    chain: pd.DataFrame,
    other: WhatIf,
    settings: ScalingSettings,
) -> Provisioning:
    """Compare ready replicas with what the traffic needed, block by block.

    Demand is arrivals over what one replica carries at its knee, or up to the objective where there is one. Baselines:
    as many as the peak needed, all the time; as many as were enough for 95 % of it; and a perfect autoscaler that is
    only late by what a pod takes to start.
    """
    if main is None or flow.empty:
        return Provisioning(refusal="no requests were measured")
    load = sustainable_rate(main, slo=bool(settings.slo_ms))
    if load.estimate is None or load.estimate.value <= 0:
        reason = load.refusal.sentence if load.refusal else "what a replica carries is unknown"
        return Provisioning(refusal=reason)
    ready = _ready(evidence, subject, flow, scaler)
    if not np.any(np.isfinite(ready)):
        return Provisioning(refusal="the ready replicas are not exported")
    rate = flow["arrivals_per_s"].to_numpy(np.float64)
    needed, fewer, more = (
        demand(rate, max(per_s, 1e-9)) for per_s in (load.estimate.value, load.estimate.high, load.estimate.low)
    )
    columns = {"needed": needed, "needed_low": fewer, "needed_high": more, "ready": ready}
    late = round((start_s(chain) or 0.0) / block_s(evidence))
    delayed = np.r_[np.full(late, needed[0]), needed][: len(needed)]
    strategies = {
        "as observed": ready,
        "the peak's replicas, all the time": np.full(len(needed), needed.max()),
        "enough for 95 % of the time": np.full(len(needed), np.ceil(np.quantile(needed, 0.95))),
        f"perfect autoscaler, {late * block_s(evidence):.0f} s late": delayed,
    }
    if len(other.run):
        place = np.searchsorted(seconds(other.run["time"]), seconds(flow["time"]), side="right") - 1
        simulated = other.run["ready"].to_numpy(np.float64)[np.maximum(place, 0)]
        strategies[f"the autoscaler with a window of {other.window_s:.0f} s, simulated"] = simulated
    metrics = pd.DataFrame([{"strategy": name, **elasticity(needed, supply)} for name, supply in strategies.items()])

    def short(wanted: Floats) -> float:
        known = np.isfinite(ready)
        return float(np.mean(wanted[known] > ready[known]))

    return Provisioning(
        moments=table("supply", flow.assign(**columns)),
        metrics=table("elasticity", metrics),
        short=short(needed),
        short_low=short(fewer),
        short_high=short(more),
        replica_per_s=load.estimate.value,
    )


def _ready(evidence: Evidence, subject: Subject, flow: pd.DataFrame, scaler: Autoscaler | None) -> Floats:
    """Ready replicas at the end of each block; NaN where they were not scraped."""
    frame = evidence.frames["replicas"]
    counts = evidence.frames["destination"]
    own = set(counts.loc[subject.mask(counts), "destination_workload"]) - {""}
    workloads = {scaler.workload} if scaler else own
    frame = frame[namespace_mask(frame, subject) & frame["workload"].isin(workloads)] if len(frame) else frame
    if frame.empty:
        return np.full(len(flow), np.nan)
    total = frame.groupby("time")["ready"].sum()
    at = seconds(total.index.to_series())
    ends = seconds(flow["time"])
    place = np.searchsorted(at, ends, side="right") - 1
    stale = (place < 0) | (ends - at[np.maximum(place, 0)] > 5 * block_s(evidence))
    return np.where(stale, np.nan, total.to_numpy(np.float64)[np.maximum(place, 0)])
