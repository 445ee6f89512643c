"""Which traffic was encrypted: four states an edge, shares that never round up, and when plaintext was seen."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from meshlab.questions.security.tables import TABLES
from meshlab.questions.security.traffic import EDGE, Traffic

__all__ = ["edges", "percent", "protocols", "shares", "timeline"]

STATES: Final = ("mtls", "plaintext", "unverified")


def edges(table: Traffic, recent: pd.Timestamp) -> pd.DataFrame:
    """How much of each edge was in which state, and when plaintext was seen: the table ``edges``.

    Plaintext after `recent` still goes on.
    """
    mesh, keys = table.labels[~table.labels["exposed"]], [*EDGE, "unit"]
    grouped = mesh.groupby([*keys, "state"], sort=True)["count"].sum().unstack("state", fill_value=0)
    sums = grouped.reindex(columns=list(STATES), fill_value=0).astype(np.float64)
    plain = mesh[mesh["state"] == "plaintext"].groupby(keys, sort=True).agg({"first": "min", "last": "max"})
    sums["first_plaintext"] = plain["first"].reindex(sums.index)
    sums["last_plaintext"] = plain["last"].reindex(sums.index)
    sums["last_seen"] = mesh.groupby(keys, sort=True)["last"].max().reindex(sums.index)
    some, none = sums["mtls"] > 0, sums["plaintext"] == 0
    sums["state"] = np.select(
        [~none & some, ~none, none & (sums["unverified"] > 0)], ["mixed", "plaintext", "unverified"], "mtls"
    )
    sums["now"] = (sums["last_plaintext"] > recent).fillna(False).astype(bool)
    return TABLES["edges"].pick(sums.reset_index())


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """How much is encrypted, by request, edge, workload and namespace: the table ``shares``.

    Requests and connections are never in one share.
    """
    rows = []
    for unit, own in found.groupby("unit", sort=True):
        rows.append((unit, unit, own["mtls"].sum(), own["plaintext"].sum(), own["unverified"].sum()))
        groups = {
            "edges": [*EDGE],
            "workloads": ["destination_workload", "destination_namespace", "destination_cluster"],
            "namespaces": ["destination_namespace"],
        }
        for by, keys in groups.items():
            sums = own.groupby(keys)[list(STATES)].sum()
            plain = sums["plaintext"] > 0
            unknown = ~plain & (sums["unverified"] > 0)
            rows.append((unit, by, int((~plain & ~unknown).sum()), int(plain.sum()), int(unknown.sum())))
    return TABLES["shares"].of([(*row, _share(row[2], row[3])) for row in rows])


def protocols(found: pd.DataFrame) -> pd.DataFrame:
    """The same by protocol: the table ``protocols``."""
    groups = found.groupby(["unit", "protocol"], sort=True)
    table = groups[list(STATES)].sum()
    table.insert(0, "edges", groups.size())
    table["share"] = list(map(_share, table["mtls"], table["plaintext"]))
    return TABLES["protocols"].pick(table.reset_index())


def timeline(table: Traffic) -> pd.DataFrame:
    """Counts by edge, state and time, for the figure: the table ``timeline``."""
    inside = ~table.labels["exposed"]
    if not inside.any():
        return TABLES["timeline"].empty()
    groups = table.labels[inside].groupby([*EDGE, "unit", "state"], sort=True)
    place = pd.Series(-1, table.labels.index).mask(inside, groups.ngroup())
    flow = table.samples.assign(group=place.to_numpy()[table.samples["sid"].to_numpy()])
    sums = flow[flow["group"] >= 0].groupby(["group", "time"], sort=True)["count"].sum().reset_index()
    names = groups.size().index.to_frame(index=False)
    return pd.concat([names.iloc[sums["group"]].reset_index(drop=True), sums[["time", "count"]]], axis=1)


def _share(encrypted: float, plaintext: float) -> float:
    known = float(encrypted) + float(plaintext)
    return float(encrypted) / known if known > 0 else np.nan


def percent(encrypted: float, plaintext: float) -> str:
    """A share as text that is never rounded up: 100 % only where plaintext is exactly nothing."""
    total = encrypted + plaintext
    if not total > 0:
        return "not measured"
    if plaintext == 0:
        return "100 %"
    for digits in (1, 2, 3, 4, 5, 6):
        cut = np.floor(100 * encrypted / total * 10**digits) / 10**digits
        if cut + 10.0**-digits < 100 or digits == 6:
            break
    return f"{min(cut, 100 - 10.0**-digits):.{digits}f} %"
