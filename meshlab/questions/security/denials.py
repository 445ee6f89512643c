"""Who was denied: by ratio with its interval, since when, and why it changed."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2
from statsmodels.stats.proportion import proportion_confint

from meshlab.questions.security.tables import TABLES
from meshlab.questions.security.traffic import EDGE, Traffic

__all__ = ["changes", "denials", "rbac"]

_CHANCE: Final = 0.01
_LEAST_BLOCKS: Final = 4
_EDGE: Final = [*EDGE, "unit"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def denials(table: Traffic, refused: Traffic, level: float) -> pd.DataFrame:
    """Edges on which something was denied, by traffic or by the mesh's own counters: the table ``denials``.

    The interval of a share is Wilson's.
    """
    flow = pd.concat([_flow(table, "requests"), _flow(table, "connections"), _flow(refused)], ignore_index=True)
    hits = flow[flow["denied"] != ""]
    if hits.empty:
        return TABLES["denials"].empty()
    keys = [*_EDGE, "by"]
    wide = _by_time(hits.assign(by=hits["denied"]), keys)
    found = wide.index.to_frame(index=False)
    # A mesh's own counter of allowed and denied is whole by itself; all else is looked up among what was counted.
    own, other = flow["own"].astype(bool), found["by"].eq("mesh")
    sums = _by_time(flow[~own], _EDGE), _by_time(flow[own], _EDGE)
    times = wide.columns.union(sums[0].columns).union(sums[1].columns)
    place = pd.MultiIndex.from_frame(found[_EDGE])
    total, mine = (part.reindex(index=place, columns=times).to_numpy(np.float64) for part in sums)
    total = np.where(other.to_numpy()[:, None], np.fmax(total, mine), total)
    k = wide.reindex(columns=times).fillna(0.0).to_numpy(np.float64)
    there = ~np.isnan(total)
    n = np.nan_to_num(total)
    moments = np.asarray(pd.DatetimeIndex(times).tz_convert(None), "datetime64[ms]")
    at = changes(k, n, there)
    found["denied"], found["total"] = k.sum(axis=1), n.sum(axis=1)
    found["share"] = found["denied"] / found["total"]
    found["low"], found["high"] = proportion_confint(found["denied"], found["total"], 1 - level, method="wilson")
    found["first"] = _moment(moments[(k > 0).argmax(axis=1)])
    found["changed"] = _moment(np.where(at >= 0, moments[np.maximum(at, 0)], np.datetime64("NaT")))
    found["cause"] = _causes(k, n, there, at, moments.astype(np.int64), _start(table, moments))
    kept = found[~_twice(found)].sort_values(["denied", *keys], ascending=[False] + [True] * len(keys))
    return TABLES["denials"].pick(kept)


def _by_time(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return rows.groupby([*keys, "time"], sort=True)["count"].sum().unstack("time")


def _flow(table: Traffic, unit: str = "") -> pd.DataFrame:
    """Counts by edge and time of edges that were denied anything, or of all edges of a table of refusals."""
    labels = table.labels
    columns = [*_EDGE, "denied", "own", "time", "count"]
    if labels.empty:
        return pd.DataFrame(columns=columns)
    labels = labels if "own" in labels else labels.assign(own=False)
    if unit:
        labels = labels[labels["unit"] == unit]
    # Few edges are denied anything: only those are looked at.
    rows = table.samples[table.samples["sid"].isin(labels.index)]
    if unit == "requests":
        edge = pd.MultiIndex.from_frame(labels[_EDGE])
        bad = edge.isin(edge[labels["denied"] != ""])
        rows = rows[rows["sid"].isin(labels.index[bad])]
    named = labels.loc[rows["sid"], [*_EDGE, "denied", "own"]].reset_index(drop=True)
    return pd.concat([named, rows[["time", "count"]].reset_index(drop=True)], axis=1)


def _start(table: Traffic, moments: NDArray[np.datetime64]) -> int:
    first = table.samples["time"].min() if len(table.samples) else pd.NaT
    return int((moments.min() if pd.isna(first) else np.datetime64(first.tz_convert(None), "ms")).astype(np.int64))


def _moment(values: NDArray[np.datetime64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(values.astype("datetime64[ms]")).tz_localize("UTC")


def _twice(found: pd.DataFrame) -> pd.Series[bool]:
    """Rows of code 403 that the mesh's own counter of refusals tells as well."""
    key = [word for word in _EDGE if word not in ("protocol", "destination_service")]
    mesh = found[found["by"] == "mesh"].groupby(key)["denied"].sum()
    denied = mesh.reindex(pd.MultiIndex.from_frame(found[key])).to_numpy()
    double: pd.Series[bool] = found["by"].eq("policy") & (np.nan_to_num(denied) >= found["denied"])
    return double


