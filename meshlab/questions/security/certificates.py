"""When certificates end, when they were renewed, and which should have been by now."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.questions.security.policy import Policy
from meshlab.window import Window

__all__ = ["certificates", "rule", "skew", "steps", "workload_of"]

_SENTINEL: Final = 4294967295.0
_LEAST: Final = 946_684_800.0
"""2000: an end before this is no certificate's."""
_STEP_S: Final = 5.0
"""A relative series wanders by a scrape's delay; a rotation is more than that."""
_STEP_SHARE: Final = 0.05
"""And of what is left of the life: a clock that is set right is less than that."""

_PROXY: Final = ["cluster", "namespace", "pod", "instance"]
KEYS: Final = [*_PROXY, "name", "view"]


def rule(mesh: str, policy: Policy) -> float:
    """Share of its life after which a certificate should be renewed."""
    return policy.rotate_after or (0.7 if "Linkerd" in mesh and "Istio" not in mesh else 0.5)


def steps(frame: pd.DataFrame, rejections: pd.DataFrame | None = None) -> pd.DataFrame:
    """The ends of certificates as step functions: a row a certificate that was seen.

    Parameters
    ----------
    frame : DataFrame
        Of `exported.certificates`.
    rejections : DataFrame, optional
        Of `exported.rejections`.

    Returns
    -------
    DataFrame
        `KEYS`, ``workload``, ``kind`` (leaf, intermediate or root), ``time`` (first seen), ``not_after`` (unix
        seconds), ``rotation`` (whether it took the place of an earlier one) and ``refused`` (the proxy did not take
        it). Sentinels are left out.

    Notes
    -----
    Envoy's gauge shows the end of a new certificate also where its key does not fit and the old one is still served:
    the proxy's count of failed rotations, which rises in the same scrape, tells. A clock that is set right moves what
    an agent says by the same amount, so a step that is small against what is left of the life is no rotation.
    """
    real = frame[(frame["value"] < _SENTINEL) & (frame["value"] > _LEAST)]
    if real.empty:
        return pd.DataFrame(columns=[*KEYS, "workload", "kind", "time", "not_after", "rotation", "refused"])
    real = real.sort_values([*KEYS, "time"]).reset_index(drop=True)
    group = real.groupby(KEYS, sort=False)["value"]
    before = group.shift()
    first = before.isna()
    left = real["value"] - _seconds(real["time"])
    moved = first | ((real["value"] - before).abs() > np.maximum(_STEP_S, _STEP_SHARE * left))
    table = real[moved].rename(columns={"value": "not_after"})
    table["refused"] = (~first[moved]) & _refused(table, real, rejections)
    table["rotation"] = (~first[moved]) & (real["value"] > before)[moved] & ~table["refused"]
    name = table["name"].str.lower()
    root, between = name.str.contains("root|ca$"), name.str.contains("issuer|intermediate")
    table["kind"] = np.select([between, root], ["intermediate", "root"], "leaf")
    table["workload"] = workload_of(table)
    return table.reset_index(drop=True)


def workload_of(frame: pd.DataFrame) -> pd.Series[str]:
    """The workload that a pod belongs to, by the way Kubernetes names pods; a proxy without a pod is its instance."""
    names = pd.Index(frame["pod"].unique())
    bare = pd.Series(names.str.replace(r"-[a-f0-9]{6,10}-[a-z0-9]{5}$|-\d+$", "", regex=True), names)
    workload = frame["pod"].map(bare).astype(str)
    return workload.where(workload != "", frame["instance"])


def _seconds(time: pd.Series) -> pd.Series[float]:
    return time.astype("datetime64[ms, UTC]").astype("int64") / 1000


def _refused(table: pd.DataFrame, real: pd.DataFrame, rejections: pd.DataFrame | None) -> pd.Series[bool]:
    """Whether the proxy counted a failed rotation in the scrape that first showed an end."""
    if rejections is None or rejections.empty:
        return pd.Series(False, table.index)
    rows = rejections[rejections["kind"] == "key_rotation_failed"].sort_values([*_PROXY, "resource", "time"])
    rise = rows.groupby([*_PROXY, "resource"], sort=False)["value"].diff()
    # A counter that is new in the store began at nothing.
    bad = rows[(rise > 0) | (rise.isna() & (rows["value"] > 0) & (rows["time"] > real["time"].min()))]
    apart = real.groupby(KEYS, sort=False)["time"].diff().median()
    slack = pd.Timedelta(seconds=1 if pd.isna(apart) else pd.Timedelta(apart).total_seconds() / 2)
    shown = table.reset_index().sort_values("time")
    found = pd.merge_asof(
        shown[["index", "time", *_PROXY, "name"]],
        bad.assign(failed=bad["time"])
        .rename(columns={"resource": "name"})[["time", *_PROXY, "name", "failed"]]
        .sort_values("time"),
        on="time",
        by=[*_PROXY, "name"],
        direction="nearest",
        tolerance=slack,
    )
    return pd.Series(found["failed"].notna().to_numpy(), found["index"]).reindex(table.index)


