"""The retry policy in force along the amplified path: as it is configured, and else as it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.sanitize import plain
from meshlab.display.numbers import duration, number
from meshlab.questions.retries.cells import total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.routes import EdgePolicy
from meshlab.questions.retries.settings import RetriesSettings
from meshlab.questions.retries.simulate import Concurrency, Hop, RetryPolicy
from meshlab.questions.retries.storm import Storm, depths
from meshlab.questions.retries.tables import TABLES

__all__ = ["EffectivePolicy", "effective_policy"]

_LEAST: Final = 20
"""Attempts that callers gave up, from which their mean duration is a timeout."""
_PATIENT_S: Final = 15.0
"""How long clients wait where none of them was seen to go: as long as Envoy's own timeout of a route."""
_BUDGET_LEAST: Final = 3
"""Envoy's own ``min_retry_concurrency``."""

Timeouts = dict[tuple[str, str], float]


@dataclass(frozen=True, slots=True, eq=False)
class EffectivePolicy:
    """What every hop does, how long clients wait, and the result's table of that name."""

    chain: RetryPolicy
    deadline_s: float
    table: pd.DataFrame


def effective_policy(
    evidence: Evidence, edges: Edges, storm: Storm, settings: RetriesSettings, routes: Sequence[EdgePolicy] = ()
) -> EffectivePolicy:
    """Find the policy of each amplified hop.

    What `routes` say of a service holds. Else the number of tries is that of the setting ``attempts``, or what the
    incident's attempts per request come to; and a try's timeout is that of the settings, or the mean duration, at the
    destination, of attempts whose caller had gone. In the same way clients that went show how long they wait.
    """
    timeouts = _timeouts(evidence)
    rows, hops = [], []
    for level in _levels(edges, storm):
        names = edges.names.iloc[level]
        namespace, service = names[["destination_namespace", "destination_service"]].iloc[0].astype(str)
        configured = [route for route in routes if _is_about(route, namespace, service)]
        if configured:
            hop, basis = _configured(max(configured, key=lambda route: route.retries)), "its YAML"
        else:
            hop, basis = _measured(level, edges, storm, settings, timeouts.get((namespace, service), 0.0))
        hops.append(hop)
        sources = ", ".join(plain(name) for name in names["source"].unique())
        times = (hop.per_try_s or np.nan, hop.route_s or np.nan)
        rows.append((sources, namespace, service, hop.retries, *times, _limit(hop), basis))
    table = pd.DataFrame(rows, columns=list(TABLES["effective_policy"].dtypes))
    deadline_s = settings.deadline_s or _patience_s(edges, storm, timeouts)
    return EffectivePolicy(RetryPolicy("as it is", tuple(hops)), deadline_s, table)


def _levels(edges: Edges, storm: Storm) -> list[list[int]]:
    """The amplified edges by their depth, the outermost first."""
    hops = np.isin(np.arange(len(edges.names)), storm.amplifiers)
    assert storm.origin is not None
    depth = depths(edges, storm.origin, hops)
    return [np.flatnonzero(hops & (depth == at)).tolist() for at in np.unique(depth[hops])[::-1]]


def _is_about(route: EdgePolicy, namespace: str, service: str) -> bool:
    name, _, rest = route.service.partition(".")
    where = rest.split(".")[0] if rest else route.namespace
    return name == service and (not where or not namespace or where == namespace)


def _configured(route: EdgePolicy) -> Hop:
    limit = None
    if route.budget_percent is not None and not (route.budget_alone or route.budget_in_subset):
        limit = Concurrency(float(route.max_retries or _BUDGET_LEAST), route.budget_percent)
    elif route.max_retries is not None:
        limit = Concurrency(float(route.max_retries))
    return Hop(route.retries, route.per_try_s, route.route_s, route.back_off_s, limit)


def _measured(
    level: list[int], edges: Edges, storm: Storm, settings: RetriesSettings, gave_up_s: float
) -> tuple[Hop, str]:
    """What the traffic shows of a hop, and how."""
    if settings.attempts:
        retries, basis = settings.attempts - 1, ["attempts as given"]
    else:
        blocks = storm.incident if storm.incident.any() else np.ones(edges.blocks, np.bool_)
        attempts, requests = (float(total(cells[level], blocks).sum()) for cells in (edges.attempts, edges.requests))
        per_request = attempts / requests if requests > 0 else 1.0
        retries, basis = max(round(per_request) - 1, 0), [f"{number(per_request)} attempts per request in the incident"]
    if settings.per_try_s:
        basis.append("timeout as given")
    elif gave_up_s:
        basis.append(f"callers gave up after {duration(gave_up_s)}")
    # What no telemetry shows is left open: a route that does not end, and no limit.
    return Hop(retries, settings.per_try_s or gave_up_s, 0.0), ", ".join(basis)


def _limit(hop: Hop) -> str:
    if hop.limit is None:
        return "none known"
    assert isinstance(hop.limit, Concurrency)
    if hop.limit.percent:
        return f"budget of {number(hop.limit.percent)} %, {number(hop.limit.least)} at least"
    return f"{number(hop.limit.least)} at once"


def _timeouts(evidence: Evidence) -> Timeouts:
    """Mean seconds that attempts lasted whose caller had gone, by namespace and service where there were enough."""
    place = ["destination_namespace", "destination_service"]
    took_ms, count = (
        evidence.counts[name].select(code="0").totals(place).set_index(place)[quantity]
        for name, quantity in (("durations", "sum_ms"), ("destination", "count"))
    )
    count = count.reindex(took_ms.index)
    means = (took_ms / count / 1000)[count >= _LEAST].round(3)
    places = means.index.to_frame(index=False).astype(str).itertuples(index=False, name=None)
    return dict(zip(places, means.astype(float), strict=True))


def _patience_s(edges: Edges, storm: Storm, timeouts: Timeouts) -> float:
    """How long clients waited before they gave up."""
    first = edges.source[list(storm.tops)]
    callers = edges.services.iloc[first[first >= 0]].astype(str).itertuples(index=False, name=None)
    return next((timeouts[caller] for caller in callers if timeouts.get(caller)), _PATIENT_S)
