"""What tells the two arms apart, and which is which: as named, or found where there is but one way to read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.subject import Subject
from meshlab.core.suggest import nearest
from meshlab.errors import ContractError, ParameterError
from meshlab.questions.base import Case
from meshlab.questions.canary.settings import CanarySettings

__all__ = [
    "DIMENSIONS",
    "FEWER",
    "PRIMARY",
    "VERSION",
    "ArmSelection",
    "arms_of",
    "find_arms",
    "named_arms",
    "related_services",
]

VERSION: Final = "destination_version"
_REVISIONS: Final = ("destination_rollout_hash", "destination_template_hash", "destination_revision")
_WORKLOAD, _SERVICE = "destination_workload", "destination_service"
_DIMENSIONS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "version": (VERSION,),
    "workload": (_WORKLOAD,),
    "revision": _REVISIONS,
    "service": (_SERVICE,),
}
DIMENSIONS: Final = tuple(dimension for dimensions in _DIMENSIONS_OF.values() for dimension in dimensions)
"""All dimensions of the metrics that may tell arms apart."""

_ARM_BY: Final = {name: arm_by for arm_by, names in _DIMENSIONS_OF.items() for name in names}

_UNNAMED: Final = (_REVISIONS[0], VERSION, *_REVISIONS[1:], _WORKLOAD, _SERVICE)
"""The order in which arms that nobody named are looked for: Argo Rollouts sets its hash for this very purpose, people
set versions, and every deployment has a hash."""
FEWER: Final = "because it serves fewer requests"
"""Why an arm is the canary where nothing else tells: this may be the wrong way round."""
_MINORITY: Final = 0.45
PRIMARY: Final = "-primary"
"""What Flagger appends to the name of the workload and service that are in production."""


class ArmSelection(msgspec.Struct, frozen=True):
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

    @property
    def names(self) -> tuple[str, str]:
        """Of baseline and canary."""
        return self.baseline, self.canary


def arms_of(case: Case) -> ArmSelection:
    """The arms of a case: those that were found while asking, else those that the settings name.

    Raises
    ------
    ContractError
        Neither are there.
    """
    arms: ArmSelection | None = case.evidence.facts.arms if case.evidence.facts else None
    if arms is None and not case.settings.baseline:
        raise ContractError("neither the evidence nor the settings say which arms are compared")
    return arms or ArmSelection("version", VERSION, case.settings.baseline, case.settings.canary, "as named")


def related_services(settings: CanarySettings, subject: Subject) -> tuple[str, ...]:
    """Services and workloads that may be arms of a subject besides its own: Flagger's, and the named ones."""
    if settings.arm_by in {"version", "revision"}:
        return ()
    primaries = (f"{name}{PRIMARY}" for name in subject.services if not name.endswith(PRIMARY))
    bases = (name.removesuffix(PRIMARY) for name in subject.services if name.endswith(PRIMARY))
    given = (name for name in (settings.baseline, settings.canary) if name)
    return tuple(dict.fromkeys((*primaries, *bases, *given)))


def named_arms(labels: pd.DataFrame, settings: CanarySettings, subject: Subject, source: str) -> ArmSelection:
    """The first of `DIMENSIONS` that has both named arms among the labels that the store has of the subject.

    Raises
    ------
    ParameterError
        There is no such dimension; what each has is listed.
    """
    arms = settings.baseline, settings.canary
    for arm_by in _kinds(settings.arm_by):
        for dimension in _DIMENSIONS_OF[arm_by]:
            if set(arms) <= set(labels[dimension]):
                return ArmSelection(arm_by, dimension, *arms, "as named")
    names = _names(labels, settings.arm_by)
    missing = [arm for arm in arms if not any(arm in known for known in names.values())]
    if not missing:
        both = " and ".join(f"{plain(arm)!r}" for arm in arms)
        raise ParameterError(
            f"{both} of {plain(subject)} are names of different kinds in {plain(source)}",
            f"name two of one kind; it has {_listed(names)}",
        )
    near = [name for known in names.values() for name in nearest(missing[0], known, 3)]
    meant = f"did you mean {', '.join(map(plain, dict.fromkeys(near)))}? " if near else ""
    raise ParameterError(
        f"{plain(source)} has no {settings.arm_by or 'version'} {plain(missing[0])!r} of {plain(subject)}",
        f"{meant}it has {_listed(names)}",
    )


