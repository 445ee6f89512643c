"""The retry policy in force along the amplified way: as it was given, and else as it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.core.sanitize import plain
from meshlab.questions.retries.cube import long, total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.lint import EdgePolicy
from meshlab.questions.retries.settings import Policy
from meshlab.questions.retries.simulate import Concurrency, Hop, RetryPolicy
from meshlab.questions.retries.storm import Storm, depths

__all__ = ["COLUMNS", "InForce", "in_force"]

COLUMNS: Final = (
    "source",
    "destination_namespace",
    "destination_service",
    "retries",
    "per_try_s",
    "route_s",
    "limit",
    "told_by",
)
_LEAST: Final = 20
"""Attempts that callers gave up, from which their mean duration is a time-out."""
_PATIENT_S: Final = 15.0
"""How long clients wait where none of them was seen to go: as long as Envoy's own time-out of a route."""
_BUDGET_LEAST: Final = 3
"""Envoy's own ``min_retry_concurrency``."""


@dataclass(frozen=True, slots=True, eq=False)
class InForce:
    """What every hop does, the outermost first.

    Attributes
    ----------
    chain : simulate.Policy
    deadline_s : float
        How long clients wait.
    patience : str
        What tells that.
    table : DataFrame
        One row a hop: ``source, destination_namespace, destination_service, retries, per_try_s, route_s, limit,
        told_by``.
    """

    chain: RetryPolicy
    deadline_s: float
    patience: str
    table: pd.DataFrame


def in_force(
    evidence: Evidence, all_edges: Edges, found: Storm, policy: Policy, routes: Sequence[EdgePolicy] = ()
) -> InForce:
    """Find the policy of each amplified hop.

    What `routes` say of a service holds. Else the number of tries is that of the policy's ``attempts``, or what the
    incident's attempts for a request come to; and a try's time-out is that of the policy, or the mean duration, at the
    called side, of attempts whose caller had gone. In the same way clients that went tell how long they wait.

    Parameters
    ----------
    evidence : Evidence
    all_edges : Edges
    found : Storm
        With an origin.
    policy : Policy
    routes : sequence of EdgePolicy, optional
    """
    assert found.origin is not None
    gone = _gave_up(evidence)
    rows, hops = [], []
    for level in _levels(all_edges, found):
        hop, told = _hop(level, all_edges, found, policy, routes, gone)
        hops.append(hop)
        names = all_edges.names.iloc[level]
        rows.append(
            {
                "source": ", ".join(plain(name) for name in names["source"].unique()),
                "destination_namespace": str(names["destination_namespace"].iloc[0]),
                "destination_service": str(names["destination_service"].iloc[0]),
                "retries": hop.retries,
                "per_try_s": hop.per_try_s or np.nan,
                "route_s": hop.route_s or np.nan,
                "limit": _said(hop),
                "told_by": told,
            }
        )
    deadline_s, patience = _deadline(all_edges, found, policy, gone)
    return InForce(
        RetryPolicy("as it is", tuple(hops)), deadline_s, patience, pd.DataFrame(rows, columns=list(COLUMNS))
    )


def _levels(all_edges: Edges, found: Storm) -> list[list[int]]:
    """The amplified edges by their depth, the outermost first."""
    hops = np.zeros(len(all_edges.names), np.bool_)
    hops[list(found.amplifiers)] = True
    assert found.origin is not None
    depth = depths(all_edges, found.origin, hops)
    return [np.flatnonzero(hops & (depth == at)).tolist() for at in np.unique(depth[hops])[::-1]]


def _hop(
    level: list[int],
    all_edges: Edges,
    found: Storm,
    policy: Policy,
    routes: Sequence[EdgePolicy],
    gone: dict[tuple[str, str], float],
) -> tuple[Hop, str]:
    row = all_edges.names.iloc[level[0]]
    key = (str(row["destination_namespace"]), str(row["destination_service"]))
    said = [route for route in routes if _about(route, *key)]
    if said:
        most = max(said, key=lambda route: route.retries)
        limit = None
        if most.budget_percent is not None and not (most.budget_alone or most.budget_in_subset):
            limit = Concurrency(float(most.max_retries or _BUDGET_LEAST), most.budget_percent)
        elif most.max_retries is not None:
            limit = Concurrency(float(most.max_retries))
        return Hop(most.retries, most.per_try_s, most.route_s, most.back_off_s, limit), "its YAML"
    told = []
    if policy.attempts:
        retries = policy.attempts - 1
        told.append("tries as given")
    else:
        blocks = found.incident if found.incident.any() else np.ones(all_edges.blocks, np.bool_)
        tried, asked = (float(total(v[level], blocks).sum()) for v in (all_edges.attempts, all_edges.logical))
        each = tried / asked if asked > 0 else 1.0
        retries = max(round(each) - 1, 0)
        told.append(f"{each:.3g} attempts for a request in the incident")
    per_try_s = policy.per_try_s or gone.get(key, 0.0)
    if policy.per_try_s:
        told.append("time-out as given")
    elif per_try_s:
        told.append(f"callers gave up after {per_try_s:.3g} s")
    # What no telemetry tells is left open: a route that does not end, and no limit.
    return Hop(retries, per_try_s, 0.0), ", ".join(told)


def _about(route: EdgePolicy, namespace: str, service: str) -> bool:
    name, _, rest = route.service.partition(".")
    where = rest.split(".")[0] if rest else route.namespace
    return name == service and (not where or not namespace or where == namespace)


def _said(hop: Hop) -> str:
    if hop.limit is None:
        return "none known"
    assert isinstance(hop.limit, Concurrency)
    if hop.limit.percent:
        return f"budget of {hop.limit.percent:g} %, {hop.limit.least:g} at least"
    return f"{hop.limit.least:g} at once"


def _gave_up(evidence: Evidence) -> dict[tuple[str, str], float]:
    """Mean seconds that attempts lasted whose caller had gone, by namespace and service where there were enough."""
    took = _by_service(long(evidence.frames["lasting"], "sum_ms", code="0"), "sum_ms")
    count = _by_service(long(evidence.frames["called"], "count", code="0"), "count").reindex(took.index)
    means = (took / count / 1000)[count >= _LEAST].round(3).rename("seconds").reset_index()
    keys = zip(means["destination_namespace"].astype(str), means["destination_service"].astype(str), strict=True)
    return dict(zip(keys, means["seconds"].astype(float), strict=True))


def _by_service(frame: pd.DataFrame, value: str) -> pd.Series[float]:
    return frame.groupby(["destination_namespace", "destination_service"], observed=True)[value].sum()


def _deadline(all_edges: Edges, found: Storm, policy: Policy, gone: dict[tuple[str, str], float]) -> tuple[float, str]:
    if policy.deadline_s:
        return policy.deadline_s, "as given"
    first: NDArray[np.intp] = all_edges.caller[list(found.tops)]
    for at in first[first >= 0]:
        row = all_edges.services.iloc[int(at)]
        waited = gone.get((str(row["namespace"]), str(row["service"])))
        if waited:
            return waited, f"clients of {plain(str(row['service']))} gave up after {waited:.3g} s"
    return _PATIENT_S, f"no client was seen to give up: {_PATIENT_S:g} s is assumed"
