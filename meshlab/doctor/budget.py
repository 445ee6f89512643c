"""An engine with a budget: so many queries, so much time, and nothing asked twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any, Final

from meshlab.core.series import SeriesSet
from meshlab.core.window import Span, Window
from meshlab.engines.base import Engine
from meshlab.errors import Unreachable

__all__ = ["BudgetExceeded", "BudgetedEngine"]

MOST: Final = 25
LONGEST_S: Final = 10.0


class BudgetExceeded(Unreachable):
    """The budget is used up: what is left is skipped."""


class BudgetedEngine:
    """Passes queries on to an engine until the budget is used up; what was answered before costs nothing.

    Parameters
    ----------
    engine : Engine
    most : int
        Queries.
    longest_s : float
        Seconds from now on; a query that has begun is not cut off.
    """

    def __init__(self, engine: Engine, *, most: int = MOST, longest_s: float = LONGEST_S) -> None:
        self._engine = engine
        self._most, self._until = most, time.monotonic() + longest_s
        self._answered: dict[Hashable, SeriesSet] = {}
        self.asked = 0

    @property
    def description(self) -> str:
        """The engine's."""
        return self._engine.description

    @property
    def is_live(self) -> bool:
        """The engine's."""
        return self._engine.is_live

    @property
    def left_open(self) -> bool:
        """The engine's; costs a query."""
        self._spend()
        return self._engine.left_open

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        """Pass on."""
        return self._once(("query", promql, at), lambda: self._engine.query(promql, at))

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        """Pass on."""
        return self._once(("query_range", promql, window), lambda: self._engine.query_range(promql, window))

    def samples(self, selector: str, window: Span) -> SeriesSet:
        """Pass on."""
        return self._once(("samples", selector, window), lambda: self._engine.samples(selector, window))

    def series(self, selector: str, window: Span) -> SeriesSet:
        """Pass on."""
        return self._once(("series", selector, window), lambda: self._engine.series(selector, window))

    def span(self) -> tuple[datetime, datetime] | None:
        """The engine's."""
        return self._engine.span()

    def now(self) -> datetime:
        """The engine's time, asked once: the examination speaks of one moment."""
        if not hasattr(self, "_now"):
            self._spend()
            self._now = self._engine.now()
        return self._now

    def status(self, path: str) -> dict[str, Any]:
        """What a server reports about itself; nothing where it reports nothing, or is not a server."""
        ask: Callable[[str], dict[str, Any]] | None = getattr(self._engine, "status", None)
        if ask is None:
            return {}
        self._spend()
        return ask(path)

    def _once(self, question: Hashable, ask: Callable[[], SeriesSet]) -> SeriesSet:
        if question not in self._answered:
            self._spend()
            self._answered[question] = ask()
        return self._answered[question]

    def _spend(self) -> None:
        if self.asked >= self._most:
            raise BudgetExceeded(f"the budget of {self._most} queries is used up", "query the rest directly")
        if time.monotonic() > self._until:
            raise BudgetExceeded("the store answers slowly", "allow more time with --seconds")
        self.asked += 1
