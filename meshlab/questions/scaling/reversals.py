"""Scale-downs that were undone soon, and what would have prevented each."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from meshlab.questions.scaling.hpa import Target, TargetKind
from meshlab.questions.scaling.samples import seconds

__all__ = ["churn", "reversals"]

_COLUMNS: Final = ("down", "up", "replicas", "replicas_down", "window_s", "tolerance")


def reversals(replayed: pd.DataFrame, targets: tuple[Target, ...], *, sync_s: float, soon_s: float) -> pd.DataFrame:
    """Find scale-downs that a scale-up undid within a span of time.

    An up that a down follows is how load ends; a down that an up follows soon is work for nothing, and requests that
    waited meanwhile.

    Parameters
    ----------
    replayed : DataFrame
        Of `hpa.replay`.
    targets : tuple of Target
        The first is that of ``seen``.
    sync_s, soon_s : float

    Returns
    -------
    DataFrame
        One row a reversal: ``down, up`` (times), ``replicas`` (before), ``replicas_down`` (the lowest between),
        ``window_s`` (the smallest stabilisation window that would have held the replicas until they were wanted again;
        NaN: none, they were never wanted in the history) and ``tolerance`` (the smallest that would have).
    """
    if replayed.empty:
        return pd.DataFrame(columns=list(_COLUMNS))
    time = seconds(replayed["time"])
    current, desired = (replayed[name].to_numpy(np.float64) for name in ("current", "desired"))
    recommended, seen = (replayed[name].to_numpy(np.float64) for name in ("recommended", "seen"))
    step = np.sign(desired - current)
    rows = []
    moves = np.flatnonzero(step)
    for one, after in pairwise(moves):
        if step[one] >= 0 or step[after] <= 0:
            continue
        # Several steps down in a row are one way down.
        first = one
        for before in moves[moves < one][::-1]:
            if step[before] > 0 or time[one] - time[before] > soon_s:
                break
            first = before
        if time[after] - time[one] > soon_s:
            continue
        wanted = np.flatnonzero(recommended[: after + 1] >= current[first])
        held = wanted[wanted < first + 1]
        until = wanted[wanted > first]
        back = until[0] if len(until) else after
        window = (round((time[back] - time[held[-1]]) / sync_s)) * sync_s if len(held) else np.nan
        between = seen[first:after]
        tolerance = np.nan
        if targets and targets[0].kind in (TargetKind.AVERAGE, TargetKind.UTILISATION) and np.any(np.isfinite(between)):
            tolerance = 1.0 - float(np.nanmin(between)) / targets[0].value
        rows.append(
            (
                replayed["time"].iloc[first],
                replayed["time"].iloc[after],
                current[first],
                float(desired[first:after].min()),
                window,
                tolerance if 0 < tolerance < 1 else np.nan,
            )
        )
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def churn(replayed: pd.DataFrame) -> tuple[float, float]:
    """Replicas started and stopped together, and what came of it in the end."""
    change = (replayed["desired"] - replayed["current"]).to_numpy(np.float64)
    return float(np.abs(change).sum()), float(change.sum())
