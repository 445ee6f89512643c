"""The timeline: what changes on a running mesh, and when. An event sets keys of the scenario itself."""

from __future__ import annotations

from dataclasses import dataclass

from meshlab.errors import ParameterError
from meshlab.lab.tables import Table

__all__ = ["Event", "events"]


@dataclass(frozen=True, slots=True)
class Event:
    """One change.

    Parameters
    ----------
    at_s : float
        Seconds from the window's begin.
    until_s : float
        When it is taken back; infinite when it stays.
    what : str
        In words, for the display and the truth.
    settings : tuple of (str, object)
        Dotted keys of the scenario, such as ``workloads.ledger.latency_factor``, and their values meanwhile.
    """

    at_s: float
    until_s: float
    what: str
    settings: tuple[tuple[str, object], ...]

    def holds(self, at_s: float) -> bool:
        """Whether it is in force at a moment."""
        return self.at_s <= at_s < self.until_s


def events(tables: list[Table]) -> tuple[Event, ...]:
    """Read the ``[[event]]`` tables, in the order of their begin.

    Raises
    ------
    ParameterError
        An unknown key, a wrong type, or an event that sets nothing.
    """
    return tuple(sorted((_event(table) for table in tables), key=lambda event: event.at_s))


def _event(table: Table) -> Event:
    at_s = table.number("at_s")
    until_s = at_s + table.number("for_s", above=0) if table.has("for_s") else float("inf")
    chosen = table.table("set")
    found = Event(at_s, until_s, table.text("what"), tuple((key, chosen.raw(key)) for key in chosen.keys()))  # noqa: SIM118
    table.close()
    if not found.settings:
        raise ParameterError(f"the event at {at_s:g} s sets nothing", 'give it set = {"workloads.x.error_share" = 0.1}')
    return found
