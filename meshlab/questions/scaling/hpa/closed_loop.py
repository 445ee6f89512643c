"""What another autoscaler would have done with the same traffic: the loop is closed.

Replicas change what the metric shows, so a history of the metric cannot be replayed under another policy; the traffic
can. What is in flight follows from what came in, what a copy carries and what is waiting (a fluid queue), and the
metric from what is in flight. The decisions are those of `controller.decide`.
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

from meshlab.questions.scaling.hpa.behaviour import History
from meshlab.questions.scaling.hpa.controller import decide
from meshlab.questions.scaling.hpa.spec import HpaSpec
from meshlab.questions.scaling.hpa.target import Target, TargetKind, proposals

__all__ = ["Copy", "Traffic", "fitted", "simulate", "single_target"]

Floats = NDArray[np.float64]

_PARTS: Final = 5
# Up to this share of what a copy carries, next to nothing waits.
_BELOW: Final = 0.8
# So many times what a full copy's rate explains is no noise.
_QUEUES: Final = 1.5
_AS_NEAR: Final = 1.5


@dataclass(frozen=True, slots=True)
class Copy:
    """What one copy does with requests.

    Parameters
    ----------
    service_s : float
        How long a request takes where none waits.
    carried_per_s : float
        Requests a second that it gets done at most.
    slope, base : float
        The metric of a copy is ``base + slope x`` its requests in flight, or in a second where `by_rate`.
    by_rate : bool
    noise : float
        Standard deviation of the metric about that line, as a share of it.
    """

    service_s: float
    carried_per_s: float
    slope: float = 1.0
    base: float = 0.0
    by_rate: bool = False
    noise: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """What came in.

    Attributes
    ----------
    time_s : ndarray of float64, shape (periods,)
        Unix seconds of the sync periods, evenly spaced.
    arrivals_per_s : ndarray of float64, shape (periods,)
        In the period that ends at the moment; NaN counts as the one before.
    """

    time_s: Floats
    arrivals_per_s: Floats


def simulate(
    spec: HpaSpec,
    targets: Sequence[Target],
    traffic: Traffic,
    copy: Copy,
    *,
    begin: int,
    start_s: float,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Run an autoscaler against traffic.

    Parameters
    ----------
    spec : HpaSpec
    targets : sequence of Target
        The first is the metric that `copy` tells.
    traffic : Traffic
    copy : Copy
    begin : int
        Replicas at the first period.
    start_s : float
        From a decision to a ready copy.
    rng : Generator, optional
        Draws the noise of the metric; without it there is none.

    Returns
    -------
    DataFrame
        One row a period: ``time, current, ready, seen, recommended, desired, waiting`` (requests in the queue).
    """
    times, rates = traffic.time_s, pd.Series(traffic.arrivals_per_s).ffill().bfill().fillna(0.0).to_numpy()
    sync_s = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    history, current, waiting = History(), begin, 0.0
    # When each copy is ready, the youngest last: they are the first to go.
    ready_at = [-math.inf] * begin
    rows = []
    for now, rate in zip(times, rates, strict=True):
        sums = ready_sum = 0.0
        part = sync_s / _PARTS
        for k in range(_PARTS):
            at = now - sync_s + k * part
            ready = sum(one <= at for one in ready_at)
            served = min(rate + waiting / part, ready * copy.carried_per_s)
            waiting = max(waiting + (rate - served) * part, 0.0)
            busy = served if copy.by_rate else served * copy.service_s + waiting
            if ready:
                sums += copy.base + copy.slope * busy / ready
                ready_sum += 1
        seen = sums / ready_sum if ready_sum else math.nan
        if rng is not None:
            seen *= math.exp(copy.noise * rng.standard_normal())
        ready = sum(one <= now for one in ready_at)
        asked = proposals(spec, targets[0], np.array([seen]), np.array([float(current)]), np.array([float(ready)]))[0]
        decision = decide(spec, history, current, [None if math.isnan(asked) else int(asked)], float(now))
        history = decision.history
        rows.append((now, current, ready, seen, asked, decision.replicas, waiting))
        change = decision.replicas - current
        ready_at = [*ready_at, *[now + start_s] * change] if change > 0 else ready_at[: decision.replicas]
        current = decision.replicas
    frame = pd.DataFrame(rows, columns=["time_s", "current", "ready", "seen", "recommended", "desired", "waiting"])
    stamp = (frame.pop("time_s").to_numpy() * 1000).astype("datetime64[ms]")
    frame.insert(0, "time", pd.DatetimeIndex(stamp).tz_localize("UTC"))
    return frame


def fitted(seen: Floats, rate: Floats, *, service_s: float, carried_per_s: float) -> tuple[Copy, float]:
    """Find how a metric follows from what a copy does.

    The line is drawn where nothing waits: there what is in flight is the rate times the time of one request. Whether
    the metric counts what waits as well shows where copies are full: it then rises beyond what the rate explains.

    Parameters
    ----------
    seen, rate : ndarray of float64, shape (periods,)
        The metric, and requests a second of one copy in the same periods.
    service_s, carried_per_s : float

    Returns
    -------
    copy : Copy
    explained : float
        Share of the metric's variance where nothing waits that the line explains, 0..1.
    """
    calm = np.isfinite(seen) & np.isfinite(rate) & (rate < _BELOW * carried_per_s)
    x, y = rate[calm], seen[calm]
    if len(x) < 6 or np.ptp(x) <= 0 or np.ptp(y) <= 0:
        return Copy(service_s, carried_per_s), -math.inf
    # While a queue drains the rate is low and the metric high: those periods must not turn the line (P. Sen, JASA 63,
    # 1968), nor the share that it explains.
    slope, base, *_ = theilslopes(y, x)
    rest = float(np.median(np.abs(y - base - slope * x)))
    # What an idle copy shows is nothing as a rule: the line through nothing is taken where it is about as near.
    through = float(np.median(y[x > 0] / x[x > 0]))
    straight = float(np.median(np.abs(y - through * x)))
    if straight <= _AS_NEAR * rest:
        slope, base, rest = through, 0.0, straight
    spread = float(np.median(np.abs(y - np.median(y))))
    explained = 1.0 - (rest / spread) ** 2 if spread > 0 else -math.inf
    full = base + slope * carried_per_s
    by_rate = float(np.nanmax(seen)) <= _QUEUES * full
    each = float(slope) if by_rate else float(slope) / service_s
    return Copy(service_s, carried_per_s, each, float(base), by_rate), explained


def single_target(targets: Sequence[Target]) -> bool:
    """Whether a closed loop can be run: one metric, of the copies."""
    return len(targets) == 1 and targets[0].kind in (TargetKind.AVERAGE, TargetKind.UTILISATION)
