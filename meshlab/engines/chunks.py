"""A long question in chunks: cut on a grid, asked at the same time, halved where one is too much."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from meshlab.core.progress import report
from meshlab.core.series import SeriesSet
from meshlab.errors import EngineError, Refused, TooManySeries, TooMuch, Unreachable

__all__ = ["Chunk", "ChunkPlan", "Fetched", "fetch_chunks"]

_AIM: Final = 1_000_000
"""Samples that a chunk should bring: some 30 MB of JSON."""
_HOPELESS: Final = 3
"""So many chunks in a row may fail before the rest is given up."""


@dataclass(frozen=True, slots=True, order=True)
class Chunk:
    """A part of a question.

    Parameters
    ----------
    start_ms, end_ms : int
        Unix milliseconds.
    """

    start_ms: int
    end_ms: int

    def __str__(self) -> str:
        first, last = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (self.start_ms, self.end_ms))
        return f"{first:%Y-%m-%dT%H:%M:%SZ} to {last:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPlan:
    """How a span is cut.

    Parameters
    ----------
    start_ms, end_ms : int
        The span.
    unit_ms : int
        Chunks begin on multiples of a length that is this one, doubled as often as the answers allow: the same
        question later, over a span that overlaps, has the same chunks.
    longest_ms : int
        No chunk is longer.
    shared_edge : bool
        Whether a chunk begins where the one before ended (raw samples: start < time <= end) or one `grain_ms` after
        (points of a grid).
    grain_ms : int
        The step of the grid; a chunk is never cut smaller.
    whole_ms : int
        A span that is not longer is not cut at all.
    """

    start_ms: int
    end_ms: int
    unit_ms: int
    longest_ms: int
    shared_edge: bool
    grain_ms: int
    whole_ms: int = 0

    def next(self, cursor: int, density: float) -> Chunk:
        """The chunk that begins at the cursor.

        Parameters
        ----------
        cursor : int
        density : float
            Samples a millisecond in the answers so far; 0 when there are none.
        """
        if cursor == self.start_ms and self.end_ms - cursor <= self.whole_ms:
            return Chunk(cursor, self.end_ms)
        length = self.unit_ms
        while density and 2 * length <= self.longest_ms and 2 * length * density <= _AIM:
            length *= 2
        edge = (cursor // length + 1) * length
        return Chunk(cursor, min(edge if self.shared_edge else edge - self.grain_ms, self.end_ms))

    def after(self, chunk: Chunk) -> int | None:
        """Where the next chunk begins; None at the end."""
        if chunk.end_ms >= self.end_ms:
            return None
        return chunk.end_ms if self.shared_edge else chunk.end_ms + self.grain_ms

    def halves(self, chunk: Chunk) -> tuple[Chunk, Chunk] | None:
        """Two chunks for one; None when there is nothing left to halve."""
        grains = (chunk.end_ms - chunk.start_ms) // self.grain_ms
        if grains < (2 if self.shared_edge else 1):
            return None
        middle = chunk.start_ms + grains // 2 * self.grain_ms
        first = Chunk(chunk.start_ms, middle)
        return first, Chunk(middle if self.shared_edge else middle + self.grain_ms, chunk.end_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """What came, in the order of time.

    Parameters
    ----------
    parts : list of (Chunk, SeriesSet)
    failed : tuple of str
        The chunks that stayed missing, and why.
    """

    parts: list[tuple[Chunk, SeriesSet]]
    failed: tuple[str, ...]


def fetch_chunks(plan: ChunkPlan, ask: Callable[[Chunk], SeriesSet], *, parallel: int, what: str) -> Fetched:
    """Ask for a span chunk by chunk.

    Parameters
    ----------
    plan : ChunkPlan
    ask : callable
        Called from several threads.
    parallel : int
        Chunks that are asked for at the same time.
    what : str
        The question in words, for who watches the progress.

    Raises
    ------
    BadQuery, UnsupportedQuery
        As soon as the engine says so.
    TooMuch
        Even the smallest chunk.
    Unreachable, Refused
        Nothing came at all.
    """
    work = _Work(plan, what)
    first = work.take()
    if first is not None and work.is_done:
        # One chunk needs no thread.
        work.settle(first, lambda: ask(first))
    elif first is not None:
        work.todo.append(first)
    if not work.is_done:
        pool = ThreadPoolExecutor(parallel, thread_name_prefix="meshlab")
        try:
            running: dict[Future[SeriesSet], Chunk] = {}
            while True:
                while len(running) < parallel and (chunk := work.take()) is not None:
                    running[pool.submit(ask, chunk)] = chunk
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    work.settle(running.pop(future), future.result)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return work.fetched()


class _Work:
    """What is to be done, and what came of it."""

    def __init__(self, plan: ChunkPlan, what: str) -> None:
        self.todo: list[Chunk] = []
        self._plan, self._what = plan, what
        self._cursor: int | None = plan.start_ms
        self._done: list[tuple[Chunk, SeriesSet]] = []
        self._errors: list[tuple[Chunk, EngineError]] = []
        self._in_a_row = 0
        self._taken = 0

    @property
    def is_done(self) -> bool:
        return self._cursor is None and not self.todo

    def take(self) -> Chunk | None:
        """The next chunk to ask for."""
        if self.todo:
            return self.todo.pop()
        if self._cursor is None:
            return None
        chunk = self._plan.next(self._cursor, self._density())
        self._cursor = self._plan.after(chunk)
        self._taken += 1
        return chunk

    def settle(self, chunk: Chunk, answer: Callable[[], SeriesSet]) -> None:
        """Keep an answer, halve a chunk that was too much, note a failure."""
        try:
            self._done.append((chunk, answer()))
            self._in_a_row = 0
        except TooMuch as error:
            halves = None if isinstance(error, TooManySeries) else self._plan.halves(chunk)
            if halves is None:
                raise error
            self._taken += 1
            self.todo.extend(reversed(halves))
        except (Unreachable, Refused) as error:
            self._errors.append((chunk, error))
            self._in_a_row += 1
            if self._in_a_row >= _HOPELESS:
                self._give_up(error)
        report(len(self._done) + len(self._errors), self._total(), self._what)

    def fetched(self) -> Fetched:
        """All that came, or the error when nothing did."""
        if self._errors and not self._done:
            raise self._errors[0][1]
        self._done.sort(key=lambda part: part[0])
        failed = tuple(f"{chunk}: {error.what}" for chunk, error in sorted(self._errors, key=lambda e: e[0]))
        return Fetched(self._done, failed)

    def _give_up(self, error: EngineError) -> None:
        rest = [] if self._cursor is None else [Chunk(self._cursor, self._plan.end_ms)]
        self._errors.extend((chunk, error) for chunk in (*self.todo, *rest))
        self.todo, self._cursor = [], None

    def _density(self) -> float:
        span = sum(chunk.end_ms - chunk.start_ms + self._plan.grain_ms for chunk, _ in self._done)
        return max(sum(len(found.sid) for _, found in self._done), 1) / span if span else 0.0

    def _total(self) -> int:
        if self._cursor is None:
            return self._taken
        following = self._plan.next(self._cursor, self._density())
        length = max(following.end_ms - following.start_ms, self._plan.grain_ms)
        return self._taken + math.ceil((self._plan.end_ms - self._cursor) / length)
