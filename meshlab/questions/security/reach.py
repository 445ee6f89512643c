"""How far one identity reaches: as it was observed, and as the policies in force allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from meshlab.questions.security.least_privilege.current import Permitted
from meshlab.questions.security.least_privilege.names import bare
from meshlab.questions.security.tables import TABLES
from meshlab.questions.security.traffic import NOBODY
from meshlab.telemetry.dialects.registry import root_namespaces

__all__ = ["reach"]

_TARGET: Final = ["destination_namespace", "destination_workload"]


def reach(table: pd.DataFrame, policies: Sequence[Permitted] | None) -> pd.DataFrame:
    """Blast radius: the workloads that whoever holds an identity gets to: the table ``reach``, the farthest first.

    Policies that are not known (None) are not the same as none at all.

    Notes
    -----
    A workload without a policy that allows something lets everybody in. Policies that deny are not looked at, nor
    methods, paths and ports, so what is allowed is an upper bound.
    """
    words = ["source", "source_namespace", "source_principal", *_TARGET, "destination_principal", "destination_service"]
    edges = table[words].assign(let=table["denied"] == "").drop_duplicates()
    edges = edges[~edges["destination_workload"].isin(NOBODY)]
    own = pd.concat(
        [
            _named(edges, "source_principal", "source_namespace", "source"),
            _named(edges, "destination_principal", *_TARGET),
        ]
    ).drop_duplicates()
    calls = edges[~edges["source_principal"].isin(NOBODY)]
    if calls.empty:
        return TABLES["reach"].empty()
    # Who was only ever refused did not get there.
    pairs = calls.loc[calls["let"], ["source_principal", *_TARGET]].drop_duplicates()
    who = sorted({*own["principal"], *calls["source_principal"]})
    targets = edges[_TARGET].drop_duplicates()
    place = pd.MultiIndex.from_frame(targets)
    at_who = pd.Index(who)
    # Workloads lead to their identities, and identities to what they may call.
    held = own.set_index(["namespace", "workload"])["principal"]
    held = held[held.index.isin(place)]
    down = place.get_indexer(held.index) + len(who), at_who.get_indexer(pd.Index(held))
    seen = (
        at_who.get_indexer(pd.Index(pairs["source_principal"])),
        place.get_indexer(pd.MultiIndex.from_frame(pairs[_TARGET])) + len(who),
    )
    size = len(who) + len(targets) + 1
    direct, whole = _closure((seen, down), len(who), size)
    out = pd.DataFrame({"principal": who})
    out["workloads"] = own.groupby("principal").size().reindex(who, fill_value=0).to_numpy(np.int64)
    out["direct"], out["observed"] = direct, whole
    if policies is None:
        out["allowed_direct"] = out["allowed"] = out["excess"] = np.nan
    else:
        services = {key: frozenset(own) - {""} for key, own in edges.groupby(_TARGET)["destination_service"]}
        ways = _permitted(policies, place, services, who, size - 1)
        out["allowed_direct"], out["allowed"] = _closure((ways, down), len(who), size)
        # What was seen was allowed, whatever a policy says now; beyond it lies the excess.
        beyond = _closure((ways, seen, down), len(who), size)[1]
        out["excess"] = beyond - out["observed"]
    callers = out[out["principal"].isin(calls["source_principal"])]
    return TABLES["reach"].pick(callers.sort_values(["observed", "principal"], ascending=[False, True]))


def _named(edges: pd.DataFrame, principal: str, namespace: str, workload: str) -> pd.DataFrame:
    own = edges[[principal, namespace, workload]].set_axis(["principal", "namespace", "workload"], axis=1)
    return own[~own["principal"].isin(NOBODY) & ~own["workload"].isin(NOBODY)]


Ways = tuple[NDArray[np.int64], NDArray[np.int64]]


def _closure(ways: Sequence[Ways], identities: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many workloads each identity reaches at once, and in the end; the last node stands for everybody's."""
    tail, head = (np.concatenate([np.asarray(way[k], np.int64) for way in ways]) for k in (0, 1))
    graph = csr_array((np.ones(len(tail), np.int8), (tail, head)), shape=(size, size))
    workload = np.zeros(size, bool)
    workload[identities : size - 1] = True
    direct, whole = np.zeros(identities, np.int64), np.zeros(identities, np.int64)
    everybody = set(graph.indices[graph.indptr[size - 1] : graph.indptr[size]].tolist())
    for node in range(identities):
        near = set(graph.indices[graph.indptr[node] : graph.indptr[node + 1]].tolist())
        direct[node] = len((near - {size - 1}) | (everybody if size - 1 in near else set()))
        found = breadth_first_order(graph, node, return_predecessors=False)
        whole[node] = int(workload[found].sum())
    return direct, whole


def _permitted(
    policies: Sequence[Permitted],
    place: pd.MultiIndex,
    services: Mapping[Any, frozenset[str]],
    who: Sequence[str],
    everybody: int,
) -> Ways:
    """Who may call what: ways from identities to workloads, or from everybody."""
    tail, head = [np.arange(len(who))], [np.full(len(who), everybody)]
    names = {bare(principal): k for k, principal in enumerate(who)}
    accounts = {k: name.partition("/ns/")[2].partition("/")[0] for name, k in names.items()}
    cache: dict[int, tuple[bool, NDArray[np.int64]]] = {}
    for k, target in enumerate(place):
        mine = [i for i, one in enumerate(policies) if _binds(one, target, services.get(target, frozenset()))]
        for i in mine:
            if i not in cache:
                cache[i] = _callers(policies[i], names, accounts)
        open_ = not mine or any(cache[i][0] for i in mine)
        found = np.array([everybody]) if open_ else np.unique(np.concatenate([cache[i][1] for i in mine]))
        tail.append(found)
        head.append(np.full(len(found), len(who) + k))
    return np.concatenate(tail), np.concatenate(head)


def _binds(one: Permitted, target: tuple[str, str], services: frozenset[str]) -> bool:
    if one.dry_run or one.other or one.namespace not in (target[0], *root_namespaces()):
        return False
    return not one.value or one.value == target[1] or one.value in services


def _callers(one: Permitted, names: dict[str, int], accounts: dict[int, str]) -> tuple[bool, NDArray[np.int64]]:
    found = {names[name] for name in map(bare, one.principals) if name in names}
    for pattern in one.principals:
        if "*" in pattern:
            found |= {k for name, k in names.items() if _like(name, bare(pattern))}
    for pattern in one.namespaces:
        found |= {k for k, namespace in accounts.items() if _like(namespace, pattern)}
    return one.anyone, np.array(sorted(found), np.int64)


def _like(name: str, pattern: str) -> bool:
    """Whether a pattern, in which only the star means more than itself, stands for a name."""
    return fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]"))
