"""Which traffic was encrypted: four states an edge, shares that never round up, and when plain text was seen."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import pandas as pd

from meshlab.evidence import Evidence
from meshlab.questions.security.evidence import WORDS
from meshlab.questions.security.policy import Policy

__all__ = ["EDGE", "NOBODY", "PEERS", "edges", "is_door", "percent", "shares", "timeline", "traffic"]

PEERS: Final = ["source", "source_namespace", "destination_workload", "destination_service", "destination_namespace"]
EDGE: Final = [*PEERS, "destination_cluster", "protocol"]
"""The columns that tell one edge from another; an edge of bytes is never added to one of requests."""

STATES: Final = ("mtls", "plaintext", "unverified")

_MUTUAL: Final = frozenset({"mutual_tls", "true"})
_PLAIN: Final = frozenset({"none", "no_identity", "disabled", "false", "no_tls"})
NOBODY: Final = frozenset({"", "unknown", "-"})


def traffic(evidence: Evidence, policy: Policy) -> pd.DataFrame:
    """All requests and connections, each told once by the reporter that knows, with how it was protected.

    Returns
    -------
    DataFrame
        The words of the requests, ``unit`` (requests or connections), ``time``, ``count``, ``state`` (mtls, plaintext,
        unverified) and ``exposed`` (from outside the mesh into an ingress: not an edge of the mesh).
    """
    seen, sent = evidence.frames["seen"], evidence.frames["sent"]
    key = ["source", "source_namespace", "destination_service", "destination_namespace"]
    known = pd.MultiIndex.from_frame(seen[key].drop_duplicates())
    # The caller's proxy never knows how the called one saw it: it speaks only where nobody else does.
    alone = sent[~pd.MultiIndex.from_frame(sent[key]).isin(known)] if len(sent) else sent
    frames = [f.assign(unit="requests", verified=v) for f, v in ((seen, True), (alone, False)) if len(f)]
    tcp = evidence.frames["connections"]
    if len(tcp):
        blocks = evidence.window.start_ms + (tcp["block"].to_numpy(np.int64) + 1) * int(str(evidence.chosen))
        tcp = tcp.assign(
            time=pd.DatetimeIndex(blocks.astype("datetime64[ms]")).tz_localize("UTC"),
            count=tcp["value"],
            unit="connections",
            protocol="tcp",
            verified=True,
            destination_host="",
            destination_principal="",
            code="",
            grpc_status="",
            flags="",
            # The node proxy has no word for plain text: what it calls unknown on the called side is plain.
            tls=tcp["tls"].where(~((tcp["app"] == "ztunnel") & tcp["tls"].isin(NOBODY)), "none"),
        )
        names = ["source", "source_namespace", "source_principal", "destination_workload", "destination_service"]
        tcp[names] = tcp[names].replace("unknown", "")
        frames.append(tcp.drop(columns=["value", "app"]))
    if not frames:
        return pd.DataFrame(columns=[*WORDS, "unit", "time", "count", "state", "exposed"])
    table = pd.concat(frames, ignore_index=True)
    table = table[table["count"] > 0].reset_index(drop=True)
    # Linkerd calls a connection without the client's certificate TLS as well: it is not mutual.
    nameless = (table["tls"] == "true") & table["source_principal"].isin(NOBODY)
    mutual = table["verified"] & table["tls"].isin(_MUTUAL) & ~nameless
    plain = table["verified"] & table["tls"].isin(_PLAIN)
    table["state"] = np.select([mutual, plain], ["mtls", "plaintext"], "unverified")
    doors = {name: is_door(name, policy) for name in table["destination_workload"].unique()}
    outside = table["source"].isin(NOBODY) & table["source_principal"].isin(NOBODY)
    table["exposed"] = outside & table["destination_workload"].map(doors).astype(bool) & (table["state"] != "mtls")
    return table


def is_door(name: str, policy: Policy) -> bool:
    """Whether a workload takes traffic from outside the mesh."""
    return any(fnmatchcase(name, pattern.strip()) for pattern in policy.ingresses.split(",") if pattern.strip())


def edges(table: pd.DataFrame, recent: pd.Timestamp) -> pd.DataFrame:
    """One row an edge: how much was in which state, when plain text was first and last seen, and whether it goes on.

    Parameters
    ----------
    table : DataFrame
        Of `traffic`.
    recent : Timestamp
        Plain text after this still goes on.

    Returns
    -------
    DataFrame
        `EDGE`, ``unit``, ``mtls``, ``plaintext``, ``unverified``, ``state`` (mtls, plaintext, mixed, unverified),
        ``first_plaintext``, ``last_plaintext``, ``last_seen``, ``now`` (whether plain text goes on).
    """
    mesh = table[~table["exposed"].astype(bool)]
    keys = [*EDGE, "unit"]
    if mesh.empty:
        dates = ("first_plaintext", "last_plaintext", "last_seen")
        nothing = pd.DataFrame(columns=[*keys, *STATES, *dates, "state", "now"])
        moments = dict.fromkeys(dates, "datetime64[ms, UTC]")
        return nothing.astype({**dict.fromkeys(STATES, np.float64), **moments, "now": bool})
    grouped = mesh.groupby([*keys, "state"], sort=True)["count"].sum().unstack("state", fill_value=0)
    sums = grouped.reindex(columns=list(STATES), fill_value=0).astype(np.float64)
    plain = mesh[mesh["state"] == "plaintext"].groupby(keys, sort=True)["time"].agg(["min", "max"])
    sums["first_plaintext"] = plain["min"].reindex(sums.index)
    sums["last_plaintext"] = plain["max"].reindex(sums.index)
    sums["last_seen"] = mesh.groupby(keys, sort=True)["time"].max().reindex(sums.index)
    some, none = sums["mtls"] > 0, sums["plaintext"] == 0
    sums["state"] = np.select(
        [~none & some, ~none, none & (sums["unverified"] > 0)], ["mixed", "plaintext", "unverified"], "mtls"
    )
    sums["now"] = (sums["last_plaintext"] > recent).fillna(False).astype(bool)
    return sums.reset_index()


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """How much is encrypted, by request, edge, workload and namespace; requests and connections never in one share.

    Returns
    -------
    DataFrame
        ``unit``, ``by``, ``encrypted``, ``plaintext``, ``unverified`` (counts) and ``share`` (of what is known; NaN
        where nothing is).
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
    table = pd.DataFrame(rows, columns=["unit", "by", "encrypted", "plaintext", "unverified"])
    known = (table["encrypted"] + table["plaintext"]).astype(np.float64)
    table["share"] = table["encrypted"] / known.where(known > 0)
    return table


def timeline(table: pd.DataFrame) -> pd.DataFrame:
    """Counts by edge, state and time, for the figure."""
    mesh = table[~table["exposed"].astype(bool)]
    return mesh.groupby([*EDGE, "unit", "state", "time"], sort=True)["count"].sum().reset_index()


def percent(encrypted: float, plaintext: float) -> str:
    """A share as text that is never rounded up: 100 % only where plain text is exactly nothing."""
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
