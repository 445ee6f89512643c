"""Who was denied: by ratio with its interval, since when, and why it changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2
from statsmodels.stats.proportion import proportion_confint

from meshlab.questions.security.encryption import EDGE

__all__ = ["change", "denials", "rbac"]

_CHANCE = 0.01


def denials(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """Edges on which something was denied.

    Parameters
    ----------
    table : DataFrame
        Of `encryption.traffic`.
    level : float
        Of the interval (Wilson's).

    Returns
    -------
    DataFrame
        `EDGE`, ``by`` (policy, or ext_authz where Envoy's flag is UAEX), ``denied``, ``total``, ``share``, ``low``,
        ``high``, ``first``, ``changed`` (NaT: it never changed) and ``cause`` (new source, new policy, more volume,
        constant).
    """
    columns = [*EDGE, "by", "denied", "total", "share", "low", "high", "first", "changed", "cause"]
    own = table[table["unit"] == "requests"]
    external = own["flags"].astype(str).str.split(",").map(lambda flags: "UAEX" in flags).astype(bool)
    no = (own["code"] == "403") | external
    if not no.any():
        return pd.DataFrame(columns=columns)
    whole = own.groupby([*EDGE, "time"])["count"].sum()
    denied = own[no].assign(by=np.where(external[no], "ext_authz", "policy"))
    start = own["time"].min()
    rows = []
    # Few edges are denied anything: only those are looked at one by one.
    for key, mine in denied.groupby([*EDGE, "by"], sort=True):
        edge: Any = key[:-1]
        total = whole.loc[edge]
        hits = mine.groupby("time")["count"].sum().reindex(total.index, fill_value=0)
        k, n = float(hits.sum()), float(total.sum())
        low, high = proportion_confint(k, n, 1 - level, method="wilson")
        at = change(hits.to_numpy(np.float64), total.to_numpy(np.float64))
        when = total.index[at] if at is not None else pd.NaT
        first = hits.index[hits > 0][0]
        rows.append((*key, k, n, k / n, low, high, first, when, _cause(hits, total, at, start)))
    return pd.DataFrame(rows, columns=columns).sort_values("denied", ascending=False).reset_index(drop=True)


def _cause(hits: pd.Series[float], total: pd.Series[float], at: int | None, start: pd.Timestamp) -> str:
    late = total.index[0] - start > (total.index[-1] - start) * 0.1 + pd.Timedelta(seconds=60)
    if late:
        return "new source"
    if at is not None:
        return "new policy"
    half = len(total) // 2
    if half and total.iloc[half:].sum() > 1.5 * total.iloc[:half].sum() and hits.iloc[half:].sum() > 0:
        return "more volume"
    return "constant"


def change(hits: np.ndarray, total: np.ndarray) -> int | None:
    """Where the share of hits changed: the likeliest cut of binomial counts in two, where chance does not explain it.

    Returns
    -------
    int or None
        Index of the first block after the change.
    """
    if len(hits) < 4:
        return None
    k, n = np.cumsum(hits)[:-1], np.cumsum(total)[:-1]
    gain = 2 * (_log(k, n) + _log(hits.sum() - k, total.sum() - n) - _log(hits.sum(), total.sum()))
    best = int(np.argmax(gain))
    # As many looks as cuts.
    return best + 1 if gain[best] > chi2.isf(_CHANCE / len(gain), 1) else None


def _log(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    share = np.divide(k, n, out=np.zeros_like(np.asarray(n, np.float64)), where=np.asarray(n) > 0)
    inside = np.clip(share, 1e-300, 1.0)
    outside = np.clip(1 - share, 1e-300, 1.0)
    return np.asarray(k * np.log(inside) + (n - k) * np.log(outside))


def rbac(frame: pd.DataFrame) -> pd.DataFrame:
    """Decisions of the policies by pod: allowed, denied, and what a dry run would have decided.

    Returns
    -------
    DataFrame
        ``cluster, namespace, pod`` and ``allowed, denied, shadow_allowed, shadow_denied`` (NaN where
        not exported); only pods that decided.
    """
    names = ["allowed", "denied", "shadow_allowed", "shadow_denied"]
    keys = ["cluster", "namespace", "pod"]
    if frame.empty:
        return pd.DataFrame(columns=[*keys, *names])
    # A proxy without a dry run exports none of its counters: they stay NaN.
    sums = frame.groupby([*keys, "result"])["value"].sum().unstack("result").reindex(columns=names)
    return sums[sums.sum(axis=1) > 0].reset_index()
