"""Whether a question can be answered from a store, and how to ask it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from meshlab.core.evidence import Missing

__all__ = ["Readiness", "State"]


class State(StrEnum):
    """How ready a store is for a question."""

    READY = "ready"
    WAITING = "waiting"
    """All that is needed is exported; what the question is about does not go on now."""
    LACKING = "lacking"
    """Something that is required is not exported."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a question found out about a store.

    Parameters
    ----------
    state : State
    reason : str
        One sentence.
    missing : tuple of Missing
        What is not exported, and how to switch it on.
    parameters : mapping of str to str
        What to give the notebook; as good an example as there is where nothing goes on now.
    """

    state: State
    reason: str
    missing: tuple[Missing, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