def find_arms(counts: Iterable[pd.DataFrame], arm_by: str, subject: Subject, source: str) -> ArmSelection:
    """The arms that served requests, where there is no doubt which is the baseline.

    Flagger's pair ``X-primary`` and ``X``; else two names of one dimension, of which the earlier is the baseline; of
    two that were there from the window's start, the one with clearly more requests.

    Counts are requests in blocks of time, of both sides, with those of `DIMENSIONS` that were asked for; `arm_by` is
    the only kind of arms that is looked for, empty for any.

    Raises
    ------
    ParameterError
        No dimension has two arms, or both were there from the first moment on.
    """
    tables = [frame.reindex(columns=[*DIMENSIONS, "block", "count"], fill_value="") for frame in counts if len(frame)]
    allowed = _kinds(arm_by)
    arms = {dimension: _arms(tables, dimension) for dimension in DIMENSIONS if _ARM_BY[dimension] in allowed}
    for dimension in (_WORKLOAD, _SERVICE):
        for name in map(str, arms[dimension].index if dimension in arms else ()):
            if (base := name.removesuffix(PRIMARY)) != name and base in arms[dimension].index:
                return ArmSelection(_ARM_BY[dimension], dimension, name, base, "named as Flagger names them")
    for dimension in _UNNAMED:
        if dimension not in arms or len(mine := arms[dimension]) != 2:
            continue
        first, second = (str(name) for name in mine.sort_values("first").index)
        if mine["first"].nunique() == 1:
            second, first = (str(name) for name in mine.sort_values("count").index)
            if not mine["first"].iloc[0] and mine["count"].min() < _MINORITY * mine["count"].sum():
                return ArmSelection(_ARM_BY[dimension], dimension, first, second, FEWER)
            first, second = sorted((plain(first), plain(second)))
            when = "came at the same time" if mine["first"].iloc[0] else "were both there when the window starts"
            raise ParameterError(
                f"{first} and {second} of {plain(subject)} {when}, so either may be the baseline",
                f'write baseline = "{first}" and canary = "{second}", or the reverse, or start the window earlier',
            )
        return ArmSelection(_ARM_BY[dimension], dimension, first, second, "because the baseline was there first")
    labels = pd.concat(tables) if tables else pd.DataFrame(columns=list(DIMENSIONS), dtype=str)
    raise ParameterError(
        f"{plain(source)} has no two arms of {plain(subject)}", f"name them; it has {_listed(_names(labels, arm_by))}"
    )


def _kinds(arm_by: str) -> tuple[str, ...]:
    return (arm_by,) if arm_by else tuple(_DIMENSIONS_OF)


def _names(labels: pd.DataFrame, arm_by: str) -> dict[str, list[str]]:
    """What the store has of each kind."""
    return {
        kind: sorted({name for dimension in _DIMENSIONS_OF[kind] for name in labels[dimension]} - {""})
        for kind in _kinds(arm_by)
    }


def _listed(names: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{kind}: {', '.join(map(plain, known[:8])) or 'none'}" for kind, known in names.items())


def _arms(tables: list[pd.DataFrame], dimension: str) -> pd.DataFrame:
    """The arms of one dimension that served requests: first block, by name."""
    rows = [table.loc[table[dimension] != "", [dimension, "block", "count"]] for table in tables]
    if not rows:
        return pd.DataFrame(columns=["first", "count"])
    arms = pd.concat(rows).groupby(dimension).agg(first=("block", "min"), count=("count", "sum"))
    return arms[arms["count"] > 0]
