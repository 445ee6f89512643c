"""Ends of certificates as step functions: when a certificate was new, refused, or only looked new to a wrong clock."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from meshlab.questions.security.tables import TABLES

__all__ = ["KEYS", "POD", "PROXY", "rises", "skew", "steps", "workload_of"]

_SENTINEL: Final = 4294967295.0
_LEAST: Final = 946_684_800.0
"""2000: an end before this is no certificate's."""
_STEP_S: Final = 5.0
"""A relative series wanders by a scrape's delay; a rotation is more than that."""
_STEP_SHARE: Final = 0.05
"""And of what is left of the life: a clock that is set right is less than that."""

POD: Final = ["cluster", "namespace", "pod"]
PROXY: Final = [*POD, "instance"]
KEYS: Final = [*PROXY, "name", "view"]


def steps(frame: pd.DataFrame, rejections: pd.DataFrame | None = None) -> pd.DataFrame:
    """The ends of certificates as step functions: the table ``rotations``, without sentinels.

    Notes
    -----
    Envoy's gauge shows the end of a new certificate also where its key does not fit and the old one is still served:
    the proxy's count of failed rotations, which rises in the same scrape, tells. A clock that is set right moves what
    an agent says by the same amount, so a step that is small against what is left of the life is no rotation.
    """
    real = frame[(frame["value"] < _SENTINEL) & (frame["value"] > _LEAST)]
    if real.empty:
        return TABLES["rotations"].empty()
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
    return TABLES["rotations"].pick(table)


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
    rows = rises(rejections, "key_rotation_failed")
    rise = rows["rise"]
    # A counter that is new in the store began at nothing.
    bad = rows[(rise > 0) | (rise.isna() & (rows["value"] > 0) & (rows["time"] > real["time"].min()))]
    apart = real.groupby(KEYS, sort=False)["time"].diff().median()
    slack = pd.Timedelta(seconds=1 if pd.isna(apart) else pd.Timedelta(apart).total_seconds() / 2)
    shown = table.reset_index().sort_values("time")
    found = pd.merge_asof(
        shown[["index", "time", *PROXY, "name"]],
        bad.assign(failed=bad["time"])
        .rename(columns={"resource": "name"})[["time", *PROXY, "name", "failed"]]
        .sort_values("time"),
        on="time",
        by=[*PROXY, "name"],
        direction="nearest",
        tolerance=slack,
    )
    return pd.Series(found["failed"].notna().to_numpy(), found["index"]).reindex(table.index)


def rises(rejections: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Counters of a kind of refusal in the order of time, with the ``rise`` of each since the scrape before."""
    rows = rejections[rejections["kind"] == kind].sort_values([*PROXY, "resource", "time"])
    return rows.assign(rise=rows.groupby([*PROXY, "resource"], sort=False)["value"].diff())


def skew(found: pd.DataFrame) -> pd.DataFrame:
    """How far each pod's clock is off: the table ``clocks``.

    It shows where its agent tells what is left of a life and its proxy tells the end.
    """
    leaf = found[(found["kind"] == "leaf") & ~found["refused"]]
    last = leaf.sort_values("time").groupby([*POD, "view"], sort=True).tail(1)
    agent = last[last["view"] == "agent"].groupby(POD)["not_after"].max()
    proxy = last[last["view"].isin(["served", "presented"])].groupby(POD)["not_after"].max()
    return TABLES["clocks"].pick((agent - proxy).dropna().rename("skew_s").reset_index())
