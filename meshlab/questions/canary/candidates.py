"""Services of a mesh that seem to try a new version, for the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.subject import IDENTITY, Subject
from meshlab.questions.canary.arm_selection import PRIMARY

__all__ = ["candidates"]

_ORDER: Final = (
    "destination_rollout_hash",
    "destination_version",
    "destination_workload",
    "destination_template_hash",
    "destination_revision",
)


def candidates(table: pd.DataFrame) -> Iterator[tuple[Subject, dict[str, str], str]]:
    """Services with two arms in `Mesh.totals`, the busiest first, each with its arms and why these.

    Arms are empty where the question finds them by itself.
    """
    services = table.groupby(list(IDENTITY), sort=False)["requests"].sum().sort_values(ascending=False)
    names = {tuple(key) for key in services.index}
    for key in services.index:
        subject = Subject(*key)
        mine = table[subject.mask(table)]
        primary = (subject.cluster, subject.namespace, f"{subject.service}{PRIMARY}")
        workloads = set(mine["destination_workload"])
        if primary in names or any(f"{name}{PRIMARY}" in workloads for name in workloads if name):
            arms = {"baseline": "", "canary": ""}
            yield subject, arms, f"{plain(subject.service)} has a {PRIMARY}, as Flagger makes one"
            continue
        for dimension in _ORDER:
            busy = mine[mine[dimension] != ""].groupby(dimension)["requests"].sum().sort_values(ascending=False)
            if len(busy) == 2:
                baseline, canary = map(str, busy.index)
                kind = dimension.removeprefix("destination_").replace("_", " ")
                reason = (
                    f"{plain(subject)} serves two {kind}s, {plain(baseline)} and {plain(canary)}; the canary is taken "
                    "to be the one with fewer requests"
                )
                yield subject, {"baseline": baseline, "canary": canary}, reason
                break
