"""When certificates end, when they were renewed, and which should have been by now."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.window import Window
from meshlab.questions.security.certificate_steps import KEYS, POD, rises
from meshlab.questions.security.settings import SecuritySettings
from meshlab.questions.security.tables import TABLES

__all__ = ["certificates"]

_WORST: Final = ("expired", "overdue", "unknown", "fine")


def certificates(
    found: pd.DataFrame,
    window: Window,
    renew_after: float,
    settings: SecuritySettings,
    rejections: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, float]:
    """Each identity's certificate at the window's end, the worst first: the table ``certificates``.

    Where views differ the one that ends first counts: a proxy may take a new certificate on one side only. What an
    agent says by its own clock counts only where no proxy tells.

    The window's end is the only clock: a laptop's own is never looked at. With it comes the life that was found,
    seconds, NaN where no rotation was seen. `renew_after` is the mesh's rule where the settings have none.
    """
    keys = [*POD, "workload", "kind"]
    declined = found[found["refused"]]
    found = _trusted(found[~found["refused"]])
    end = window.end_ms / 1000
    turned = found[found["rotation"] & (found["kind"] == "leaf")]
    lives = turned["not_after"] - turned["time"].astype("datetime64[ms, UTC]").astype("int64") / 1000
    # What a scrape saw first is a little younger than it is: the longest of the usual lives is nearest.
    life = settings.lifetime_s or (float(lives.quantile(0.9)) if len(lives) else np.nan)
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
    share = settings.rotate_after or renew_after
    table["due"] = table["not_after"] - (1 - share) * table["lifetime_s"]
    late = end - table["due"]
    slack = settings.slack * table["lifetime_s"]
    known = table["due"].notna()
    table["state"] = np.select(
        [table["not_after"] <= end, known & (late > slack), known], ["expired", "overdue", "fine"], "unknown"
    )
    table["overdue_s"] = late.where(late > 0, 0.0)
    # An authority is renewed by hand, years apart: no rule of the mesh speaks of it.
    table.loc[(table["kind"] != "leaf") & (table["state"] == "unknown"), "state"] = "fine"
    for column, seconds in (("renew_by", "due"), ("ends", "not_after")):
        table[column] = pd.to_datetime(table[seconds].round(), unit="s", utc=True)
    # What has to be looked at stands first.
    table = table.sort_values("state", key=lambda states: states.map(_WORST.index), kind="stable")
    return TABLES["certificates"].pick(table), life


def _updates(table: pd.DataFrame, rejections: pd.DataFrame | None) -> NDArray[np.int64]:
    """How many updates each proxy refused outright: there the gauge stands still."""
    if rejections is None or rejections.empty:
        return np.zeros(len(table), np.int64)
    rows = rises(rejections, "update_rejected")
    root = rows["resource"].str.lower().str.contains("root|ca$").map({True: "root", False: "leaf"})
    sums = rows["rise"].clip(lower=0).groupby([*(rows[name] for name in POD), root.rename("kind")]).sum()
    own = pd.MultiIndex.from_frame(table.index.to_frame(index=False)[[*POD, "kind"]])
    return np.asarray(sums.reindex(own, fill_value=0), np.int64)


def _trusted(found: pd.DataFrame) -> pd.DataFrame:
    """Without what an agent tells of a leaf of which a proxy tells as well: its clock may be off."""
    leaf = found["kind"] == "leaf"
    by_proxy = pd.MultiIndex.from_frame(found.loc[leaf & found["view"].isin(["served", "presented"]), POD])
    twice = leaf & (found["view"] == "agent") & pd.MultiIndex.from_frame(found[POD]).isin(by_proxy)
    return found[~twice]
