"""The smallest stabilisation window under which the same traffic would not have been flapped at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.questions.scaling.autoscaler import Autoscaler
from meshlab.questions.scaling.capacity import Capacity, carried
from meshlab.questions.scaling.hpa import Behaviour, HpaSpec
from meshlab.questions.scaling.hpa.closed_loop import Copy, Traffic, fitted, simulate, single_target
from meshlab.questions.scaling.reversals import reversals
from meshlab.questions.scaling.samples import seconds

__all__ = ["WhatIf", "what_if"]

Floats = NDArray[np.float64]

_COLUMNS: Final = ("window_s", "reversals", "flapping", "replicas", "short")
_LONGEST_S: Final = 1800.0
_PERIODS: Final = 10
_RUNS: Final = 16
_CALM: Final = 0.125
"""Share of the runs that may flap where a window is called enough: noise alone now and then does."""
_FOLLOWS: Final = 0.7
"""Share of the metric's variance that the traffic must explain."""
_APART: Final = 0.34
_COPIES_APART: Final = 0.2
"""Shares by which reversals and copies of the simulated autoscaler may differ from what was."""


@dataclass(frozen=True, slots=True, eq=False)
class WhatIf:
    """Other windows, simulated.

    Attributes
    ----------
    table : DataFrame
        ``window_s, reversals`` (in the mean of the runs), ``flapping`` (share of the runs with one), ``replicas`` (in
        the mean), ``short`` (share of the periods with requests waiting).
    window_s : float or None
        The smallest under which next to no run flaps, whatever the phase of the sync periods and the metric's noise.
    refusal : str
        Why nothing is said; empty where it is.
    run : DataFrame
        Of `hpa.closed_loop.simulate` under that window; empty where there is none.
    reproduced : str
        What the simulation of the autoscaler in force comes to, beside what was.
    """

    table: pd.DataFrame
    window_s: float | None
    refusal: str
    reproduced: str
    run: pd.DataFrame = field(default_factory=pd.DataFrame)


def what_if(scaler: Autoscaler, one: Capacity, traffic: pd.DataFrame, *, start_s: float, soon_s: float) -> WhatIf:
    """Simulate the autoscaler in force, and then with other windows on the way down.

    Parameters
    ----------
    scaler : Autoscaler
    one : Capacity
    traffic : DataFrame
        Of `samples.arrivals`.
    start_s : float
        From a decision to a ready copy, as measured.
    soon_s : float
        How soon a scale-down must be undone to count.
    """
    refused = _refusal(scaler, one)
    if refused:
        return _nothing(refused)
    ticks = scaler.ticks
    flow = _on(ticks.time_s, ticks.sync_s, traffic)
    top = carried(one, slo=False).estimate
    assert top is not None
    known = dict(one.fit.choice.candidate("capacity").parameters) if one.fit.choice else {}
    lightly = one.fit.concurrency <= one.fit.concurrency[0] * 2
    service_s = known.get("seconds") or float(np.median((one.fit.concurrency / one.fit.throughput)[lightly]))
    ready = np.maximum(ticks.ready_before, 1.0)
    copy, share = fitted(ticks.seen[0], flow / ready, service_s=float(service_s), carried_per_s=top.value)
    if share < _FOLLOWS:
        return _nothing(f"the autoscaler's metric does not follow the traffic (explained: {max(share, 0):.0%})")
    # What is in flight, in the mean of a period, is so much a matter of chance (M/G/infinity; L. Takacs, 1962).
    flying = max(float(np.nanmedian(flow)) * copy.service_s, 0.1)
    copy = replace(copy, noise=min(float(np.sqrt(2 * copy.service_s / (flying * ticks.sync_s))), 0.5))
    begin = int(ticks.current[np.isfinite(ticks.current)][0])
    was = reversals(scaler.replayed, scaler.targets, sync_s=ticks.sync_s, soon_s=soon_s)
    copies = float(np.nanmean(ticks.current))
    same = _tried(scaler, copy, ticks.time_s, flow, begin, start_s, soon_s, scaler.spec_window_s)
    reproduced = f"{same[0]:.1f} reversals and {same[2]:.1f} copies in the mean, against {len(was)} and {copies:.1f}"
    apart = abs(same[0] - len(was)) > max(1.0, _APART * len(was)) or abs(same[2] - copies) > _COPIES_APART * copies
    if apart:
        return _nothing(f"the autoscaler in force is not reproduced: simulated it comes to {reproduced}", reproduced)
    rows = []
    for window_s in _windows(ticks.sync_s):
        rows.append((window_s, *_tried(scaler, copy, ticks.time_s, flow, begin, start_s, soon_s, window_s)))
        if window_s > scaler.spec_window_s and len(rows) > 2 and all(row[2] <= _CALM for row in rows[-3:]):
            break
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    calm = table.loc[table["flapping"] <= _CALM, "window_s"]
    if calm.empty:
        return WhatIf(table, None, "", reproduced)
    window_s = float(calm.iloc[0])
    flowing = Traffic(ticks.time_s, flow)
    run = simulate(_with(scaler, window_s), scaler.targets, flowing, copy, begin=begin, start_s=start_s)
    return WhatIf(table, window_s, "", reproduced, run)


