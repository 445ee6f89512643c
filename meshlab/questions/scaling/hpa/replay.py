"""Replay a recorded history: what the algorithm decides in each sync period, and why.

Each period is decided from the recorded history before it, not from earlier decisions of the replay: one unexplained
period does not affect those that follow, and a whole history is a handful of array operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from meshlab.core.series import utc_index
from meshlab.questions.scaling.hpa.reasons import Reason
from meshlab.questions.scaling.hpa.spec import HpaSpec, PolicyType, ScalingRules, SelectPolicy
from meshlab.questions.scaling.hpa.target import Target, proposals
from meshlab.questions.scaling.hpa.ticks import Ticks
from meshlab.questions.scaling.tables import table

__all__ = ["decide_history", "replay"]

Floats = NDArray[np.float64]
Reasons = NDArray[np.object_]

UNEXPLAINED: Final = "unexplained"
CHANGED_BY_HAND: Final = "replicas changed by something else"


def replay(spec: HpaSpec, targets: Sequence[Target], ticks: Ticks, *, loose: bool = True) -> pd.DataFrame:
    """Decide each period again.

    The ready replicas of a period are known to lie between two scrapes, and its time to within one: a period counts as
    explained when one of the possible readings gives the recorded decision.

    Parameters
    ----------
    spec : HpaSpec
    targets : sequence of Target
        In the order of the rows of ``ticks.observed``.
    ticks : Ticks
    loose : bool
        Whether the uncertainty of times extends the windows by a period.

    Returns
    -------
    DataFrame
        Table ``replayed``, one row a period of which something was scraped.
    """
    best = _read(spec, targets, ticks, ticks.ready_before, 0)
    fits = best[0] == ticks.desired
    readings = [(ticks.ready_after, 0), *([(ticks.ready_before, 1), (ticks.ready_after, 1)] if loose else [])]
    for ready, more in readings:
        if np.all(fits | ~ticks.known):
            break
        other = _read(spec, targets, ticks, ready, more)
        better = ~fits & (other[0] == ticks.desired)
        best = tuple(np.where(better, new, old) for new, old in zip(other, best, strict=True))  # type: ignore[assignment]
        fits |= better
    replayed, recommended, reasons = best
    # The last period may have been scraped before its decision was applied.
    by_hand = np.r_[False, np.abs(ticks.current[1:] - ticks.desired[:-1]) > 0] & ~fits
    cause = np.where(fits, reasons, np.where(by_hand, CHANGED_BY_HAND, UNEXPLAINED))
    columns = {
        "time": utc_index((1000 * ticks.time_s).astype(np.int64)),
        "current": ticks.current,
        "ready": ticks.ready_before,
        "observed": ticks.observed[0] if len(ticks.observed) else np.full(len(ticks), np.nan),
        "recommended": recommended,
        "replayed": replayed,
        "desired": ticks.desired,
        "explained": fits,
        "cause": cause,
    }
    return table("replayed", pd.DataFrame(columns)[ticks.known].reset_index(drop=True))


def _read(
    spec: HpaSpec, targets: Sequence[Target], ticks: Ticks, ready: Floats, more: int
) -> tuple[Floats, Floats, Reasons]:
    proposed = [
        proposals(spec, target, values, ticks.current, ready)
        for target, values in zip(targets, ticks.observed, strict=True)
    ]
    asked = np.vstack(proposed) if proposed else np.full((1, len(ticks)), np.nan)
    changes = np.nan_to_num(ticks.desired - ticks.current)
    return decide_history(spec, asked, ticks.current, changes, ticks.sync_s, more=more)


def decide_history(
    spec: HpaSpec, asked: Floats, current: Floats, changes: Floats, sync_s: float, *, more: int = 0
) -> tuple[Floats, Floats, Reasons]:
    """`controller.decide` for evenly spaced periods whose history is known.

    Parameters
    ----------
    spec : HpaSpec
    asked : ndarray of float64, shape (metrics, periods)
        What each metric asks for; NaN where it is missing.
    current, changes : ndarray of float64, shape (periods,)
        Replicas, and the change of each period.
    sync_s : float
    more : int
        Periods by which the windows reach back farther: one, where times are known to within a scrape only.

    Returns
    -------
    replicas, recommended : ndarray of float64, shape (periods,)
        Recommended is NaN where the metrics were not read or are missing.
    reasons : ndarray of object, shape (periods,)
    """
    lacking = np.isnan(asked)
    with np.errstate(invalid="ignore"):
        wanted = np.max(np.where(lacking, -np.inf, asked), axis=0)
    blind = np.all(lacking, axis=0) | (np.any(lacking, axis=0) & (wanted < current))
    outside = (current > spec.max_replicas) | (current < spec.min_replicas)
    off = (current == 0) & (spec.min_replicas > 0)
    read = ~blind & ~outside & ~off & np.isfinite(current)
    recommended = np.where(read, wanted, np.nan)
    # The controller starts with the replicas it finds in its first period.
    start = np.full(len(current), np.nan)
    start[np.flatnonzero(np.isfinite(current))[:1]] = current[np.isfinite(current)][:1]
    stable = _stabilised(spec, recommended, start, current, sync_s, more)
    replicas, held = _limited(spec, stable, current, changes, sync_s)
    reasons = np.full(len(current), Reason.AS_WANTED, dtype=object)
    reasons[stable == current] = Reason.NO_CHANGE
    reasons[(stable == wanted) & (wanted != current)] = Reason.AS_WANTED
    reasons[stable < wanted] = Reason.STABILISED_UP
    reasons[stable > wanted] = Reason.STABILISED_DOWN
    reasons = np.where(held == "", reasons, held)
    bound = np.where(current > spec.max_replicas, float(spec.max_replicas), float(spec.min_replicas))
    at_bound = np.where(current > spec.max_replicas, Reason.MAX_REPLICAS, Reason.MIN_REPLICAS)
    replicas = np.where(outside & ~off, bound, np.where(blind | off, current, replicas))
    reasons = np.where(
        outside & ~off, at_bound, np.where(off, Reason.DISABLED, np.where(blind, Reason.NO_METRIC, reasons))
    )
    return replicas, recommended, reasons


def _stabilised(spec: HpaSpec, recommended: Floats, start: Floats, current: Floats, sync_s: float, more: int) -> Floats:
    if spec.behaviour is None:
        # This older window is closed at its far end.
        width = int(np.floor(spec.down_window_s / sync_s + 1e-9)) + 1 + more
        return _highest(np.fmax(recommended, start), width)
    windows = [rules.window_s for rules in (spec.behaviour.up, spec.behaviour.down)]
    wide = [_periods(window_s, sync_s) + (more if window_s > 0 else 0) for window_s in windows]
    lows = start if windows[0] > 0 else np.full(len(start), np.nan)
    highs = start if windows[1] > 0 else np.full(len(start), np.nan)
    up = -_highest(-np.fmin(recommended, lows), wide[0])
    down = _highest(np.fmax(recommended, highs), wide[1])
    return np.minimum(np.maximum(current, up), down)


def _periods(window_s: float, sync_s: float) -> int:
    """Periods of a window that is open at its far end, this one included."""
    return max(int(np.ceil(window_s / sync_s - 1e-9)), 1)


def _highest(values: Floats, width: int) -> Floats:
    """The highest of each period and the `width` - 1 before it that are known."""
    line = np.r_[np.full(width - 1, -np.inf), np.where(np.isnan(values), -np.inf, values)]
    found = np.asarray(sliding_window_view(line, width).max(axis=1), np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def _limited(spec: HpaSpec, stable: Floats, current: Floats, changes: Floats, sync_s: float) -> tuple[Floats, Reasons]:
    no_reason = np.full(len(current), "", dtype=object)
    if spec.behaviour is None:
        return _within(spec, stable, np.full(len(current), -1.0), np.maximum(2 * current, 4.0))
    rules = spec.behaviour
    ceiling = np.maximum(current, _reach(rules.up, current, changes, sync_s, up=True))
    floor = np.minimum(current, _reach(rules.down, current, changes, sync_s, up=False))
    rising = _within(spec, stable, np.full(len(current), -1.0), ceiling)
    falling = _within(spec, stable, floor, np.full(len(current), spec.max_replicas + 1.0))
    replicas = np.where(stable > current, rising[0], np.where(stable < current, falling[0], stable))
    return replicas, np.where(stable > current, rising[1], np.where(stable < current, falling[1], no_reason))


def _within(spec: HpaSpec, desired: Floats, floor: Floats, ceiling: Floats) -> tuple[Floats, Reasons]:
    lowest, highest = np.maximum(floor, spec.min_replicas), np.minimum(ceiling, spec.max_replicas)
    below = np.where(floor > spec.min_replicas, Reason.LIMITED_DOWN, Reason.MIN_REPLICAS).astype(object)
    above = np.where(ceiling < spec.max_replicas, Reason.LIMITED_UP, Reason.MAX_REPLICAS).astype(object)
    held = np.where(desired < lowest, below, np.where(desired > highest, above, ""))
    return np.where(desired < lowest, lowest, np.where(desired > highest, highest, desired)), held.astype(object)


def _reach(rules: ScalingRules, current: Floats, changes: Floats, sync_s: float, *, up: bool) -> Floats:
    if rules.select is SelectPolicy.DISABLED:
        return current
    proposed = []
    total = np.r_[0.0, np.cumsum(changes)]
    for policy in rules.policies:
        back = _periods(policy.period_s, sync_s) - 1
        at = np.arange(len(current))
        start = current - (total[at] - total[np.maximum(at - back, 0)])
        step = float(policy.value)
        if policy.kind is PolicyType.PODS:
            proposed.append(start + step if up else start - step)
        elif up:
            proposed.append(np.ceil(start * (1 + step / 100) - 1e-9))
        else:
            proposed.append(np.trunc(start * (1 - step / 100) + 1e-9))
    # The largest change is the most replicas when scaling up, and the fewest when scaling down.
    largest = (rules.select is SelectPolicy.MAX) == up
    return np.asarray(np.max(proposed, axis=0) if largest else np.min(proposed, axis=0), np.float64)
