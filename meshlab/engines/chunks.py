"""A long question in pieces: cut on a grid, asked at the same time, halved where one is too much."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from meshlab.core.progress import report
from meshlab.core.series import SeriesSet
from meshlab.errors import EngineError, Refused, TooManySeries, TooMuch, Unreachable

__all__ = ["Cut", "Gathered", "Piece", "gather"]

_AIM: Final = 1_000_000
"""Samples that a piece should bring: some 30 MB of JSON."""
_HOPELESS: Final = 3
"""So many pieces in a row may fail before the rest is given up."""


@dataclass(frozen=True, slots=True, order=True)
class Piece:
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
class Cut:
    """How a span is cut.

    Parameters
    ----------
    start_ms, end_ms : int
        The span.
    unit_ms : int
        Pieces begin on multiples of a length that is this one, doubled as often as the answers allow: the same
        question later, over a span that overlaps, has the same pieces.
    longest_ms : int
        No piece is longer.
    shared_edge : bool
        Whether a piece begins where the one before ended (raw samples: start < time <= end) or one `grain_ms` after
        (points of a grid).
    grain_ms : int
        The step of the grid; a piece is never cut smaller.
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

    def next(self, cursor: int, density: float) -> Piece:
        """The piece that begins at the cursor.

        Parameters
        ----------
        cursor : int
        density : float
            Samples a millisecond in the answers so far; 0 when there are none.
        """
        if cursor == self.start_ms and self.end_ms - cursor <= self.whole_ms:
            return Piece(cursor, self.end_ms)
        length = self.unit_ms
        while density and 2 * length <= self.longest_ms and 2 * length * density <= _AIM:
            length *= 2
        edge = (cursor // length + 1) * length
        return Piece(cursor, min(edge if self.shared_edge else edge - self.grain_ms, self.end_ms))

    def after(self, piece: Piece) -> int | None:
        """Where the next piece begins; None at the end."""
        if piece.end_ms >= self.end_ms:
            return None
        return piece.end_ms if self.shared_edge else piece.end_ms + self.grain_ms

    def halves(self, piece: Piece) -> tuple[Piece, Piece] | None:
        """Two pieces for one; None when there is nothing left to halve."""
        grains = (piece.end_ms - piece.start_ms) // self.grain_ms
        if grains < (2 if self.shared_edge else 1):
            return None
        middle = piece.start_ms + grains // 2 * self.grain_ms
        first = Piece(piece.start_ms, middle)
        return first, Piece(middle if self.shared_edge else middle + self.grain_ms, piece.end_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """What came, in the order of time.

    Parameters
    ----------
    parts : list of (Piece, SeriesSet)
    failed : tuple of str
        The pieces that stayed missing, and why.
    """

    parts: list[tuple[Piece, SeriesSet]]
    failed: tuple[str, ...]


def gather(cut: Cut, ask: Callable[[Piece], SeriesSet], *, parallel: int, what: str) -> Gathered:
    """Ask for a span piece by piece.

    Parameters
    ----------
    cut : Cut
    ask : callable
        Called from several threads.
    parallel : int
        Pieces that are asked for at the same time.
    what : str
        The question in words, for who watches the progress.

    Raises
    ------
    BadQuery, UnsupportedQuery
        As soon as the engine says so.
    TooMuch
        Even the smallest piece.
    Unreachable, Refused
        Nothing came at all.
    """
    work = _Work(cut, what)
    first = work.take()
    if first is not None and work.nothing_left:
        # One piece needs no thread.
        work.settle(first, lambda: ask(first))
    elif first is not None:
        work.todo.append(first)
    if work.busy:
        pool = ThreadPoolExecutor(parallel, thread_name_prefix="meshlab")
        try:
            running: dict[Future[SeriesSet], Piece] = {}
            while True:
                while len(running) < parallel and (piece := work.take()) is not None:
                    running[pool.submit(ask, piece)] = piece
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    work.settle(running.pop(future), future.result)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return work.gathered()


class _Work:
    """What is to be done, and what came of it."""

    def __init__(self, cut: Cut, what: str) -> None:
        self.todo: list[Piece] = []
        self._cut, self._what = cut, what
        self._cursor: int | None = cut.start_ms
        self._done: list[tuple[Piece, SeriesSet]] = []
        self._errors: list[tuple[Piece, EngineError]] = []
        self._in_a_row = 0
        self._taken = 0

    @property
    def nothing_left(self) -> bool:
        return self._cursor is None and not self.todo

    @property
    def busy(self) -> bool:
        return not self.nothing_left

    def take(self) -> Piece | None:
        """The next piece to ask for."""
        if self.todo:
            return self.todo.pop()
        if self._cursor is None:
            return None
        piece = self._cut.next(self._cursor, self._density())
        self._cursor = self._cut.after(piece)
        self._taken += 1
        return piece

    def settle(self, piece: Piece, answer: Callable[[], SeriesSet]) -> None:
        """Keep an answer, halve a piece that was too much, note a failure."""
        try:
            self._done.append((piece, answer()))
            self._in_a_row = 0
        except TooMuch as error:
            halves = None if isinstance(error, TooManySeries) else self._cut.halves(piece)
            if halves is None:
                raise error
            self._taken += 1
            self.todo.extend(reversed(halves))
        except (Unreachable, Refused) as error:
            self._errors.append((piece, error))
            self._in_a_row += 1
            if self._in_a_row >= _HOPELESS:
                self._give_up(error)
        report(len(self._done) + len(self._errors), self._total(), self._what)

    def gathered(self) -> Gathered:
        """All that came, or the error when nothing did."""
        if self._errors and not self._done:
            raise self._errors[0][1]
        self._done.sort(key=lambda part: part[0])
        failed = tuple(f"{piece}: {error.what}" for piece, error in sorted(self._errors, key=lambda e: e[0]))
        return Gathered(self._done, failed)

    def _give_up(self, error: EngineError) -> None:
        rest = list(self._remaining())
        self.todo.clear()
        self._cursor = None
        self._errors.extend((piece, error) for piece in rest)

    def _remaining(self) -> Iterator[Piece]:
        yield from self.todo
        if self._cursor is not None:
            yield Piece(self._cursor, self._cut.end_ms)

    def _density(self) -> float:
        span = sum(piece.end_ms - piece.start_ms + self._cut.grain_ms for piece, _ in self._done)
        return max(sum(len(found.sid) for _, found in self._done), 1) / span if span else 0.0

    def _total(self) -> int:
        if self._cursor is None:
            return self._taken
        length = self._cut.next(self._cursor, self._density())
        left = -(-(self._cut.end_ms - self._cursor) // max(length.end_ms - length.start_ms, self._cut.grain_ms))
        return self._taken + left
