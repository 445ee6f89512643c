"""When certificates end, when they were renewed, and which should have been by now."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from meshlab.questions.security.policy import Policy
from meshlab.window import Window

__all__ = ["certificates", "rule", "steps"]

_SENTINEL: Final = 4294967295.0
_LEAST: Final = 946_684_800.0
"""2000: an end before this is no certificate's."""
_STEP_S: Final = 5.0
"""A relative series wanders by a scrape's delay; a rotation is more than that."""

KEYS: Final = ["cluster", "namespace", "pod", "instance", "name", "view"]


def rule(mesh: str, policy: Policy) -> float:
    """Share of its life after which a certificate should be renewed."""
    return policy.rotate_after or (0.7 if "Linkerd" in mesh and "Istio" not in mesh else 0.5)


def steps(frame: pd.DataFrame) -> pd.DataFrame:
    """The ends of certificates as step functions: a row a certificate that was seen.

    Returns
    -------
    DataFrame
        `KEYS`, ``workload``, ``kind`` (leaf or authority), ``time`` (first seen), ``not_after`` (unix seconds) and
        ``rotation`` (whether it took the place of an earlier one). Sentinels are left out.
    """
    real = frame[(frame["value"] < _SENTINEL) & (frame["value"] > _LEAST)]
    if real.empty:
        return pd.DataFrame(columns=[*KEYS, "workload", "kind", "time", "not_after", "rotation"])
    real = real.sort_values([*KEYS, "time"]).reset_index(drop=True)
    group = real.groupby(KEYS, sort=False)["value"]
    before = group.shift()
    first = before.isna()
    moved = first | ((real["value"] - before).abs() > _STEP_S)
    table = real[moved].rename(columns={"value": "not_after"})
    table["rotation"] = (~first[moved]) & (real["value"] > before)[moved]
    authority = table["name"].str.lower().str.contains("root|ca$|issuer|intermediate")
    table["kind"] = np.where(authority, "authority", "leaf")
    bare = table["pod"].str.replace(r"-[a-f0-9]{6,10}-[a-z0-9]{5}$|-\d+$", "", regex=True)
    table["workload"] = bare.where(bare != "", table["instance"])
    return table.reset_index(drop=True)


def certificates(found: pd.DataFrame, window: Window, mesh: str, policy: Policy) -> tuple[pd.DataFrame, float]:
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

    Returns
    -------
    DataFrame
        ``cluster, namespace, pod, workload, kind, not_after, rotations, last_rotation, lifetime_s, due, state``
        (fine, overdue, expired, unknown) and ``overdue_s``. Where views differ the one that ends first counts: a proxy
        may refuse a new certificate on one side and serve the old one.
    float
        The life that was found, seconds; NaN where no rotation was seen.
    """
    keys = ["cluster", "namespace", "pod", "workload", "kind"]
    columns = [*keys, "not_after", "rotations", "last_rotation", "lifetime_s", "due", "state", "overdue_s"]
    if found.empty:
        return pd.DataFrame(columns=columns), np.nan
    end = window.end_ms / 1000
    turned = found[found["rotation"] & (found["kind"] == "leaf")]
    lives = turned["not_after"] - turned["time"].astype("datetime64[ms, UTC]").astype("int64") / 1000
    # What a scrape saw first is a little younger than it is: the longest of the usual lives is nearest.
    life = policy.lifetime_s or (float(lives.quantile(0.9)) if len(lives) else np.nan)
    last = found.sort_values("time").groupby(KEYS, sort=False).tail(1)
    table = last.groupby(keys, sort=True)["not_after"].min().to_frame()
    each = found[found["rotation"]].groupby([*keys, "name", "view"]).size().groupby(keys).max()
    table["rotations"] = each.reindex(table.index, fill_value=0).astype(np.int64)
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
    table.loc[(table["kind"] == "authority") & (table["state"] == "unknown"), "state"] = "fine"
    return table[columns], life