def skew(found: pd.DataFrame) -> pd.DataFrame:
    """How far each pod's clock is off, where its agent tells what is left of a life and its proxy tells the end.

    Returns
    -------
    DataFrame
        ``cluster, namespace, pod`` and ``skew_s``: positive where the pod's clock is behind.
    """
    keys = ["cluster", "namespace", "pod"]
    leaf = found[(found["kind"] == "leaf") & ~found["refused"].astype(bool)]
    last = leaf.sort_values("time").groupby([*keys, "view"], sort=True).tail(1)
    agent = last[last["view"] == "agent"].groupby(keys)["not_after"].max()
    proxy = last[last["view"].isin(["served", "presented"])].groupby(keys)["not_after"].max()
    both = (agent - proxy).dropna()
    return both.rename("skew_s").reset_index()


def certificates(
    found: pd.DataFrame, window: Window, mesh: str, policy: Policy, rejections: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, float]:
    """Each identity's certificate at the window's end.

    Parameters
    ----------
    found : DataFrame
        Of `steps`.
    window : Window
        Its end is the only clock: a laptop's own is never looked at.
    mesh : str
        Its name, for its own rule.
    policy : Policy
    rejections : DataFrame, optional
        Of `exported.rejections`.

    Returns
    -------
    DataFrame
        ``cluster, namespace, pod, workload, kind, not_after, rotations, refused, last_rotation, lifetime_s, due,
        state`` (fine, overdue, expired, unknown) and ``overdue_s``. ``refused`` counts new certificates that the proxy
        did not take: the one before counts. Where views differ the one that ends first counts: a proxy may take a new
        certificate on one side only. What an agent says by its own clock counts only where no proxy tells.
    float
        The life that was found, seconds; NaN where no rotation was seen.
    """
    keys = ["cluster", "namespace", "pod", "workload", "kind"]
    columns = [*keys, "not_after", "rotations", "refused", "last_rotation", "lifetime_s", "due", "state", "overdue_s"]
    if found.empty:
        return pd.DataFrame(columns=columns), np.nan
    declined = found[found["refused"].astype(bool)]
    found = _trusted(found[~found["refused"].astype(bool)])
    end = window.end_ms / 1000
    turned = found[found["rotation"] & (found["kind"] == "leaf")]
    lives = turned["not_after"] - turned["time"].astype("datetime64[ms, UTC]").astype("int64") / 1000
    # What a scrape saw first is a little younger than it is: the longest of the usual lives is nearest.
    life = policy.lifetime_s or (float(lives.quantile(0.9)) if len(lives) else np.nan)
    last = found.sort_values("time").groupby(KEYS, sort=False).tail(1)
    table = last.groupby(keys, sort=True)["not_after"].min().to_frame()
    each = found[found["rotation"]].groupby([*keys, "name", "view"]).size().groupby(keys).max()
    table["rotations"] = each.reindex(table.index, fill_value=0).astype(np.int64)
    no = declined.groupby([*keys, "name", "view"]).size().groupby(keys).max()
    table["refused"] = no.reindex(table.index, fill_value=0).astype(np.int64)
    table["refused"] += _updates(table, rejections)
    table["last_rotation"] = found[found["rotation"]].groupby(keys)["time"].max().reindex(table.index)
    table = table.reset_index()
    table["lifetime_s"] = np.where(table["kind"] == "leaf", life, np.nan)
    share = rule(mesh, policy)
    table["due"] = table["not_after"] - (1 - share) * table["lifetime_s"]
    late = end - table["due"]
    slack = policy.slack * table["lifetime_s"]
    known = table["due"].notna()
    table["state"] = np.select(
        [table["not_after"] <= end, known & (late > slack), known], ["expired", "overdue", "fine"], "unknown"
    )
    table["overdue_s"] = late.where(late > 0, 0.0)
    # An authority is renewed by hand, years apart: no rule of the mesh speaks of it.
    table.loc[(table["kind"] != "leaf") & (table["state"] == "unknown"), "state"] = "fine"
    return table[columns], life


def _updates(table: pd.DataFrame, rejections: pd.DataFrame | None) -> NDArray[np.int64]:
    """How many updates each proxy refused outright: there the gauge stands still."""
    if rejections is None or rejections.empty:
        return np.zeros(len(table), np.int64)
    place = ["cluster", "namespace", "pod"]
    rows = rejections[rejections["kind"] == "update_rejected"].sort_values([*_PROXY, "resource", "time"])
    rise = rows.groupby([*_PROXY, "resource"], sort=False)["value"].diff().clip(lower=0)
    root = rows["resource"].str.lower().str.contains("root|ca$").map({True: "root", False: "leaf"})
    sums = rise.groupby([*(rows[name] for name in place), root.rename("kind")]).sum()
    own = pd.MultiIndex.from_frame(table.index.to_frame(index=False)[[*place, "kind"]])
    return np.asarray(sums.reindex(own, fill_value=0), np.int64)


def _trusted(found: pd.DataFrame) -> pd.DataFrame:
    """Without what an agent tells of a leaf of which a proxy tells as well: its clock may be off."""
    place = ["cluster", "namespace", "pod"]
    leaf = found["kind"] == "leaf"
    told = pd.MultiIndex.from_frame(found.loc[leaf & found["view"].isin(["served", "presented"]), place])
    twice = leaf & (found["view"] == "agent") & pd.MultiIndex.from_frame(found[place]).isin(told)
    return found[~twice]
