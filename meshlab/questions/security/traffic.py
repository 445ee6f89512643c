"""All that went over the mesh, each counted once, by the reporter that knows, and how it was protected."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.evidence import Evidence
from meshlab.questions.security.least_privilege.observed import is_denied
from meshlab.questions.security.needs import COLUMNS, WORDS

__all__ = ["EDGE", "NOBODY", "Traffic", "is_ingress", "refusals", "traffic"]

_PEERS: Final = ["source", "source_namespace", "destination_workload", "destination_service", "destination_namespace"]
EDGE: Final = [*_PEERS, "destination_cluster", "protocol"]
"""The columns that tell one edge from another; an edge of bytes is never added to one of requests."""

NOBODY: Final = frozenset({"", "unknown", "-"})

_MUTUAL: Final = frozenset({"mutual_tls", "true"})
_PLAIN: Final = frozenset({"none", "no_identity", "disabled", "false", "no_tls"})
_TARGET: Final = ["destination_service", "destination_namespace"]


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """Requests and connections.

    Parameters
    ----------
    labels : DataFrame
        One row a combination of `WORDS`, ``unit`` (requests, connections or bytes), ``state`` (mtls, plaintext or
        unverified), ``exposed`` (from outside the mesh into an ingress: not an edge of the mesh) and ``denied`` (empty,
        ``policy`` or ``ext_authz``), with ``count``, ``first`` and ``last``.
    samples : DataFrame
        ``sid`` (row of `labels`), ``time`` (end of a block) and ``count``.
    """

    labels: pd.DataFrame
    samples: pd.DataFrame


def traffic(evidence: Evidence, ingresses: str) -> Traffic:
    """All requests and connections, each counted once by the reporter that knows, with how it was protected.

    Notes
    -----
    Bytes of TCP speak only for edges and states of which no connection was opened in the window: those that live long.
    """
    destination, source = (_nonzero(evidence.counts[name]) for name in ("destination", "source"))
    opened, carried = (_connections(evidence, name) for name in ("connections", "bytes"))
    parts = [
        (destination, "requests", "destination"),
        (_source_only(destination, source), "requests", "source"),
        (opened, "connections", "destination"),
        (_unopened(opened, carried), "bytes", "destination"),
    ]
    tables, samples, start = [], [], 0
    for part, unit, side in parts:
        if len(part):
            tables.append(_protected(_totals(part), side).assign(unit=unit))
            samples.append(_samples(part).assign(sid=part.sid + start))
            start += len(part)
    if not tables:
        nothing = pd.DataFrame(columns=[*WORDS, "count", "first", "last", "state", "unit", "exposed", "denied"])
        return Traffic(nothing.astype({"exposed": bool}), pd.DataFrame(columns=["sid", "time", "count"]))
    labels = _sourced(_with_services(pd.concat(tables, ignore_index=True)))
    entries = {name: is_ingress(name, ingresses) for name in labels["destination_workload"].unique()}
    outside = labels["source"].isin(NOBODY) & labels["source_principal"].isin(NOBODY)
    entry = labels["destination_workload"].map(entries).astype(bool)
    labels["exposed"] = outside & entry & (labels["state"] != "mtls")
    external = labels["flags"].str.split(",").map(lambda flags: "UAEX" in flags).astype(bool)
    labels["denied"] = np.select([external, is_denied(labels)], ["ext_authz", "policy"], "")
    return Traffic(labels, pd.concat(samples, ignore_index=True))


def refusals(evidence: Evidence) -> Traffic:
    """What the mesh's own counters say that its policies allowed and denied.

    Returns
    -------
    Traffic
        ``denied`` is ``mesh`` or empty; all of it is ``own``: from counters of its own, beside the traffic.
    """
    counts = _connections(evidence, "refused", ("unit", "denied"))
    if counts.empty:
        return Traffic(pd.DataFrame(), pd.DataFrame(columns=["sid", "time", "count"]))
    labels = _sourced(_totals(counts))
    labels["denied"] = labels["denied"].eq("True").map({True: "mesh", False: ""}).astype(str)
    labels["own"] = True
    return Traffic(labels, _samples(counts))


def is_ingress(name: str, ingresses: str) -> bool:
    """Whether a workload takes traffic from outside the mesh."""
    return any(fnmatchcase(name, pattern.strip()) for pattern in ingresses.split(",") if pattern.strip())


def _nonzero(counts: Counts) -> Counts:
    return counts.cells_where(counts.value > 0)


def _totals(counts: Counts) -> pd.DataFrame:
    return counts.totals().rename(columns={counts.quantity: "count"}).astype({"count": np.float64})


def _samples(counts: Counts) -> pd.DataFrame:
    time, count = counts.grid.ends_of(counts.block), counts.value.astype(np.float64)
    return pd.DataFrame({"sid": counts.sid, "time": time, "count": count}, copy=False)


def _source_only(destination: Counts, source: Counts) -> Counts:
    """What only the source's proxy reports: it never knows how the destination saw it, and else keeps silent."""
    key = ["source", "source_namespace", *_TARGET]
    known = pd.MultiIndex.from_frame(source.labels[key]).isin(pd.MultiIndex.from_frame(destination.labels[key]))
    # Linkerd's destinations know sources by their identity alone, so these cannot be matched by their names.
    nameless = destination.labels["source"].isin(NOBODY) & ~destination.labels["source_principal"].isin(NOBODY)
    whole = pd.MultiIndex.from_frame(destination.labels.loc[nameless, _TARGET])
    known |= pd.MultiIndex.from_frame(source.labels[_TARGET]).isin(whole)
    return source.select(~known)


