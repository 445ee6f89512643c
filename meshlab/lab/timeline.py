"""The timeline of a run: which moments have come, and what was in force since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meshlab.lab.scenario import Scenario

__all__ = ["Change", "Timeline"]


@dataclass(frozen=True, slots=True)
class Change:
    """A moment of the timeline that has come."""

    planned_s: float
    """Seconds from the window's begin."""
    what: tuple[str, ...]
    """The events that begin; those that end are named with their end."""
    applied_s: float
    """Unix seconds at which the change was made."""
    settled_s: float
    """Unix seconds at which every sidecar had taken it."""

    def to_dict(self, start_s: float) -> dict[str, Any]:
        """As it stands in a recording's truth: seconds from the window's begin."""
        return {
            "planned_s": self.planned_s,
            "what": list(self.what),
            "applied_s": round(self.applied_s - start_s, 3),
            "settled_s": round(self.settled_s - start_s, 3),
        }


@dataclass(eq=False)
class Timeline:
    """Gives out the moments of a scenario, one after the other."""

    scenario: Scenario
    start_s: float
    """Unix seconds of the window's begin."""

    def __post_init__(self) -> None:
        self._left = list(self.scenario.moments)

    def due(self, now_s: float) -> float | None:
        """The next moment, in seconds from the window's begin, if it has come; each is given once."""
        if self._left and now_s >= self.start_s + self._left[0]:
            return self._left.pop(0)
        return None

    def what(self, moment_s: float) -> tuple[str, ...]:
        """What begins and what ends at a moment, in words."""
        begins = [event.what for event in self.scenario.events if event.at_s == moment_s]
        ends = [f"end of: {event.what}" for event in self.scenario.events if event.until_s == moment_s]
        return (*begins, *ends)

    def now(self, now_s: float) -> tuple[str, ...]:
        """The events in force, in words, for a display."""
        return tuple(event.what for event in self.scenario.events if event.holds(now_s - self.start_s))
