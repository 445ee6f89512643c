"""Requests that reached no pod: whose they are, and which requests are nobody's.

A proxy that found no healthy host, no route or no cluster, or that refused a request itself, knows the host that was
dialled and neither workload nor version: istio.io, "Istio Standard Metrics", labels that are ``unknown``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.subject import IDENTITY
from meshlab.telemetry.dialects.identity import KUBERNETES

__all__ = ["NEEDED", "OUTSIDE", "Category", "Hosts", "categories", "filled"]


class Category(StrEnum):
    """What a request is that reached no pod of a known service: values of the dimension ``category``."""

    REACHED = ""
    """It reached a pod."""
    UNREACHED = "unreached"
    """It was addressed to a known service, and reached no pod of it."""
    PASSTHROUGH = "passthrough"
    """It left for an address that the mesh does not know."""
    BLACKHOLE = "blackhole"
    """It was thrown away, because the mesh does not know its address."""
    UNNAMED = "unnamed"
    """Nothing says which service it was for."""


OUTSIDE: Final = {
    "BlackHoleCluster": Category.BLACKHOLE,
    "PassthroughCluster": Category.PASSTHROUGH,
    "original-destination": Category.PASSTHROUGH,
    "outbound_passthrough_ipv4": Category.PASSTHROUGH,
    "outbound_passthrough_ipv6": Category.PASSTHROUGH,
}
"""Clusters of Istio, Consul and Kuma for addresses that the mesh does not know."""

NEEDED: Final = (*IDENTITY, "destination_workload", "destination_host", "source_cluster", "category")
"""The dimensions that `filled` reads."""

_CLUSTER, _NAMESPACE, _SERVICE = IDENTITY
_HOST, _WORKLOAD = "destination_host", "destination_workload"
_OF_PODS: Final = ("destination_version", "destination_revision")
"""What only a pod can tell: proxies write ``latest`` for a revision that they do not know."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """What is known of hosts.

    Parameters
    ----------
    services : mapping of str to (str, str)
        Namespace and service behind each host.
    clusters : mapping of (str, str) to set of str
        The clusters of each namespace and service.
    workloads : bool
        Whether this store names workloads at all.
    """

    services: dict[str, tuple[str, str]]
    clusters: dict[tuple[str, str], set[str]]
    workloads: bool

    @classmethod
    def of(cls, known: pd.DataFrame) -> Hosts:
        """From combinations of `IDENTITY`, host and workload, as requests that reached a pod tell them."""
        known_rows = known[known[_SERVICE] != ""]
        if named := bool((known[_WORKLOAD] != "").any()):
            known_rows = known_rows[known_rows[_WORKLOAD] != ""]
        places: dict[str, set[tuple[str, str]]] = {}
        clusters: dict[tuple[str, str], set[str]] = {}
        rows = known_rows[[_HOST, *IDENTITY]].drop_duplicates().itertuples(index=False, name=None)
        for host, cluster, namespace, service in rows:
            clusters.setdefault((namespace, service), set()).add(cluster)
            if host:
                places.setdefault(_plain(host), set()).add((namespace, service))
        return cls({host: _nearest(host, found) for host, found in places.items()}, clusters, named)

    def place(self, host: str) -> tuple[str, str] | None:
        """Namespace and service of a host; None where nothing tells them."""
        host = _plain(host)
        if host not in self.services and (found := KUBERNETES.fullmatch(host)):
            return found[2], found[1]
        return self.services.get(host)


def filled(named: pd.DataFrame, hosts: Callable[[], Hosts]) -> pd.DataFrame:
    """The rows that reached no pod, under the service that they were addressed to, with their ``category``.

    Parameters
    ----------
    named : DataFrame
        With `NEEDED`.
    hosts : callable
        Called only where there are such rows.

    Returns
    -------
    DataFrame
        The cluster is the service's where it is of one only, else the caller's.
    """
    nowhere = ((named[_SERVICE] == "") | (named[_NAMESPACE] == "")) & (named[_WORKLOAD] == "") & (named[_HOST] != "")
    nowhere &= ~named["category"].isin([*OUTSIDE.values()])
    if nowhere.any():
        named, known = named.copy(), hosts()
        if not known.workloads:
            nowhere &= named[_SERVICE] == ""
        places = {host: known.place(host) for host in named.loc[nowhere, _HOST].unique()}
        nowhere &= named[_HOST].map(places).notna()
        for column, at in ((_NAMESPACE, 0), (_SERVICE, 1)):
            inferred = named[_HOST].map({host: place[at] for host, place in places.items() if place})
            named[column] = named[column].mask(nowhere & (named[column] == ""), inferred)
        lacking = nowhere & (named[_CLUSTER] == "")
        mine = zip(*(named.loc[lacking, c] for c in (_NAMESPACE, _SERVICE, "source_cluster")), strict=True)
        named.loc[lacking, _CLUSTER] = [_only(known.clusters.get((n, s), set()), own) for n, s, own in mine]
        for column in {*_OF_PODS} & {*named.columns}:
            named[column] = named[column].mask(nowhere, "")
    return named.assign(category=categories(named, nowhere))


def categories(named: pd.DataFrame, unreached: pd.Series[bool] | None = None) -> pd.Series[str]:
    """The `Category` of each row.

    Parameters
    ----------
    named : DataFrame
        With ``destination_service`` and what the labels say of the ``category``.
    unreached : Series of bool, optional
        Rows that were addressed to a known service.
    """
    nameless = named[_SERVICE] == ""
    named_category = named["category"].where(named["category"] != "", Category.UNNAMED.value)
    category = np.where(nameless, named_category, Category.REACHED.value)
    if unreached is not None:
        category = np.where(unreached, Category.UNREACHED.value, category)
    return pd.Series(category, named.index, dtype=str)


def _plain(host: str) -> str:
    return re.sub(r":\d+$", "", host)


def _nearest(host: str, found: set[tuple[str, str]]) -> tuple[str, str]:
    """Of several services behind a host the one of its name."""
    return min(found, key=lambda place: (place[1] != host.partition(".")[0], place))


def _only(clusters: set[str], otherwise: str) -> str:
    return next(iter(clusters)) if len(clusters) == 1 else otherwise
