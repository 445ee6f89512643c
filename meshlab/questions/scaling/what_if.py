"""The smallest scale-down stabilization window under which the same traffic causes no flapping."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.questions.scaling.autoscaler import Autoscaler
from meshlab.questions.scaling.capacity import Capacity, sustainable_rate
from meshlab.questions.scaling.hpa.closed_loop import ReplicaModel, can_simulate, fit_replica, simulate
from meshlab.questions.scaling.reversals import reversals
from meshlab.questions.scaling.samples import seconds
from meshlab.questions.scaling.tables import table

__all__ = ["WhatIf", "what_if"]

Floats = NDArray[np.float64]

_LONGEST_S: Final = 1800.0
_PERIODS: Final = 10
_RUNS: Final = 16
_CALM: Final = 0.125
"""Share of the runs that may flap under a sufficient window: noise alone causes it at times."""
_FOLLOWS: Final = 0.7
"""Share of the metric's variance that the traffic must explain."""
_APART: Final = 0.34
_REPLICAS_APART: Final = 0.2
"""Shares by which reversals and replicas of the simulated autoscaler may differ from the observed ones."""


@dataclass(frozen=True, slots=True, eq=False)
class WhatIf:
    """Other windows, simulated."""

    table: pd.DataFrame = field(default_factory=lambda: table("what_if"))
    """Table ``what_if``."""
    window_s: float | None = None
    """The smallest under which almost no run flaps, whatever the phase of the sync periods and the metric's noise."""
    refusal: str = ""
    """Why nothing was simulated; empty where it was."""
    reproduced: str = ""
    """The simulation of the current settings compared with the observation, a clause."""
    run: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of `hpa.closed_loop.simulate` under that window; empty where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What all runs of one autoscaler have in common."""

    scaler: Autoscaler
    replica: ReplicaModel
    arrivals: Floats
    start_replicas: int
    start_s: float
    soon_s: float

    def run(self, window_s: float, arrivals: Floats, rng: np.random.Generator | None = None) -> pd.DataFrame:
        """Simulate with another scale-down window."""
        scaler, spec = self.scaler, self.scaler.spec.with_down_window(window_s)
        run = partial(simulate, spec, scaler.targets, scaler.ticks.time_s, arrivals, self.replica, rng=rng)
        return run(start_replicas=self.start_replicas, start_s=self.start_s)

    def tried(self, window_s: float) -> tuple[float, float, float, float, float]:
        """A row of table ``what_if``: the means of runs that differ in the phase of sync periods and in noise."""
        time_s, sync_s = self.scaler.ticks.time_s, self.scaler.ticks.sync_s
        soon_s = max(self.soon_s, window_s)
        outcomes = []
        # The phase of the sync periods and the noise of the metric are chance: the answer must not depend on them.
        for seed in range(_RUNS):
            moved = np.interp(time_s + seed / _RUNS * sync_s, time_s, self.arrivals)
            run = self.run(window_s, moved, np.random.default_rng(seed) if seed else None)
            count = len(reversals(run, self.scaler.targets, sync_s=sync_s, soon_s=soon_s))
            outcomes.append((count, count > 0, run["current"].mean(), (run["waiting"] > 1).mean()))
        mean_count, flapping, replicas, short = (float(np.mean(column)) for column in zip(*outcomes, strict=True))
        return window_s, mean_count, flapping, replicas, short


def what_if(scaler: Autoscaler, capacity: Capacity, traffic: pd.DataFrame, *, start_s: float, soon_s: float) -> WhatIf:
    """Simulate the current settings, and then other scale-down windows.

    Parameters
    ----------
    scaler : Autoscaler
    capacity : Capacity
    traffic : DataFrame
        Table ``arrivals``.
    start_s : float
        From a decision to a ready replica, as measured.
    soon_s : float
        How soon a scale-down must be reversed to count.
    """
    refusal = _refusal(scaler, capacity)
    if refusal:
        return WhatIf(refusal=refusal)
    ticks, fit = scaler.ticks, capacity.fit
    arrivals = _per_period(ticks.time_s, ticks.sync_s, traffic)
    top = sustainable_rate(capacity, slo=False).estimate
    assert top is not None
    lightly = fit.points.concurrency <= fit.points.concurrency[0] * 2
    # The candidate of the capacity model is fitted whether or not it is the chosen one.
    service_s = fit.choice.candidate("capacity").parameters["seconds"] if fit.choice else 0.0
    service_s = service_s or float(np.median((fit.points.concurrency / fit.points.throughput)[lightly]))
    replica, explained = fit_replica(
        ticks.observed[0],
        arrivals / np.maximum(ticks.ready_before, 1.0),
        service_s=float(service_s),
        carried_per_s=top.value,
    )
    if explained < _FOLLOWS:
        reason = f"the autoscaler's metric does not follow the traffic (explained: {max(explained, 0):.0%})"
        return WhatIf(refusal=reason)
    # Concurrency, averaged over a period, has so much random variation (M/G/infinity; L. Takacs, 1962).
    concurrency = max(float(np.nanmedian(arrivals)) * replica.service_s, 0.1)
    noise = min(float(np.sqrt(2 * replica.service_s / (concurrency * ticks.sync_s))), 0.5)
    start_replicas = int(ticks.current[np.isfinite(ticks.current)][0])
    scene = _Scene(scaler, replace(replica, noise=noise), arrivals, start_replicas, start_s, soon_s)
    observed = len(reversals(scaler.replayed, scaler.targets, sync_s=ticks.sync_s, soon_s=soon_s))
    replicas = float(np.nanmean(ticks.current))
    _, same, _, same_replicas, _ = scene.tried(scaler.down_window_s)
    reproduced = (
        f"{same:.1f} reversals and {same_replicas:.1f} replicas on average (observed: {observed} and {replicas:.1f})"
    )
    if abs(same - observed) > max(1.0, _APART * observed) or abs(same_replicas - replicas) > _REPLICAS_APART * replicas:
        return WhatIf(refusal=f"the current settings are not reproduced: a simulation gives {reproduced}")
    rows: list[tuple[float, ...]] = []
    for window_s in _windows(ticks.sync_s):
        rows.append(scene.tried(window_s))
        if window_s > scaler.down_window_s and len(rows) > 2 and all(row[2] <= _CALM for row in rows[-3:]):
            break
    simulated = table("what_if", rows)
    enough = simulated.loc[simulated["flapping"] <= _CALM, "window_s"]
    if enough.empty:
        return WhatIf(simulated, reproduced=reproduced)
    window_s = float(enough.iloc[0])
    return WhatIf(simulated, window_s, reproduced=reproduced, run=scene.run(window_s, arrivals))


def _windows(sync_s: float) -> list[float]:
    near = np.arange(0, 40) * sync_s
    far = np.array([300.0, 420.0, 600.0, 900.0, 1200.0, _LONGEST_S])
    return [float(window_s) for window_s in (*near[near < 300], *far)]


def _per_period(time_s: Floats, sync_s: float, traffic: pd.DataFrame) -> Floats:
    """A rate in blocks, averaged over each sync period."""
    ends = seconds(traffic["time"])
    length = float(np.median(np.diff(ends))) if len(ends) > 1 else sync_s
    total = np.r_[0.0, np.cumsum(traffic["arrivals_per_s"].to_numpy(np.float64) * length)]
    edges = np.r_[ends[0] - length, ends]
    rate = (np.interp(time_s, edges, total) - np.interp(time_s - sync_s, edges, total)) / sync_s
    inside = (time_s - sync_s >= edges[0] - length) & (time_s <= edges[-1] + length)
    return np.where(inside, rate, np.nan)


def _refusal(scaler: Autoscaler, capacity: Capacity) -> str:
    if not can_simulate(scaler.targets):
        return "only a single metric of the pods can be simulated"
    if sustainable_rate(capacity, slo=False).estimate is None:
        return "what a replica carries is unknown"
    if np.count_nonzero(np.isfinite(scaler.ticks.observed[0])) < _PERIODS:
        return "the autoscaler's metric is not exported"
    if len(scaler.ticks) < _PERIODS:
        return f"there are {len(scaler.ticks)} sync periods, {_PERIODS} are needed"
    return ""