def _with(scaler: Autoscaler, window_s: float) -> HpaSpec:
    behaviour = scaler.spec.behaviour or Behaviour()
    return replace(scaler.spec, behaviour=replace(behaviour, down=replace(behaviour.down, window_s=window_s)))


def _tried(
    scaler: Autoscaler,
    copy: Copy,
    time_s: Floats,
    flow: Floats,
    begin: int,
    start_s: float,
    soon_s: float,
    window_s: float,
) -> tuple[float, float, float, float]:
    spec = _with(scaler, window_s)
    counts, replicas, short = [], [], []
    sync_s = scaler.ticks.sync_s
    # The phase of the sync periods and the noise of the metric are luck: it must hold without.
    for seed in range(_RUNS):
        moved = np.interp(time_s + seed / _RUNS * sync_s, time_s, flow)
        rng = np.random.default_rng(seed) if seed else None
        run = simulate(spec, scaler.targets, Traffic(time_s, moved), copy, begin=begin, start_s=start_s, rng=rng)
        counts.append(len(reversals(run, scaler.targets, sync_s=sync_s, soon_s=max(soon_s, window_s))))
        replicas.append(float(run["current"].mean()))
        short.append(float((run["waiting"] > 1).mean()))
    flaps = float(np.mean(np.array(counts) > 0))
    return float(np.mean(counts)), flaps, float(np.mean(replicas)), float(np.mean(short))


def _windows(sync_s: float) -> list[float]:
    near = np.arange(0, 40) * sync_s
    far = np.array([300.0, 420.0, 600.0, 900.0, 1200.0, _LONGEST_S])
    return [float(one) for one in (*near[near < 300], *far)]


def _on(time_s: Floats, sync_s: float, traffic: pd.DataFrame) -> Floats:
    """A rate in blocks, as the mean of each sync period."""
    ends = seconds(traffic["time"])
    length = float(np.median(np.diff(ends))) if len(ends) > 1 else sync_s
    total = np.r_[0.0, np.cumsum(traffic["arrivals_per_s"].to_numpy(np.float64) * length)]
    edges = np.r_[ends[0] - length, ends]
    found = (np.interp(time_s, edges, total) - np.interp(time_s - sync_s, edges, total)) / sync_s
    inside = (time_s - sync_s >= edges[0] - length) & (time_s <= edges[-1] + length)
    return np.where(inside, found, np.nan)


def _refusal(scaler: Autoscaler, one: Capacity) -> str:
    if not single_target(scaler.targets):
        return "only one metric of the copies can be simulated"
    if carried(one, slo=False).estimate is None:
        return "what a copy carries is not known"
    if np.count_nonzero(np.isfinite(scaler.ticks.seen[0])) < _PERIODS:
        return "what the autoscaler saw of its metric is not exported"
    if len(scaler.ticks) < _PERIODS:
        return f"{len(scaler.ticks)} sync periods, {_PERIODS} are needed"
    return ""


def _nothing(refusal: str, reproduced: str = "") -> WhatIf:
    empty = pd.DataFrame(columns=list(_COLUMNS))
    return WhatIf(empty, None, refusal, reproduced)
