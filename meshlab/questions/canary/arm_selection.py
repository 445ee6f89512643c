"""What tells the two arms apart, and which is which: as named, or found where there is but one way to read it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.subject import Subject
from meshlab.errors import ParameterError
from meshlab.questions.canary.scope import Scope

__all__ = ["DIMENSIONS", "PRIMARY", "UNNAMED", "ArmSelection", "find_arms", "named_arms", "related_services"]

_DIMENSIONS_OF: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "version": ("destination_version",),
        "workload": ("destination_workload",),
        "revision": ("destination_rollout_hash", "destination_template_hash", "destination_revision"),
        "service": ("destination_service",),
    }
)
DIMENSIONS: Final = tuple(dimension for dimensions in _DIMENSIONS_OF.values() for dimension in dimensions)
"""All dimensions of the metrics that may tell arms apart."""

_ARM_BY: Final = MappingProxyType({name: arm_by for arm_by, names in _DIMENSIONS_OF.items() for name in names})

UNNAMED: Final = (
    "destination_rollout_hash",
    "destination_version",
    "destination_template_hash",
    "destination_revision",
    "destination_workload",
    "destination_service",
)
"""The order in which arms that nobody named are looked for: Argo Rollouts sets its hash for this very purpose, people
set versions, and every deployment has a hash."""
PRIMARY: Final = "-primary"
"""What Flagger appends to the name of the workload and service that are in production."""


@dataclass(frozen=True, slots=True, repr=False)
class ArmSelection:
    """Which arms are compared, and why.

    Parameters
    ----------
    arm_by : str
        ``version``, ``workload``, ``revision`` or ``service``.
    dimension : str
        The dimension of the metrics that holds the arms' names.
    baseline, canary : str
    reason : str
        Why these, in a few words.
    """

    arm_by: str
    dimension: str
    baseline: str
    canary: str
    reason: str

    def __str__(self) -> str:
        arms = f"canary {plain(self.canary)} against baseline {plain(self.baseline)}"
        return f"Compared by {self.arm_by}: {arms}, {self.reason}."

    __repr__ = __str__


def related_services(scope: Scope, subject: Subject) -> tuple[str, ...]:
    """Services and workloads that may be arms of a subject besides its own: Flagger's, and the named ones."""
    if scope.arm_by in {"version", "revision"}:
        return ()
    primaries = (f"{name}{PRIMARY}" for name in subject.services if not name.endswith(PRIMARY))
    bases = (name.removesuffix(PRIMARY) for name in subject.services if name.endswith(PRIMARY))
    given = (name for name in (scope.baseline, scope.canary) if name)
    return tuple(dict.fromkeys((*primaries, *bases, *given)))


def named_arms(labels: pd.DataFrame, scope: Scope, subject: Subject, source: str) -> ArmSelection:
    """The first dimension that has both named arms.

    Parameters
    ----------
    labels : DataFrame
        With `DIMENSIONS`: what the store has of the subject.
    scope : Scope
        With both arms.
    subject : Subject
    source : str

    Raises
    ------
    ParameterError
        There is no such dimension; what each has is listed.
    """
    for arm_by in _candidates(scope):
        for dimension in _DIMENSIONS_OF[arm_by]:
            if {scope.baseline, scope.canary} <= set(labels[dimension]):
                return ArmSelection(arm_by, dimension, scope.baseline, scope.canary, "as named")
    raise _no_arms(labels, scope, subject, source)


