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

__all__ = ["WORDS", "Chosen", "found", "kin", "named"]

_WAYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "version": ("destination_version",),
        "workload": ("destination_workload",),
        "revision": ("destination_rollout_hash", "destination_template_hash", "destination_revision"),
        "service": ("destination_service",),
    }
)
WORDS: Final = tuple(word for words in _WAYS.values() for word in words)
"""All words of the vocabulary that may tell arms apart."""

_WAY_OF: Final = MappingProxyType({word: way for way, words in _WAYS.items() for word in words})

# Nobody chose these names, so they are looked at in the order of how much they tell: Argo Rollouts sets its hash for
# this purpose, people set versions, and every deployment has a hash.
_UNNAMED: Final = (
    "destination_rollout_hash",
    "destination_version",
    "destination_template_hash",
    "destination_revision",
    "destination_workload",
    "destination_service",
)
_PRIMARY: Final = "-primary"


@dataclass(frozen=True, slots=True, repr=False)
class Chosen:
    """Which arms are compared, and why.

    Parameters
    ----------
    arm_by : str
        ``version``, ``workload``, ``revision`` or ``service``.
    word : str
        The word of the vocabulary that holds the arms' names.
    baseline, canary : str
    reason : str
        Why these, in a few words.
    """

    arm_by: str
    word: str
    baseline: str
    canary: str
    reason: str

    def __str__(self) -> str:
        arms = f"canary {plain(self.canary)} against baseline {plain(self.baseline)}"
        return f"compared by {self.arm_by}: {arms}, {self.reason}"

    __repr__ = __str__


def kin(scope: Scope, subject: Subject) -> tuple[str, ...]:
    """Names of services and workloads that may be arms of a subject beside its own: Flagger's, and the named ones."""
    if scope.arm_by in {"version", "revision"}:
        return ()
    flaggers = (f"{name}{_PRIMARY}" for name in subject.services if not name.endswith(_PRIMARY))
    bases = (name.removesuffix(_PRIMARY) for name in subject.services if name.endswith(_PRIMARY))
    given = (name for name in (scope.baseline, scope.canary) if name)
    return tuple(dict.fromkeys((*flaggers, *bases, *given)))


def named(seen: pd.DataFrame, scope: Scope, subject: Subject, source: str) -> Chosen:
    """The first way in which both named arms were ever seen.

    Parameters
    ----------
    seen : DataFrame
        With `WORDS`: what the store has seen of the subject.
    scope : Scope
        With both arms.
    subject : Subject
    source : str

    Raises
    ------
    ParameterError
        There is no such way; what was seen in each is listed.
    """
    for way in _ways(scope):
        for word in _WAYS[way]:
            if {scope.baseline, scope.canary} <= set(seen[word]):
                return Chosen(way, word, scope.baseline, scope.canary, "as named")
    raise _no_arms(seen, scope, subject, source)


def found(counts: Iterable[pd.DataFrame], scope: Scope, subject: Subject, source: str) -> Chosen:
    """The arms that served requests, where it is beyond doubt which is the baseline.

    Flagger's pair ``X-primary`` and ``X``; else two names of one way, of which the earlier seen is the baseline.

    Parameters
    ----------
    counts : iterable of DataFrame
        With `WORDS`, ``block`` and ``count``: requests in blocks of time, of both sides.
    scope : Scope
        Without arms.
    subject : Subject
    source : str

    Raises
    ------
    ParameterError
        No way has two arms, or both were there from the first moment on.
    """
    tables = [frame for frame in counts if len(frame)]
    ways = _ways(scope)
    arms = {word: _arms(tables, word) for word in WORDS}
    for word in ("destination_workload", "destination_service"):
        for name in arms[word].index if _WAY_OF[word] in ways else ():
            if (base := str(name).removesuffix(_PRIMARY)) != name and base in arms[word].index:
                return Chosen(_WAY_OF[word], word, str(name), base, "named as Flagger names them")
    for word in (w for w in _UNNAMED if _WAY_OF[w] in ways):
        mine = arms[word]
        if len(mine) != 2:
            continue
        first, second = (str(name) for name in mine.sort_values("first").index)
        if mine["first"].nunique() == 1:
            one, other = plain(first), plain(second)
            when = "came at the same time" if mine["first"].iloc[0] else "were both there when the window starts"
            raise ParameterError(
                f"{one} and {other} of {plain(subject)} {when}, so which one is the baseline cannot be told",
                f'write baseline = "{one}" and canary = "{other}", or the other way round, or start the window earlier',
            )
        return Chosen(_WAY_OF[word], word, first, second, "because the baseline was there first")
    seen = pd.concat(tables)[list(WORDS)] if tables else pd.DataFrame(columns=list(WORDS), dtype=str)
    raise _no_arms(seen, scope, subject, source)


def _ways(scope: Scope) -> tuple[str, ...]:
    return (scope.arm_by,) if scope.arm_by else tuple(_WAYS)


def _arms(tables: list[pd.DataFrame], word: str) -> pd.DataFrame:
    """The arms of one way that served requests: first block, by name."""
    rows = [t.loc[t[word] != "", [word, "block", "count"]] for t in tables]
    if not rows:
        return pd.DataFrame(columns=["first", "count"])
    found = pd.concat(rows).groupby(word).agg(first=("block", "min"), count=("count", "sum"))
    return found[found["count"] > 0]


def _no_arms(seen: pd.DataFrame, scope: Scope, subject: Subject, source: str) -> ParameterError:
    """What was seen in each way, and the nearest names."""
    names = {way: sorted({n for word in _WAYS[way] for n in seen[word]} - {""}) for way in _ways(scope)}
    listed = "; ".join(f"{way}: {', '.join(map(plain, known[:8])) or 'none'}" for way, known in names.items())
    if not scope.baseline:
        return ParameterError(
            f"the two arms of {plain(subject)} are not to be found in {plain(source)}", f"name them; seen were {listed}"
        )
    missing = [arm for arm in (scope.baseline, scope.canary) if not any(arm in known for known in names.values())]
    if not missing:
        return ParameterError(
            f"{plain(scope.baseline)!r} and {plain(scope.canary)!r} of {plain(subject)} were never seen as names of "
            f"one kind in {plain(source)}",
            f"name two of one kind; seen were {listed}",
        )
    near = [n for way in names for n in difflib.get_close_matches(missing[0], names[way], 3)]
    meant = f"did you mean {', '.join(map(plain, dict.fromkeys(near)))}? " if near else ""
    return ParameterError(
        f"{scope.arm_by or 'version'} of {plain(subject)} {plain(missing[0])!r} was never seen in {plain(source)}",
        f"{meant}seen were {listed}",
    )
