"""Which services a name stands for: a canonical service, a host in any of its forms, or a workload."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import pandas as pd

from meshlab.core.selector import Matcher, literal, matches
from meshlab.core.subject import IDENTITY, Subject
from meshlab.telemetry.dialects.family import Family

__all__ = ["KUBERNETES", "NAMES", "forms", "lookups", "services_of", "subjects", "with_services"]

NAMES: Final = (*IDENTITY, "destination_host", "destination_workload")
"""The dimensions by which a service is found."""

KUBERNETES: Final = re.compile(r"([^.]+)\.([^.]+)\.svc(\..+)?")
"""A Kubernetes service's host: its name and its namespace."""


def forms(host: str) -> frozenset[str]:
    """All that a caller may write for a host: ``catalog.shop.svc.cluster.local`` is also ``catalog.shop``.

    Parameters
    ----------
    host : str
        A port at its end is passed over.
    """
    host = re.sub(r":\d+$", "", host)
    found = KUBERNETES.fullmatch(host)
    if not found:
        return frozenset({host})
    service, namespace, _ = found.groups()
    return frozenset({host, service, f"{service}.{namespace}", f"{service}.{namespace}.svc"})


def lookups(family: Family, names: Sequence[str], *, hosts: bool = True) -> tuple[tuple[Matcher, ...], ...]:
    """Matchers, one row a query, that find at least all series which some names could stand for.

    Parameters
    ----------
    family : Family
    names : sequence of str
    hosts : bool
        Whether they may be hosts, too.
    """
    named = [(name, family.column(name)) for name in ("destination_service", "destination_workload")]
    rows = [column.matchers(names, name) for name, column in named if column.labels or column.constant]
    host = family.column("destination_host")
    if hosts and host.labels:
        either = "|".join(map(literal, names))
        pattern = (host.ask or "{}(:[0-9]+)?").replace("{}", rf"({either})(\..*)?")
        rows.append((matches(host.labels[0], pattern),) if len(host.labels) == 1 else ())
    # What the engine cannot be asked for is asked without a matcher: all of it comes, and is filtered.
    return tuple(dict.fromkeys(rows)) if all(rows) else ((),)


def subjects(known: pd.DataFrame, name: str, namespace: str = "") -> list[Subject]:
    """The subjects that a name stands for, sorted: none, one, or the candidates of an ambiguity.

    A canonical service of that name comes before hosts, and hosts before workloads. All services behind one host are
    one subject.

    Parameters
    ----------
    known : DataFrame
        With `NAMES`; one row a combination.
    name : str
    namespace : str
        Empty for any.
    """
    known = known[known["destination_service"] != ""]
    known = known[known["destination_namespace"] == namespace] if namespace else known
    hosts = {host for host in known["destination_host"].unique() if name in forms(host)}
    for hit in (
        known["destination_service"] == name,
        known["destination_host"].isin(hosts),
        known["destination_workload"] == name,
    ):
        if hit.any():
            rows = known[hit]
            break
    else:
        return []
    found = []
    for (cluster, space), mine in rows.groupby(list(IDENTITY[:2])):
        names = tuple(sorted(set(mine["destination_service"])))
        one = len(names) == 1
        found.append(Subject(str(cluster), str(space), names[0] if one else name.split(".")[0], () if one else names))
    return sorted(found, key=lambda s: (s.cluster, s.namespace, s.service))


def services_of(known: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Which service each workload belongs to, by namespace and workload, as the callers' side tells.

    Parameters
    ----------
    known : DataFrame
        With ``destination_namespace``, ``destination_workload`` and ``destination_service``.
    """
    known = known[(known["destination_workload"] != "") & (known["destination_service"] != "")]
    found: dict[tuple[str, str], str] = {}
    for (namespace, workload), mine in known.groupby(["destination_namespace", "destination_workload"]):
        names = sorted(set(mine["destination_service"]))
        # Behind several services, its own name's is the nearest.
        found[str(namespace), str(workload)] = str(workload) if workload in names else names[0]
    return found


def with_services(frame: pd.DataFrame, services: dict[tuple[str, str], str]) -> pd.Series[str]:
    """The service of each row's workload; a workload that nobody called by a service stands for itself."""
    keys: Iterable[tuple[str, str]] = zip(frame["destination_namespace"], frame["destination_workload"], strict=True)
    return pd.Series([services.get(key, key[1]) for key in keys], frame.index, dtype=str)