def find_arms(counts: Iterable[pd.DataFrame], scope: Scope, subject: Subject, source: str) -> ArmSelection:
    """The arms that served requests, where there is no doubt which is the baseline.

    Flagger's pair ``X-primary`` and ``X``; else two names of one dimension, of which the earlier is the baseline.

    Parameters
    ----------
    counts : iterable of DataFrame
        With ``block`` and ``count``: requests in blocks of time, of both sides; of `DIMENSIONS` those that were asked
        for.
    scope : Scope
        Without arms.
    subject : Subject
    source : str

    Raises
    ------
    ParameterError
        No dimension has two arms, or both were there from the first moment on.
    """
    tables = [frame.reindex(columns=[*DIMENSIONS, "block", "count"], fill_value="") for frame in counts if len(frame)]
    allowed = _candidates(scope)
    arms = {dimension: _arms(tables, dimension) for dimension in DIMENSIONS if _ARM_BY[dimension] in allowed}
    for dimension in ("destination_workload", "destination_service"):
        for name in map(str, arms[dimension].index if dimension in arms else ()):
            if (base := name.removesuffix(PRIMARY)) != name and base in arms[dimension].index:
                return ArmSelection(_ARM_BY[dimension], dimension, name, base, "named as Flagger names them")
    for dimension in UNNAMED:
        if dimension not in arms or len(mine := arms[dimension]) != 2:
            continue
        first, second = (str(name) for name in mine.sort_values("first").index)
        if mine["first"].nunique() == 1:
            raise _same_start(first, second, subject, at_start=not mine["first"].iloc[0])
        return ArmSelection(_ARM_BY[dimension], dimension, first, second, "because the baseline was there first")
    labels = pd.concat(tables) if tables else pd.DataFrame(columns=list(DIMENSIONS), dtype=str)
    raise _no_arms(labels, scope, subject, source)


def _candidates(scope: Scope) -> tuple[str, ...]:
    return (scope.arm_by,) if scope.arm_by else tuple(_DIMENSIONS_OF)


def _arms(tables: list[pd.DataFrame], dimension: str) -> pd.DataFrame:
    """The arms of one dimension that served requests: first block, by name."""
    rows = [table.loc[table[dimension] != "", [dimension, "block", "count"]] for table in tables]
    if not rows:
        return pd.DataFrame(columns=["first", "count"])
    arms = pd.concat(rows).groupby(dimension).agg(first=("block", "min"), count=("count", "sum"))
    return arms[arms["count"] > 0]


def _same_start(first: str, second: str, subject: Subject, *, at_start: bool) -> ParameterError:
    names = plain(first), plain(second)
    when = "were both there when the window starts" if at_start else "came at the same time"
    return ParameterError(
        f"{names[0]} and {names[1]} of {plain(subject)} {when}, so either may be the baseline",
        f'write baseline = "{names[0]}" and canary = "{names[1]}", or the reverse, or start the window earlier',
    )


def _no_arms(labels: pd.DataFrame, scope: Scope, subject: Subject, source: str) -> ParameterError:
    """What the store has of each kind, and the nearest names."""
    names = {
        arm_by: sorted({name for dimension in _DIMENSIONS_OF[arm_by] for name in labels[dimension]} - {""})
        for arm_by in _candidates(scope)
    }
    listed = "; ".join(f"{arm_by}: {', '.join(map(plain, known[:8])) or 'none'}" for arm_by, known in names.items())
    if not scope.baseline:
        return ParameterError(
            f"{plain(source)} has no two arms of {plain(subject)}",
            f"name them; it has {listed}",
        )
    missing = [arm for arm in (scope.baseline, scope.canary) if not any(arm in known for known in names.values())]
    if not missing:
        return ParameterError(
            f"{plain(scope.baseline)!r} and {plain(scope.canary)!r} of {plain(subject)} are names of different kinds "
            f"in {plain(source)}",
            f"name two of one kind; it has {listed}",
        )
    near = [name for known in names.values() for name in difflib.get_close_matches(missing[0], known, 3)]
    meant = f"did you mean {', '.join(map(plain, dict.fromkeys(near)))}? " if near else ""
    return ParameterError(
        f"{plain(source)} has no {scope.arm_by or 'version'} {plain(missing[0])!r} of {plain(subject)}",
        f"{meant}it has {listed}",
    )
