"""Supply of copies against what the traffic needed, and what other ways to supply them would have come to."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject
from meshlab.questions.scaling.autoscaler import Autoscaler
from meshlab.questions.scaling.capacity import Capacity, carried
from meshlab.questions.scaling.elasticity import demand, elasticity
from meshlab.questions.scaling.lags import start_s
from meshlab.questions.scaling.samples import block_s, place_mask, seconds
from meshlab.questions.scaling.settings import Policy
from meshlab.questions.scaling.what_if import WhatIf

__all__ = ["Provisioning", "provisioning"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Provisioning:
    """Supply and demand.

    Attributes
    ----------
    moments : DataFrame
        ``time, arrivals_per_s, needed, needed_low, needed_high, ready`` (replicas).
    metrics : DataFrame
        The metrics of `elasticity`, one row a way: ``as it was`` and the baselines.
    short, short_low, short_high : float
        Share of the time with fewer ready replicas than were needed, at what a copy carries and at its interval's ends.
    refusal : str
        Why there is none of this; empty where there is.
    per_copy : float
        Requests a second that a copy carries.
    """

    moments: pd.DataFrame
    metrics: pd.DataFrame
    short: float = np.nan
    short_low: float = np.nan
    short_high: float = np.nan
    refusal: str = ""
    per_copy: float = np.nan


def provisioning(
    evidence: Evidence,
    subject: Subject,
    main: Capacity | None,
    flow: pd.DataFrame,
    scaler: Autoscaler | None,
    chain: pd.DataFrame,
    other: WhatIf,
    policy: Policy,
) -> Provisioning:
    """Compare ready replicas with what the traffic needed, block by block.

    Demand is what came in over what one copy carries at its knee, or up to the objective where there is one. Baselines:
    as many as the peak needed, all the time; as many as were enough for 95 % of it; and a perfect autoscaler that is
    only late by what a pod takes to start.
    """
    nothing = pd.DataFrame(columns=["time", "arrivals_per_s", "needed", "needed_low", "needed_high", "ready"])
    none = pd.DataFrame(columns=["way", "accuracy_under", "accuracy_over", "time_under", "time_over", "replicas"])
    if main is None or flow.empty:
        return Provisioning(nothing, none, refusal="no requests were measured")
    load = carried(main, slo=bool(policy.slo_ms))
    if load.estimate is None or load.estimate.value <= 0:
        reason = load.refusal.sentence if load.refusal else "nothing is known of what a copy carries"
        return Provisioning(nothing, none, refusal=reason)
    ready = _ready(evidence, subject, flow, scaler)
    if not np.any(np.isfinite(ready)):
        return Provisioning(nothing, none, refusal="the ready replicas are not exported")
    rate = flow["arrivals_per_s"].to_numpy(np.float64)
    needed, fewer, more = (
        demand(rate, max(one, 1e-9)) for one in (load.estimate.value, load.estimate.high, load.estimate.low)
    )
    moments = pd.DataFrame(
        {
            "time": flow["time"],
            "arrivals_per_s": rate,
            "needed": needed,
            "needed_low": fewer,
            "needed_high": more,
            "ready": ready,
        }
    )
    late = round((start_s(chain) or 0.0) / block_s(evidence))
    ways = {
        "as it was": ready,
        "the peak's replicas, always": np.full(len(needed), needed.max()),
        "enough for 95 % of the time": np.full(len(needed), np.ceil(np.quantile(needed, 0.95))),
        f"perfect, {late * block_s(evidence):.0f} s late": np.r_[np.full(late, needed[0]), needed][: len(needed)],
    }
    if len(other.run):
        place = np.searchsorted(seconds(other.run["time"]), seconds(flow["time"]), side="right") - 1
        simulated = other.run["ready"].to_numpy(np.float64)[np.maximum(place, 0)]
        ways[f"the autoscaler with a window of {other.window_s:.0f} s, simulated"] = simulated
    metrics = pd.DataFrame([{"way": way, **asdict(elasticity(needed, supply))} for way, supply in ways.items()])

    def short(wanted: Floats) -> float:
        known = np.isfinite(ready)
        return float(np.mean(wanted[known] > ready[known]))

    return Provisioning(moments, metrics, short(needed), short(fewer), short(more), "", load.estimate.value)


def _ready(evidence: Evidence, subject: Subject, flow: pd.DataFrame, scaler: Autoscaler | None) -> Floats:
    """Ready replicas at the end of each block; NaN where they were not scraped."""
    frame = evidence.frames["replicas"]
    workloads = {scaler.workload} if scaler else set(_workloads(evidence, subject))
    frame = frame[place_mask(frame, subject) & frame["workload"].isin(workloads)] if len(frame) else frame
    if frame.empty:
        return np.full(len(flow), np.nan)
    total = frame.groupby("time")["ready"].sum()
    at = seconds(total.index.to_series())
    ends = seconds(flow["time"])
    place = np.searchsorted(at, ends, side="right") - 1
    stale = (place < 0) | (ends - at[np.maximum(place, 0)] > 5 * block_s(evidence))
    return np.where(stale, np.nan, total.to_numpy(np.float64)[np.maximum(place, 0)])


def _workloads(evidence: Evidence, subject: Subject) -> list[str]:
    counts = evidence.frames["counts"]
    return sorted(set(counts.loc[subject.mask(counts), "destination_workload"]) - {""})
