"""The protocol of an engine: PromQL in, SeriesSet out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

from meshlab.core.selector import Matcher
from meshlab.core.series import SeriesSet
from meshlab.core.window import Span, Window

__all__ = ["LOOKBACK_MS", "Engine", "TellsEnds"]

LOOKBACK_MS: Final = 300_000
"""How old a sample may be and still count, in every engine."""


@runtime_checkable
class Engine(Protocol):
    """Whatever answers PromQL: a server over HTTP, or a recording.

    All times are the engine's own. An empty answer is an empty `SeriesSet`, never an error. A part that is missing
    is named in ``SeriesSet.query.failed``.
    """

    @property
    def description(self) -> str:
        """What this engine is, for people: kind and address or name, never a secret."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether time goes on: True for a server, False for a recording."""
        ...

    @property
    def left_open(self) -> bool:
        """Whether range selectors leave out their first instant (Prometheus 3) or hold it (Prometheus 2)."""
        ...

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        """Evaluate an expression at one instant (default: `now`).

        A range vector answers with its raw samples, a scalar with one series without labels.

        Raises
        ------
        BadQuery, UnsupportedQuery, Unreachable, Refused
        """
        ...

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        """Evaluate an expression at every point of a window's grid."""
        ...

    def samples(self, selector: str, window: Span) -> SeriesSet:
        """Raw samples with start < time <= end, stale markers left out."""
        ...

    def series(self, selector: str, window: Span) -> SeriesSet:
        """The label table of the series with data in the window; no samples."""
        ...

    def span(self) -> tuple[datetime, datetime] | None:
        """First and last moment with data where that is known cheaply (a recording), else None."""
        ...

    def now(self) -> datetime:
        """The engine's own time: the one clock there is. A recording's is its end."""
        ...


@runtime_checkable
class TellsEnds(Protocol):
    """An engine that may also say when series ended."""

    @property
    def tells_ends(self) -> bool:
        """Whether it is worth asking."""
        ...

    def stale_markers(self, matchers: Sequence[Matcher], spans: Sequence[Span]) -> SeriesSet | None:
        """Stale markers as samples, in spans (start < time <= end); None where the store does not tell them.

        A store may add labels of its own (external labels) to those that its queries answer with.

        Raises
        ------
        Unreachable, Refused, TooMuch
        """
        ...
