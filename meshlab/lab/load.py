"""The load generator: an open loop with Poisson arrivals, a process of its own.

Run as ``python -m meshlab.lab.load CONFIG.json``; the configuration is that of `LoadPlan`. It starts idle, and is
driven over HTTP: `START`, `STOP` (answers when the last request was answered) and `COUNTS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from meshlab.lab import control
from meshlab.lab.addresses import APP_PORT

__all__ = ["COUNTS", "START", "STOP", "LoadPlan", "arrivals"]

START: Final = "/lab/start"
STOP: Final = "/lab/stop"
COUNTS: Final = "/lab/counts"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """All that the load generator knows.

    Parameters
    ----------
    address : str
        Where its own control server listens.
    url, host : str
        Where the requests go, and their Host header.
    stream : str
        Seeds the arrivals.
    rate_per_s, timeout_s, max_in_flight : float, float, int
        As in `meshlab.lab.scenario.Load`.
    """

    address: str
    url: str
    host: str
    stream: str
    rate_per_s: float
    timeout_s: float
    max_in_flight: int

    @classmethod
    def from_json(cls, text: str) -> LoadPlan:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Write all fields as a JSON object."""
        return json.dumps(asdict(self))


def arrivals(rate_per_s: float, stream: random.Random) -> Iterator[float]:
    """The endless times of a Poisson process, in seconds from its start.

    Parameters
    ----------
    rate_per_s : float
        Mean arrivals a second.
    stream : random.Random
        The same seed gives the same times, however fast they are used.
    """
    at = 0.0
    while True:
        at += stream.expovariate(rate_per_s)
        yield at


class Generator:
    """Sends requests at their times, whether or not earlier ones were answered, and counts both."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._sent = 0
        self._shed = 0
        self._answered: Counter[str] = Counter()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._driver: asyncio.Task[None] | None = None

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

    async def stop(self) -> None:
        """Stop sending and wait for all answers; each request has a time-out of its own."""
        if self._driver is not None:
            self._driver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._driver
            self._driver = None
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    async def _drive(self) -> None:
        clock = asyncio.get_running_loop().time
        timeout = aiohttp.ClientTimeout(total=self._plan.timeout_s)
        # Not closed by a cancelled driver: the requests in flight still need it.
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=timeout, headers={"Host": self._plan.host}
        )
        try:
            start = clock()
            for at in arrivals(self._plan.rate_per_s, random.Random(self._plan.stream)):
                # When late it does not wait, and catches up: an open loop never forgives the system its slowness.
                await asyncio.sleep(max(0.0, start + at - clock()))
                if len(self._in_flight) >= self._plan.max_in_flight:
                    self._shed += 1
                    continue
                self._sent += 1
                task = asyncio.create_task(self._send(session))
                self._in_flight.add(task)
                task.add_done_callback(self._in_flight.discard)
        finally:
            if self._in_flight:
                await asyncio.wait(self._in_flight)
            await session.close()

    async def _send(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(self._plan.url) as answer:
                await answer.read()
            self._answered[str(answer.status)] += 1
        except TimeoutError:
            self._answered["timeout"] += 1
        except aiohttp.ClientError:
            self._answered["failed"] += 1


def application(plan: LoadPlan) -> web.Application:
    """The generator's control server."""
    generator = Generator(plan)

    async def start(_: web.Request) -> web.Response:
        generator.start()
        return web.json_response(generator.counts())

    async def stop(_: web.Request) -> web.Response:
        await generator.stop()
        return web.json_response(generator.counts())

    async def counts(_: web.Request) -> web.Response:
        return web.json_response(generator.counts())

    async def end(_: web.Application) -> None:
        await generator.stop()

    app = web.Application()
    app.router.add_post(START, start)
    app.router.add_post(STOP, stop)
    app.router.add_get(COUNTS, counts)
    app.on_shutdown.append(end)
    return app


if __name__ == "__main__":
    _plan = LoadPlan.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    asyncio.run(control.serve(application(_plan), _plan.address, APP_PORT))
