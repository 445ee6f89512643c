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
    keys = list(IDENTITY)
    busiest = table.groupby(keys, sort=False)["requests"].sum().sort_values(ascending=False, kind="stable").index
    arms = {dimension: _pairs(table, dimension) for dimension in _ORDER}
    primaries = _with_primary(table)
    for key in busiest:
        subject = Subject(*key)
        if key in primaries:
            unnamed = {"baseline": "", "canary": ""}
            yield subject, unnamed, f"{plain(subject.service)} has a {PRIMARY}, as Flagger makes one"
            continue
        for dimension, pairs in arms.items():
            if key in pairs:
                baseline, canary = pairs[key]
                kind = dimension.removeprefix("destination_").replace("_", " ")
                reason = (
                    f"{plain(subject)} serves two {kind}s, {plain(baseline)} and {plain(canary)}; the canary is taken "
                    "to be the one with fewer requests"
                )
                yield subject, {"baseline": baseline, "canary": canary}, reason
                break


def _pairs(table: pd.DataFrame, dimension: str) -> dict[tuple[str, ...], tuple[str, str]]:
    """Services that serve exactly two of a dimension: these, the one with more requests first."""
    keys = list(IDENTITY)
    sums = table[table[dimension] != ""].groupby([*keys, dimension], sort=False)["requests"].sum().reset_index()
    sums = sums[sums.groupby(keys)["requests"].transform("size") == 2].sort_values("requests", ascending=False)
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for *key, name in sums[[*keys, dimension]].itertuples(index=False, name=None):
        found[tuple(key)] = (*found.get(tuple(key), ()), name)
    return found


def _with_primary(table: pd.DataFrame) -> set[tuple[str, ...]]:
    """Services beside which Flagger keeps a primary, as a service or as a workload of theirs."""
    names = {tuple(key) for key in table[list(IDENTITY)].drop_duplicates().itertuples(index=False, name=None)}
    workloads = table[[*IDENTITY, "destination_workload"]].drop_duplicates()
    kept = {tuple(row) for row in workloads.itertuples(index=False, name=None)}
    found = {key for key in names if (*key[:2], f"{key[2]}{PRIMARY}") in names}
    return found | {(*key,) for *key, name in kept if name and (*key, f"{name}{PRIMARY}") in kept}