def _causes(k: Floats, n: Floats, there: NDArray[np.bool_], at: Ints, times: Ints, start: int) -> NDArray[np.str_]:
    """Why each edge is denied as it is: a caller that came late, a cut in the share, more requests, or none of them."""
    first = times[there.argmax(axis=1)]
    last = times[there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)]
    late = first - start > 0.1 * (last - start) + 60_000
    rank, size = there.cumsum(axis=1), there.sum(axis=1)
    half = size[:, None] // 2
    before = there & (rank <= half)
    grown = (size >= 2) & ((n * (there & ~before)).sum(axis=1) > 1.5 * (n * before).sum(axis=1))
    grown &= (k * (there & ~before)).sum(axis=1) > 0
    return np.select([late, at >= 0, grown], ["new source", "new policy", "more volume"], "constant")


def changes(hits: Floats, total: Floats, there: NDArray[np.bool_]) -> Ints:
    """Where shares of hits changed: the likeliest cuts of binomial counts in two, where chance does not explain them.

    Parameters
    ----------
    hits, total : array, shape (edges, blocks)
    there : array of bool, shape (edges, blocks)
        Which blocks were counted.

    Returns
    -------
    array of int, shape (edges,)
        Index of the first counted block after the change; -1: there is none.
    """
    if hits.shape[1] < _LEAST_BLOCKS:
        return np.full(len(hits), -1)
    k, n = hits.cumsum(axis=1), total.cumsum(axis=1)
    all_k, all_n = k[:, -1:], n[:, -1:]
    gain = 2 * (_log(k, n) + _log(all_k - k, all_n - n) - _log(all_k, all_n))[:, :-1]
    # A cut lies behind a counted block, and before another one.
    size = there.sum(axis=1)
    gain = np.where(there[:, :-1] & (there.cumsum(axis=1) < size[:, None])[:, :-1], gain, -np.inf)
    best = gain.argmax(axis=1)
    # As many looks as cuts.
    limit = chi2.isf(_CHANCE / np.maximum(size - 1, 1), 1)
    sure = (gain[np.arange(len(gain)), best] > limit) & (size >= _LEAST_BLOCKS)
    after = there & (np.arange(hits.shape[1]) > best[:, None])
    return np.where(sure, after.argmax(axis=1), -1)


def _log(k: Floats, n: Floats) -> Floats:
    share = np.divide(k, n, out=np.zeros_like(n), where=n > 0)
    inside = np.clip(share, 1e-300, 1.0)
    outside = np.clip(1 - share, 1e-300, 1.0)
    return np.asarray(k * np.log(inside) + (n - k) * np.log(outside))


def rbac(frame: pd.DataFrame) -> pd.DataFrame:
    """What policies decided, and a dry run would have, by pod that decided: the table ``rbac``."""
    # A proxy without a dry run exports none of its counters: they stay NaN.
    sums = frame.groupby(["cluster", "namespace", "pod", "result"])["value"].sum().unstack("result")
    sums = sums.reindex(columns=["allowed", "denied", "shadow_allowed", "shadow_denied"])
    return TABLES["rbac"].pick(sums[sums.sum(axis=1) > 0].reset_index())
