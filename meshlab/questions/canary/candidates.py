"""Services of a mesh that seem to try a new version, for the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.subject import IDENTITY, Subject
from meshlab.questions.canary.arm_selection import PRIMARY

__all__ = ["Candidate", "candidates"]

_ORDER: Final = (
    "destination_rollout_hash",
    "destination_version",
    "destination_workload",
    "destination_template_hash",
    "destination_revision",
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A service with two arms.

    Parameters
    ----------
    subject : Subject
    baseline, canary : str
        Both empty: the question finds them.
    reason : str
        Why these.
    """

    subject: Subject
    baseline: str
    canary: str
    reason: str


def candidates(table: pd.DataFrame) -> Iterator[Candidate]:
    """Services with two arms, the busiest first.

    Parameters
    ----------
    table : DataFrame
        Of `Mesh.totals`, by service and by all dimensions that may tell arms apart.
    """
    services = table.groupby(list(IDENTITY), sort=False)["requests"].sum().sort_values(ascending=False)
    names = {tuple(key) for key in services.index}
    for key in services.index:
        subject = Subject(*key)
        mine = table[subject.mask(table)]
        primary = (subject.cluster, subject.namespace, f"{subject.service}{PRIMARY}")
        workloads = set(mine["destination_workload"])
        if primary in names or any(f"{name}{PRIMARY}" in workloads for name in workloads if name):
            yield Candidate(subject, "", "", f"{plain(subject.service)} has a {PRIMARY}, as Flagger makes one")
            continue
        for dimension in _ORDER:
            arms = mine[mine[dimension] != ""].groupby(dimension)["requests"].sum().sort_values(ascending=False)
            if len(arms) == 2:
                baseline, canary = map(str, arms.index)
                kind = dimension.removeprefix("destination_").replace("_", " ")
                reason = (
                    f"{plain(subject)} serves two {kind}s, {plain(baseline)} and {plain(canary)}; the canary is taken "
                    "to be the one with fewer requests"
                )
                yield Candidate(subject, baseline, canary, reason)
                break
