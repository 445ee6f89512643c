"""A service's places: so many requests are worked on at once, so many wait in line, one more is turned away."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Station"]


class Station:
    """First come, first served.

    Parameters
    ----------
    places : int
        Requests at work at once; 0 for no limit.
    queue : int
        Requests that may wait.
    """

    def __init__(self, places: int, queue: int) -> None:
        self._places, self._queue = places, queue
        self._line: deque[asyncio.Future[None]] = deque()
        self._working = 0
        self._integral = 0.0
        self._since: float | None = None
        self._at = 0.0

    @property
    def working(self) -> int:
        """Requests at work."""
        return self._working

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return len(self._line)

    def resize(self, places: int, queue: int) -> None:
        """Change both limits; who waits or works already, stays."""
        self._places, self._queue = places, queue
        self._serve()

    async def enter(self) -> bool:
        """Wait for a place; False at once where the line is full. Who got a place has to `leave` it."""
        if not self._places or (self._working < self._places and not self._line):
            self._count(1)
            return True
        if len(self._line) >= self._queue:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line_up(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It had its turn in the very moment in which it was given up.
                self.leave()
            else:
                self._tick()
                self._line.remove(turn)
            raise
        return True

    def leave(self) -> None:
        """Give a place back."""
        self._count(-1)
        self._serve()

    def average(self) -> float:
        """Mean number of requests at work or waiting since it was last asked; the present number the first time."""
        self._tick()
        begin, self._since = self._since, self._at
        integral, self._integral = self._integral, 0.0
        if begin is None or self._at <= begin:
            return float(self._working + len(self._line))
        return integral / (self._at - begin)

    def _line_up(self, turn: asyncio.Future[None]) -> None:
        self._tick()
        self._line.append(turn)

    def _serve(self) -> None:
        while self._line and (not self._places or self._working < self._places):
            self._tick()
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                self._count(1)

    def _count(self, working: int) -> None:
        self._tick()
        self._working += working

    def _tick(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._since is not None:
            self._integral += (self._working + len(self._line)) * (now - self._at)
        self._at = now
