"""Scale-downs that were soon reversed, and what would have prevented each."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from meshlab.questions.scaling.hpa import Target, TargetKind
from meshlab.questions.scaling.samples import seconds
from meshlab.questions.scaling.tables import table

__all__ = ["churn", "reversals"]


def reversals(replayed: pd.DataFrame, targets: tuple[Target, ...], *, sync_s: float, soon_s: float) -> pd.DataFrame:
    """Find scale-downs that a scale-up reversed soon.

    A scale-up that a scale-down follows is how load ends; the other way round it is work for nothing, and requests
    queued meanwhile.

    Parameters
    ----------
    replayed : DataFrame
        Of `hpa.replay`.
    targets : tuple of Target
        The first is that of ``observed``.
    sync_s, soon_s : float
        The sync period, and how soon counts.

    Returns
    -------
    DataFrame
        Table ``reversals``, one row a reversal. ``window_s`` would have held the replicas until they were wanted again;
        NaN where they were never wanted in the history.
    """
    if replayed.empty:
        return table("reversals")
    time = seconds(replayed["time"])
    current, desired = (replayed[name].to_numpy(np.float64) for name in ("current", "desired"))
    recommended, observed = (replayed[name].to_numpy(np.float64) for name in ("recommended", "observed"))
    step = np.sign(desired - current)
    rows = []
    moves = np.flatnonzero(step)
    for down, up in pairwise(moves):
        if step[down] >= 0 or step[up] <= 0:
            continue
        # Several steps down in a row are one scale-down.
        first = down
        for before in moves[moves < down][::-1]:
            if step[before] > 0 or time[down] - time[before] > soon_s:
                break
            first = before
        if time[up] - time[down] > soon_s:
            continue
        wanted = np.flatnonzero(recommended[: up + 1] >= current[first])
        earlier, later = wanted[wanted < first + 1], wanted[wanted > first]
        bridged_s = time[later[0] if len(later) else up] - (time[earlier[-1]] if len(earlier) else np.nan)
        window_s = round(bridged_s / sync_s) * sync_s if len(earlier) else np.nan
        between = observed[first:up]
        tolerance = np.nan
        if targets and targets[0].kind in (TargetKind.AVERAGE, TargetKind.UTILISATION) and np.any(np.isfinite(between)):
            tolerance = 1.0 - float(np.nanmin(between)) / targets[0].value
        rows.append(
            (
                replayed["time"].iloc[first],
                replayed["time"].iloc[up],
                current[first],
                float(desired[first:up].min()),
                window_s,
                tolerance if 0 < tolerance < 1 else np.nan,
            )
        )
    return table("reversals", rows)


def churn(replayed: pd.DataFrame) -> tuple[float, float]:
    """Pod starts and stops together, and the net change."""
    change = (replayed["desired"] - replayed["current"]).to_numpy(np.float64)
    return float(np.abs(change).sum()), float(change.sum())