def _connections(evidence: Evidence, name: str, more: tuple[str, ...] = ()) -> Counts:
    counts = _nonzero(evidence.counts[name])
    labels = counts.labels.reindex(columns=[*WORDS, "proxy", *more], fill_value="")
    labels = labels.assign(code="", grpc_status="", protocol=counts.labels.get("protocol", "tcp"))
    names = [word for word in COLUMNS if word.startswith(("source", "destination"))]
    labels[names] = labels[names].replace("unknown", "")
    # The node proxy has no word for plaintext: what it calls unknown at the destination is plaintext.
    node = (labels["proxy"] == "node") & labels["tls"].isin(NOBODY)
    labels["tls"] = labels["tls"].mask(node, "none")
    return counts.relabelled(labels)


def _unopened(opened: Counts, carried: Counts) -> Counts:
    key = [*_PEERS, "destination_cluster", "tls"]
    known = pd.MultiIndex.from_frame(opened.labels[key])
    return carried.select(~pd.MultiIndex.from_frame(carried.labels[key]).isin(known))


def _protected(labels: pd.DataFrame, side: str) -> pd.DataFrame:
    """How each was protected, as far as who reports it can know."""
    # Linkerd calls a connection without the client's certificate TLS as well: it is not mutual. Its callers know their
    # own certificate, and name the server's.
    other = "source_principal" if side == "destination" else "destination_principal"
    nameless = (labels["tls"] == "true") & labels[other].isin(NOBODY)
    mutual = labels["tls"].isin(_MUTUAL) & ~nameless
    plain = labels["tls"].isin(_PLAIN)
    table = labels.drop(columns="proxy", errors="ignore")
    return table.assign(state=np.select([mutual, plain], ["mtls", "plaintext"], "unverified"))


def _with_services(labels: pd.DataFrame) -> pd.DataFrame:
    """The service of a connection, where requests name it for the same workload."""
    key = ["destination_namespace", "destination_workload"]
    named = labels[(labels["destination_service"] != "") & (labels["unit"] == "requests")]
    once = named.drop_duplicates(key).set_index(key)["destination_service"]
    bare = (labels["destination_service"] == "") & (labels["unit"] != "requests")
    if bare.any() and len(once):
        found = once.reindex(pd.MultiIndex.from_frame(labels.loc[bare, key])).fillna("")
        labels.loc[bare, "destination_service"] = found.to_numpy()
    return labels


def _sourced(labels: pd.DataFrame) -> pd.DataFrame:
    """Callers that are known by their identity alone are called after their service account."""
    bare = labels["source"].isin(NOBODY) & ~labels["source_principal"].isin(NOBODY)
    if not bare.any():
        return labels
    text = labels.loc[bare, "source_principal"]
    spiffe = text.str.extract(r"/ns/(?P<namespace>[^/]*)/sa/(?P<account>.*)$")
    dns_name = text.str.extract(r"^(?P<account>.+)\.(?P<namespace>[^.]+)\.serviceaccount\.identity\.")
    both = spiffe.fillna(dns_name).fillna("")
    labels.loc[bare, "source"] = both["account"].to_numpy()
    labels.loc[bare, "source_namespace"] = both["namespace"].to_numpy()
    return labels
