"""What each edge comes to over the window: one row an edge."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.counts import Counts
from meshlab.questions.retries.cells import Floats, ratio
from meshlab.questions.retries.counted import Counted
from meshlab.telemetry.dialects.proxies import COUNTERS

__all__ = ["counter_sums", "edge_table"]


def counter_sums(proxies: Counts, totals: Floats, edge: NDArray[np.intp], count: int) -> pd.DataFrame:
    """Totals of each proxy counter by edge; NaN where it is not exported."""
    sums = {}
    for name in COUNTERS:
        rows = (proxies.labels["metric"] == name).to_numpy(np.bool_) & (edge >= 0)
        column = np.full(count, np.nan)
        column[edge[rows]] = 0.0
        np.add.at(column, edge[rows], totals[rows])
        sums[name] = column
    return pd.DataFrame(sums)


def edge_table(names: pd.DataFrame, counts: Counted, sums: pd.DataFrame) -> pd.DataFrame:
    """Requests, attempts, and what became of them; NaN for what is not exported.

    Parameters
    ----------
    names : DataFrame
        One row an edge.
    counts : Counted
    sums : DataFrame
        Of `counter_sums`.
    """
    whole = {str(name): values.to_numpy(np.float64) for name, values in counts.totals.items()}
    requests, attempts, refused = whole["requests"], whole["attempts"], whole["refused"]
    retries = attempts - requests
    own, known, at_destination = counts.basis == "proxies", counts.basis != "", counts.at_destination
    saved = np.where(own, sums["retry_success"], np.nan)
    # A refused retry is counted by itself; what else bears the flag UO was refused before it was sent.
    blocked = sums[["pending_overflow", "active_overflow"]].max(axis=1).to_numpy(np.float64)
    flagged = np.where(at_destination, whole["overflow"] - refused, np.nan)
    exported = ("retry_limit_exceeded", "per_try_timeout", "timeout", "connect_fail", "ejections")
    return names.assign(
        basis=counts.basis,
        requests=np.where(known, requests, np.nan),
        attempts=np.where(known, attempts, np.nan),
        amplification=np.where(known, ratio(attempts, requests), np.nan),
        retries_per_request=np.where(known, ratio(retries, requests), np.nan),
        retries_per_attempt=np.where(known, ratio(retries, attempts), np.nan),
        saved=saved,
        wasted=np.where(own, 1 - ratio(saved, np.where(retries > 0, retries, np.nan)), np.nan),
        breaker_rejected=np.where(np.isfinite(blocked), blocked, np.where(at_destination, refused, np.nan)),
        retries_refused=np.where(own, sums["retry_overflow"], flagged),
        **{name: sums[name] for name in exported},
        never_arrived=whole["never"],
        injected=whole["injected"],
        unexplained=np.where(at_destination, whole["unexplained"], np.nan),
        success_rate=ratio(whole["offered_good"], whole["offered"]),
        stuck_counters=counts.stuck_counters,
        only_destination=~counts.at_source & at_destination,
        consistency=np.where(
            at_destination & counts.at_source, ratio(whole["arrived_good"], whole["offered_good"]), np.nan
        ),
    )
