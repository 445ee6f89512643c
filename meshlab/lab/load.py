"""The load generator: an open loop with Poisson arrivals, a process of its own.

Run as ``python -m meshlab.lab.load CONFIG.json``; the configuration is that of `LoadPlan`. It starts idle, and is
driven over HTTP: `START`, `MARK` (the window begins, and with it the clock of the shapes), `STOP` (answers when the
last request was answered), `COUNTS` and `HISTORY` (since the mark).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import web

from meshlab.lab import control
from meshlab.lab.history import History
from meshlab.lab.shapes import Rate, arrivals
from meshlab.lab.specs.load import Load

__all__ = ["COUNTS", "HISTORY", "MARK", "START", "STOP", "LoadPlan", "application"]

START: Final = "/lab/start"
STOP: Final = "/lab/stop"
COUNTS: Final = "/lab/counts"
MARK: Final = "/lab/mark"
HISTORY: Final = "/lab/history"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """All that the load generator knows."""

    address: str
    """Where its own control server listens."""
    url: str
    """Where the requests go."""
    host: str
    """Their Host header."""
    stream: str
    """Seeds the arrivals."""
    load: Load
    until_s: float
    """How long shapes last at most, from the mark."""


class Generator:
    """Sends requests at their times, whether or not earlier ones were answered, and counts both."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._sent = 0
        self._shed = 0
        self._answered: Counter[str] = Counter()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._driver: asyncio.Task[None] | None = None
        self._marked = asyncio.Event()
        self._mark_s = 0.0
        self._history = History()

    def counts(self) -> dict[str, object]:
        """Requests sent, shed by the safety cap, still in flight, and answered by status (or by failure)."""
        return {
            "sent": self._sent,
            "shed": self._shed,
            "in_flight": len(self._in_flight),
            "answered": dict(sorted(self._answered.items())),
        }

    def start(self) -> None:
        """Start sending; does nothing when it already does."""
        if self._driver is None:
            self._driver = asyncio.create_task(self._drive())

    async def stop(self) -> dict[str, object]:
        """Stop sending, wait for all answers (each request has a time-out of its own), and give the counts."""
        if self._driver is not None:
            self._driver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._driver
            self._driver = None
        if self._in_flight:
            await asyncio.wait(self._in_flight)
        return self.counts()

    def mark(self) -> None:
        """The window begins now."""
        self._mark_s = asyncio.get_running_loop().time()
        self._marked.set()

    def history(self) -> dict[str, object]:
        """What was sent since the mark, and what came of it."""
        return self._history.to_dict()

    async def _drive(self) -> None:
        clock = asyncio.get_running_loop().time
        timeout = aiohttp.ClientTimeout(total=self._plan.load.timeout_s)
        # Not closed by a cancelled driver: the requests in flight still need it.
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=timeout, headers={"Host": self._plan.host}
        )
        try:
            steady = arrivals(Rate(self._plan.load.rate_per_s, (), 0.0).when, random.Random(self._plan.stream))
            if self._marked.is_set():
                # The window is over, and somebody wants more of the same.
                await self._follow(session, steady, clock(), until_marked=False)
            await self._follow(session, steady, clock(), until_marked=True)
            rate = Rate(self._plan.load.rate_per_s, self._plan.load.shapes, self._plan.until_s)
            # A stream of its own: the window's arrivals do not depend on how long the warm-up was.
            own = random.Random(f"{self._plan.stream}/window")
            await self._follow(session, arrivals(rate.when, own), self._mark_s, until_marked=False)
        finally:
            if self._in_flight:
                await asyncio.wait(self._in_flight)
            await session.close()

    async def _follow(
        self, session: aiohttp.ClientSession, times: Iterator[float], start: float, *, until_marked: bool
    ) -> None:
        """Send at these times; for ever, or until the window begins."""
        clock = asyncio.get_running_loop().time
        for at in times:
            # When late it does not wait, and catches up: an open loop never forgives the system its slowness.
            wait_s = max(0.0, start + at - clock())
            if until_marked:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._marked.wait(), wait_s)
                if self._marked.is_set():
                    return
            else:
                await asyncio.sleep(wait_s)
            if len(self._in_flight) >= self._plan.load.max_in_flight:
                self._shed += 1
                continue
            self._sent += 1
            task = asyncio.create_task(self._send(session))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

    async def _send(self, session: aiohttp.ClientSession) -> None:
        clock = asyncio.get_running_loop().time
        begin, in_window = clock(), self._marked.is_set()
        if in_window:
            self._history.sent(begin - self._mark_s)
        try:
            async with session.get(self._plan.url) as answer:
                await answer.read()
            outcome = str(answer.status)
        except TimeoutError:
            outcome = "timeout"
        except aiohttp.ClientError:
            outcome = "failed"
        self._answered[outcome] += 1
        if in_window:
            self._history.answered(begin - self._mark_s, outcome, clock() - begin)


def application(plan: LoadPlan) -> web.Application:
    """The generator's control server."""
    own = Generator(plan)

    async def end(_: web.Application) -> None:
        await own.stop()

    app = web.Application()
    posts = {START: own.start, STOP: own.stop, MARK: own.mark}
    control.routes(app, post=posts, get={COUNTS: own.counts, HISTORY: own.history})
    app.on_shutdown.append(end)
    return app


if __name__ == "__main__":
    _plan = control.configured(LoadPlan)
    asyncio.run(control.serve(application(_plan), _plan.address))
