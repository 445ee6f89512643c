"""What a question says about being asked of every service at once.

A question that can be swept exports a module ``fleet`` beside ``collect`` and ``judge``, with three functions::

    policy(given) -> Policy                    settings, from the parameters that were given
    asks(evidence, given) -> Iterator[Ask]     whom to judge: from what `collect(mesh, window, None)` returned
    figures(result, policy) -> list[Figure]    what its page shows

`given` holds the notebook's parameters that the user typed, in their declared types: no defaults, which are examples.
"""

from __future__ import annotations

import copyreg
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from meshlab.core.evidence import Evidence
from meshlab.core.subject import IDENTITY, Subject

__all__ = ["Ask", "parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One subject of a sweep.

    Parameters
    ----------
    subject : Subject
    evidence : Evidence
        The subject's own part; its `subjects` is the subject alone.
    scope : object or None
        What the question's judge takes; None: there is nothing to judge, and `reason` says why.
    reason : str
        One sentence.
    lacking : bool
        Whether a verdict was due all the same: then it is INCONCLUSIVE, and not just NOT_MEASURED.
    """

    subject: Subject
    evidence: Evidence
    scope: Any = None
    reason: str = ""
    lacking: bool = False


def parts(evidence: Evidence, namespace: object = "") -> Iterator[tuple[Subject, Evidence]]:
    """Cut the evidence about all services into one for each, sorted by the services' names.

    Frames that do not speak of services (autoscalers, pods) are left whole: only the question knows what is whose.

    Parameters
    ----------
    evidence : Evidence
    namespace : str
        Others are left out; empty for none.
    """
    keys = list(IDENTITY)
    own = {name: frame for name, frame in evidence.frames.items() if set(keys) <= set(frame.columns)}
    places: dict[str, dict[Any, Any]] = {
        name: dict(frame.groupby(keys, sort=False).indices) if len(frame) else {} for name, frame in own.items()
    }
    for key in sorted({key for found in places.values() for key in found}):
        cluster, place, service = map(str, key)
        subject = Subject(cluster, place, service)
        if namespace and subject.namespace != namespace:
            continue
        cut = {name: frame.iloc[places[name].get(key, [])].reset_index(drop=True) for name, frame in own.items()}
        frames = MappingProxyType({**evidence.frames, **cut})
        yield subject, dataclasses.replace(evidence, frames=frames, subjects=(subject,))


def _frozen(items: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(items)


def _reduced(mapping: Any) -> tuple[Any, tuple[dict[Any, Any]]]:
    return _frozen, (dict(mapping),)


# Evidence and policies hold mappings that nobody changes, which Python by itself does not carry to another process.
copyreg.pickle(MappingProxyType, _reduced)
