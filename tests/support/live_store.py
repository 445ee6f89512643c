"""A live store in memory, which stops or says things when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Span, Window
from meshlab.errors import TooMuch
from meshlab.recordings.engine import Recording

START, EVERY, COUNT = 1_769_860_800, 15, 2_000


def memory() -> Recording:
    at = START + EVERY * np.arange(COUNT)
    rng = np.random.default_rng(0)
    series = [({"__name__": "up", "job": j}, at + i, rng.normal(0, 1, COUNT)) for i, j in enumerate("cab")]
    # A label that only later pieces have, and a series that sorts before all others.
    series += [({"__name__": "late", "a": "1", "job": "a"}, at[1500:], np.arange(500.0))]
    series += [({"__name__": "up", "a": "0", "job": "c"}, at[1200:1300], np.arange(100.0))]
    return Recording.from_series(series)


class LiveStore:
    """A live store that fails when told to."""

    description = "Prometheus 2.42.0 at http://prometheus.internal:9090"
    is_live = True
    left_open = False

    def __init__(self, *, before: Callable[[int], None] = lambda n: None, most: int = 1 << 40) -> None:
        self.store, self.before, self.most = memory(), before, most
        self.asked: list[tuple[str, int, int]] = []
        self.clock = START + 25_000.0
        self.said: dict[str, tuple[str, ...]] = {}

    def samples(self, selector: str, window: Span) -> SeriesSet:
        self.before(len(self.asked))
        found = self.store.samples(selector, window)
        if len(found.sid) > self.most:
            raise TooMuch("the answer is too long", "ask for less")
        self.asked.append((selector, window.start_ms, window.end_ms))
        return found.with_query(replace(found.query, **self.said))

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        return SeriesSet.empty(Query(promql, self.description))

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        return SeriesSet.empty(Query(promql, self.description))

    def series(self, selector: str, window: Span) -> SeriesSet:
        return SeriesSet.empty(Query(selector, self.description))

    def span(self) -> None:
        return None

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock, UTC)


def stops_at(number: int, error: BaseException) -> Callable[[int], None]:
    def before(asked: int) -> None:
        if asked == number:
            raise error

    return before
