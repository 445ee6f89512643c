"""A service's concurrency limit and the queue before it: a request beyond both is rejected."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

__all__ = ["ServiceQueue"]


@dataclass(eq=False)
class ServiceQueue:
    """First come, first served."""

    concurrency: int
    """Requests at once; 0 for no limit."""
    queue: int
    """Requests that may wait."""
    working: int = field(init=False, default=0)
    """Requests in service."""
    _waiting: deque[asyncio.Future[None]] = field(init=False, default_factory=deque)
    _integral: float = field(init=False, default=0.0)
    _since: float | None = field(init=False, default=None)
    _at: float = field(init=False, default=0.0)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    def resize(self, concurrency: int, queue: int) -> None:
        """Change both limits; requests that wait or are in service stay."""
        self.concurrency, self.queue = concurrency, queue
        self._serve()

    async def enter(self) -> bool:
        """Wait for one's turn; False at once where the queue is full. Who got a turn has to `leave`."""
        if not self.concurrency or (self.working < self.concurrency and not self._waiting):
            self._count(1)
            return True
        if len(self._waiting) >= self.queue:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tick()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It had its turn in the very moment in which it was given up.
                self.leave()
            else:
                self._tick()
                self._waiting.remove(turn)
            raise
        return True

    def leave(self) -> None:
        """End one's turn."""
        self._count(-1)
        self._serve()

    def average(self) -> float:
        """Mean number of requests in service or waiting since it was last asked; the present number the first time."""
        self._tick()
        begin, self._since = self._since, self._at
        integral, self._integral = self._integral, 0.0
        if begin is None or self._at <= begin:
            return float(self.working + len(self._waiting))
        return integral / (self._at - begin)

    def _serve(self) -> None:
        while self._waiting and (not self.concurrency or self.working < self.concurrency):
            self._tick()
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._count(1)

    def _count(self, working: int) -> None:
        self._tick()
        self.working += working

    def _tick(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._since is not None:
            self._integral += (self.working + len(self._waiting)) * (now - self._at)
        self._at = now
