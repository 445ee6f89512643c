"""Finding a service by one of its names in all meshes of a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.selector import selector
from meshlab.core.subject import Subject
from meshlab.core.suggest import suggest
from meshlab.core.window import Span
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects import identity
from meshlab.telemetry.dialects.base import ABSENT
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.counter_view import CounterView

__all__ = ["find", "unknown", "with_related_services"]


def find(
    parts: Sequence[CounterView], name: str, namespace: str, window: Span, source: str, *, by_cluster: bool = True
) -> Subject:
    """The one subject that a name stands for.

    Parameters
    ----------
    parts : sequence of CounterView
        Where to look.
    name : str
        A canonical service, a host in any of its forms, or a workload; or a subject's whole name, such as
        ``east/shop/catalog``, with ``-`` for what is not known.
    namespace : str
        Empty for any.
    window : Span
        Where a name counts as seen.
    source : str
        For the error.
    by_cluster : bool
        Whether a service of several clusters is several; else it is one, without a cluster.

    Raises
    ------
    ParameterError
        Nobody bears the name (the nearest names are given), or several do.
    """
    *whose, name = name.split("/") if name.count("/") == 2 else (name,)
    found = identity.subjects(_bearers(parts, [name], window, hosts=True), name, namespace)
    if whose and found:
        candidates = [str(s) for s in found]
        found = [s for s in found if [s.cluster or "-", s.namespace or "-"] == whose]
        if not found:
            raise unknown("service", "/".join((*whose, name)), candidates, source)
    if not by_cluster:
        found = list(dict.fromkeys(replace(subject, cluster="") for subject in found))
    if len(found) > 1:
        raise ParameterError(
            f"service {plain(name)!r} is ambiguous in {plain(source)}: {', '.join(plain(s) for s in found[:8])}",
            f"give the namespace, or the host, or all of it: {plain(found[0])}",
        )
    if not found:
        raise _never_seen(parts, name, namespace, window, source)
    return found[0]


def with_related_services(
    parts: Sequence[CounterView], subject: Subject, names: Sequence[str], window: Span
) -> Subject:
    """A subject together with the services of its namespace that bear one of some names, or whose workload does."""
    if not names:
        return subject
    known = _bearers(parts, names, window, hosts=False)
    near = known[
        (known["destination_cluster"] == subject.cluster) & (known["destination_namespace"] == subject.namespace)
    ]
    mine = near[near["destination_service"].isin(names) | near["destination_workload"].isin(names)]
    spans = tuple(sorted({*subject.services, *mine["destination_service"]} - {""}))
    return replace(subject, spans=() if spans == (subject.service,) else spans)


def unknown(kind: str, name: str, known: Sequence[str], source: str) -> ParameterError:
    """The error for a name that the store has never seen, with the nearest ones that it has."""
    return ParameterError(f"{kind} {plain(name)!r} was never seen in {plain(source)}", suggest(name, known, 3))


def _bearers(parts: Iterable[CounterView], names: Sequence[str], window: Span, *, hosts: bool) -> pd.DataFrame:
    """Who may bear one of some names, one row a combination of `identity.NAMES`."""
    frames = [pd.DataFrame(columns=list(identity.NAMES), dtype=str)]
    for part in parts:
        frames += [
            part.combinations(matchers, identity.NAMES, window)
            for matchers in identity.lookups(part.family, names, hosts=hosts)
        ]
        if part.view.service_from_source:
            # The callers' side may know the service of workloads that this side knows by their own names.
            mine = [Condition("destination_service", tuple(names))]
            frames.append(part.combinations(mine, identity.NAMES, window))
    return pd.concat(frames).drop_duplicates().reset_index(drop=True)


def _never_seen(parts: Sequence[CounterView], name: str, namespace: str, window: Span, source: str) -> ParameterError:
    frames = [pd.DataFrame(columns=list(identity.NAMES), dtype=str)]
    known = pd.concat([*frames, *(part.all_combinations(identity.NAMES, window) for part in parts)])
    if namespace and namespace not in set(known["destination_namespace"]):
        return unknown("namespace", namespace, sorted(set(known["destination_namespace"]) - ABSENT), source)
    if any(name in identity.forms(host) for host in known["destination_host"].unique()):
        return ParameterError(
            f"service {plain(name)!r} is called in {plain(source)}, but no workload behind it is known",
            "it is outside of the mesh, or none of its requests was answered; name a service inside",
        )
    for part in parts:
        if _connects(part, name, window):
            return ParameterError(
                f"service {plain(name)!r} is seen in {plain(source)} by its TCP connections only",
                part.dialect.remedy("requests"),
            )
    return unknown("service", name, sorted(set(known["destination_service"]) - ABSENT), source)


def _connects(part: CounterView, name: str, window: Span) -> bool:
    """Whether a service has TCP connections."""
    for signal in part.dialect.signals.get("connections", ()):
        for matchers in identity.lookups(part.family, [name]):
            asked = selector(signal.metric, *signal.matchers, *matchers, forced=part.dialect.options.forced)
            labels = part.engine.series(asked, window).labels
            if identity.subjects(signal.named(labels, identity.NAMES), name):
                return True
    return False
