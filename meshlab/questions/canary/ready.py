"""Whether canaries of a mesh can be judged, and whether one is going on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from meshlab.core.evidence import Missing
from meshlab.core.readiness import Readiness, State
from meshlab.core.sanitize import plain
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.questions.canary.arm_selection import DIMENSIONS, PRIMARY, UNNAMED
from meshlab.telemetry.mesh import Mesh

__all__ = ["ready"]

_ORDER = ("destination_rollout_hash", "destination_version", "destination_workload", *UNNAMED[2:4])


def ready(mesh: Mesh, window: Window) -> Readiness:
    """Look for services that serve two versions at once, the busiest first: four small questions or so.

    Parameters
    ----------
    mesh : Mesh
    window : Window
        The last minutes.
    """
    table = mesh.totals(window, tuple(dict.fromkeys((*IDENTITY, *DIMENSIONS)))).frame
    if table.empty:
        return Readiness(State.LACKING, "no requests were counted", (Missing("requests", mesh.remedy("destination")),))
    pairs = list(_pairs(table))
    subject = pairs[0].subject if pairs else Subject(*table.iloc[0][list(IDENTITY)])
    if not mesh.has_durations(window, subject):
        return Readiness(
            State.LACKING,
            f"the requests of {plain(subject)} have no durations",
            (Missing("request durations", mesh.remedy("latency")),),
        )
    if pairs:
        return Readiness(State.READY, pairs[0].reason, parameters=MappingProxyType(pairs[0].parameters))
    example = {**_subject(subject), "baseline": "v1", "canary": "v2"}
    return Readiness(
        State.WAITING,
        "no service serves two versions, workloads or revisions now: ask while a canary runs, with its names",
        parameters=MappingProxyType(example),
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """A service with two arms."""

    subject: Subject
    parameters: dict[str, str]
    reason: str


def _pairs(table: pd.DataFrame) -> Iterator[_Pair]:
    services = table.groupby(list(IDENTITY), sort=False)["requests"].sum().sort_values(ascending=False)
    names = {tuple(key) for key in services.index}
    for key in services.index:
        subject = Subject(*key)
        mine = table[subject.mask(table)]
        twin = (subject.cluster, subject.namespace, f"{subject.service}{PRIMARY}")
        workloads = set(mine["destination_workload"])
        if twin in names or any(f"{name}{PRIMARY}" in workloads for name in workloads if name):
            reason = f"{plain(subject.service)} has a {PRIMARY} beside it, as Flagger makes one"
            yield _Pair(subject, {**_subject(subject), "baseline": "", "canary": ""}, reason)
            continue
        for dimension in _ORDER:
            arms = mine[mine[dimension] != ""].groupby(dimension)["requests"].sum().sort_values(ascending=False)
            if len(arms) == 2:
                baseline, canary = map(str, arms.index)
                kind = dimension.removeprefix("destination_").replace("_", " ")
                reason = (
                    f"{plain(subject)} serves two of a {kind}, {plain(baseline)} and {plain(canary)}; the one with "
                    "fewer requests is taken for the canary"
                )
                yield _Pair(subject, {**_subject(subject), "baseline": baseline, "canary": canary}, reason)
                break


def _subject(subject: Subject) -> dict[str, str]:
    return {"service": subject.service, **({"namespace": subject.namespace} if subject.namespace else {})}
