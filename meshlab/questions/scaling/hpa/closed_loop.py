"""What another autoscaler would have done with the same traffic: a closed-loop simulation.

Replicas change the metric, so a history of the metric cannot be replayed under another policy; the traffic can.
Concurrency follows from arrivals, what a replica carries and what is queued (a fluid queue), and the metric from
concurrency. The decisions are those of `controller.decide`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import theilslopes

from meshlab.core.series import utc_index
from meshlab.questions.scaling.hpa.behaviour import History
from meshlab.questions.scaling.hpa.controller import decide
from meshlab.questions.scaling.hpa.spec import HpaSpec
from meshlab.questions.scaling.hpa.target import Target, TargetKind, proposals

__all__ = ["ReplicaModel", "can_simulate", "fit_replica", "simulate"]

Floats = NDArray[np.float64]

_PARTS: Final = 5
# Up to this share of what a replica carries, almost nothing queues.
_BELOW: Final = 0.8
# A metric this many times what a full replica's rate explains counts the queue as well.
_QUEUES: Final = 1.5
_AS_CLOSE: Final = 1.5


@dataclass(frozen=True, slots=True)
class ReplicaModel:
    """How one replica serves requests."""

    service_s: float
    """Duration of a request without queueing."""
    carried_per_s: float
    """Requests a second that it serves at most."""
    slope: float = 1.0
    base: float = 0.0
    """Its metric is ``base + slope x`` its concurrency, or its requests a second where `by_rate`."""
    by_rate: bool = False
    noise: float = 0.0
    """Standard deviation of the metric about that line, as a share of it."""


def simulate(
    spec: HpaSpec,
    targets: Sequence[Target],
    time_s: Floats,
    arrivals_per_s: Floats,
    replica: ReplicaModel,
    *,
    start_replicas: int,
    start_s: float,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Run an autoscaler against traffic.

    Parameters
    ----------
    spec : HpaSpec
    targets : sequence of Target
        The first is the metric that `replica` models.
    time_s : ndarray of float64, shape (periods,)
        Unix seconds of the sync periods, evenly spaced.
    arrivals_per_s : ndarray of float64, shape (periods,)
        In the period that ends at the time; NaN counts as the one before.
    replica : ReplicaModel
    start_replicas : int
        In the first period.
    start_s : float
        From a decision to a ready replica.
    rng : Generator, optional
        Draws the noise of the metric; without it there is none.

    Returns
    -------
    DataFrame
        One row a period: ``time, current, ready, observed, recommended, desired, waiting`` (requests in the queue).
    """
    rates = pd.Series(arrivals_per_s).ffill().bfill().fillna(0.0).to_numpy()
    sync_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1.0
    history, current, waiting = History(), start_replicas, 0.0
    # When each replica is ready, the youngest last: those are removed first.
    ready_at = [-math.inf] * start_replicas
    rows = []
    for now, rate in zip(time_s, rates, strict=True):
        sums = ready_sum = 0.0
        part = sync_s / _PARTS
        for k in range(_PARTS):
            at = now - sync_s + k * part
            ready = sum(moment <= at for moment in ready_at)
            served = min(rate + waiting / part, ready * replica.carried_per_s)
            waiting = max(waiting + (rate - served) * part, 0.0)
            busy = served if replica.by_rate else served * replica.service_s + waiting
            if ready:
                sums += replica.base + replica.slope * busy / ready
                ready_sum += 1
        observed = sums / ready_sum if ready_sum else math.nan
        if rng is not None:
            observed *= math.exp(replica.noise * rng.standard_normal())
        ready = sum(moment <= now for moment in ready_at)
        one_period = (np.array([value], np.float64) for value in (observed, current, ready))
        asked = float(proposals(spec, targets[0], *one_period)[0])
        decision = decide(spec, history, current, [None if math.isnan(asked) else int(asked)], float(now))
        history = decision.history
        rows.append((current, ready, observed, asked, decision.replicas, waiting))
        change = decision.replicas - current
        ready_at = [*ready_at, *[now + start_s] * change] if change > 0 else ready_at[: decision.replicas]
        current = decision.replicas
    frame = pd.DataFrame(rows, columns=["current", "ready", "observed", "recommended", "desired", "waiting"])
    frame.insert(0, "time", utc_index((1000 * time_s).astype(np.int64)))
    return frame


def fit_replica(
    observed: Floats, rate: Floats, *, service_s: float, carried_per_s: float
) -> tuple[ReplicaModel, float]:
    """Fit how a metric follows from the load of a replica.

    The line is fitted where nothing queues: there concurrency is the rate times the duration of a request. Whether the
    metric counts queued requests as well shows where replicas are full: it then exceeds what the rate explains.

    Parameters
    ----------
    observed, rate : ndarray of float64, shape (periods,)
        The metric, and requests a second of one replica in the same periods.
    service_s, carried_per_s : float

    Returns
    -------
    replica : ReplicaModel
    explained : float
        Share of the metric's variance without queueing that the line explains, 0..1.
    """
    unqueued = np.isfinite(observed) & np.isfinite(rate) & (rate < _BELOW * carried_per_s)
    x, y = rate[unqueued], observed[unqueued]
    if len(x) < 6 or np.ptp(x) <= 0 or np.ptp(y) <= 0:
        return ReplicaModel(service_s, carried_per_s), -math.inf
    # While a queue drains the rate is low and the metric high: those periods must change neither the line (P. Sen,
    # JASA 63, 1968) nor the share that it explains.
    slope, base, *_ = theilslopes(y, x)
    residual = float(np.median(np.abs(y - base - slope * x)))
    # The metric of an idle replica is usually 0: the line through the origin is taken where it is about as close.
    through = float(np.median(y[x > 0] / x[x > 0]))
    straight = float(np.median(np.abs(y - through * x)))
    if straight <= _AS_CLOSE * residual:
        slope, base, residual = through, 0.0, straight
    spread = float(np.median(np.abs(y - np.median(y))))
    explained = 1.0 - (residual / spread) ** 2 if spread > 0 else -math.inf
    full = base + slope * carried_per_s
    by_rate = float(np.nanmax(observed)) <= _QUEUES * full
    each = float(slope) if by_rate else float(slope) / service_s
    return ReplicaModel(service_s, carried_per_s, each, float(base), by_rate), explained


def can_simulate(targets: Sequence[Target]) -> bool:
    """Whether the loop can be simulated: there is one metric, and it is of the pods."""
    return len(targets) == 1 and targets[0].kind in (TargetKind.AVERAGE, TargetKind.UTILISATION)
