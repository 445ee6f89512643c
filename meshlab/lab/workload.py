"""The process behind a sidecar: a service that takes its time, fails now and then, and calls others.

Run as ``python -m meshlab.lab.workload CONFIG.json``; the configuration is that of `Behaviour`. It is driven over HTTP:
`BEHAVIOUR` replaces its behaviour, `COUNTS` gives what it did, `CONCURRENCY` how many requests it had on average
since it was last asked; after `REST` it makes no requests by itself any more.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from time import thread_time
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from meshlab.lab import control
from meshlab.lab.behaviour import Behaviour
from meshlab.lab.service_queue import ServiceQueue

__all__ = ["BEHAVIOUR", "CONCURRENCY", "COUNTS", "REST", "application"]

BEHAVIOUR: Final = "/lab/behaviour"
COUNTS: Final = "/lab/counts"
CONCURRENCY: Final = "/lab/concurrency"
REST: Final = "/lab/rest"
_ATTEMPT: Final = "x-envoy-attempt-count"
_PASSED_ON: Final = ("x-request-id", "traceparent", "tracestate")
_SLICE_S: Final = 0.002


class Service:
    """One replica of a service."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._stream = random.Random(behaviour.stream)
        self._queue = ServiceQueue(behaviour.spec.concurrency, behaviour.spec.queue)
        self._turns = count()
        self._counts: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._sent: dict[str, Counter[str]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._own: asyncio.Task[None] | None = None
        self._own_calls: set[asyncio.Task[int]] = set()

    def behave(self, given: dict[str, Any]) -> None:
        """It behaves otherwise from the next request on; its random numbers go on where they are."""
        self._behaviour = behaviour = msgspec.convert(given, Behaviour)
        self._queue.resize(behaviour.spec.concurrency, behaviour.spec.queue)

    def counts(self) -> dict[str, object]:
        """What it did so far.

        Returns
        -------
        dict
            ``arrivals`` (``retries`` among them), ``answered`` by status, ``rejected`` by a full queue (503, among the
            answered), ``abandoned`` (finished after the caller had gone), ``cancelled``, ``working`` and ``waiting``
            now, and ``sent`` by host: by status, ``missed`` the deadline or ``failed``.
        """
        return {
            **{name: self._counts[name] for name in ("arrivals", "retries", "rejected", "abandoned", "cancelled")},
            "answered": dict(sorted(self._answered.items())),
            "working": self._queue.working,
            "waiting": self._queue.waiting,
            "sent": {host: dict(sorted(counts.items())) for host, counts in sorted(self._sent.items())},
        }

    def concurrency(self) -> dict[str, float]:
        """Requests in service or waiting: the ``mean`` since this was last asked."""
        return {"mean": self._queue.average()}

    async def handle(self, request: web.Request) -> web.Response:
        """One request of somebody."""
        self._counts["arrivals"] += 1
        self._counts["retries"] += request.headers.get(_ATTEMPT, "1") != "1"
        try:
            status = await self._served(request)
        except asyncio.CancelledError:
            self._counts["cancelled"] += 1
            raise
        if request.transport is None or request.transport.is_closing():
            self._counts["abandoned"] += 1
        self._answered[str(status)] += 1
        # Errors have no body: Envoy resets the stream of a retried error that has one, and its connection with it.
        return web.Response(status=status, text="ok\n") if status < 400 else web.Response(status=status)

    async def own_requests(self) -> None:
        """What it does by itself, as a batch job; never ends."""
        stream = random.Random(f"{self._behaviour.stream}/own")
        clock = asyncio.get_running_loop().time
        at = clock()
        while True:
            at += stream.expovariate(self._behaviour.spec.own_rate_per_s)
            await asyncio.sleep(max(0.0, at - clock()))
            task = asyncio.create_task(self._call_all({}))
            self._own_calls.add(task)
            task.add_done_callback(self._own_calls.discard)

    async def rest(self) -> None:
        """Make no more requests by itself, and wait for the answers to those that are under way."""
        if self._own is not None:
            self._own.cancel()
        if self._own_calls:
            await asyncio.wait(self._own_calls)

    async def lifetime(self, _: web.Application) -> AsyncIterator[None]:
        """Open its connections, and close them."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as opened:
            self._session = opened
            if self._behaviour.spec.own_rate_per_s:
                self._own = asyncio.create_task(self.own_requests())
            yield
            if self._own is not None:
                self._own.cancel()

    async def _served(self, request: web.Request) -> int:
        """The status of the answer."""
        behaviour = self._behaviour
        if not await self._queue.enter():
            self._counts["rejected"] += 1
            return 503
        try:
            service_s, fails = behaviour.draw(self._stream)
            await _work(service_s, behaviour.spec.cpu_share)
        finally:
            self._queue.leave()
        if fails:
            return behaviour.spec.error_status
        return await self._call_all({name: request.headers[name] for name in _PASSED_ON if name in request.headers})

    async def _call_all(self, headers: dict[str, str]) -> int:
        for host, addresses in self._behaviour.calls:
            url = addresses[next(self._turns) % len(addresses)]
            status = await self._call(url, host, headers)
            if status >= 400:
                return status
        return 200

    async def _call(self, url: str, host: str, headers: dict[str, str]) -> int:
        assert self._session is not None
        counts = self._sent.setdefault(host, Counter())
        try:
            async with asyncio.timeout(self._behaviour.spec.deadline_ms / 1000 or 60.0):
                async with self._session.get(f"{url}/", headers={**headers, "Host": host}) as answer:
                    await answer.read()
        except TimeoutError:
            counts["missed"] += 1
            return 504
        except aiohttp.ClientError:
            counts["failed"] += 1
            return 502
        counts[str(answer.status)] += 1
        return answer.status


async def _work(service_s: float, cpu_share: float) -> None:
    """Take time: a share of it in the processor, in slices so short that others are not held up."""
    left_s = service_s * cpu_share
    await asyncio.sleep(service_s - left_s)
    while left_s > 0:
        # Processor time, not the clock's: what a request costs does not shrink when the machine is busy.
        begin = thread_time()
        while thread_time() - begin < min(_SLICE_S, left_s):
            pass
        left_s -= thread_time() - begin
        await asyncio.sleep(0)


def application(behaviour: Behaviour) -> web.Application:
    """The service as an aiohttp application."""
    service = Service(behaviour)

    app = web.Application()
    app.cleanup_ctx.append(service.lifetime)
    app.router.add_get("/", service.handle)
    posts: control.Handlers = {BEHAVIOUR: service.behave, CONCURRENCY: service.concurrency, REST: service.rest}
    control.routes(app, post=posts, get={COUNTS: service.counts})
    return app


if __name__ == "__main__":
    _own = control.configured(Behaviour)
    asyncio.run(control.serve(application(_own), _own.address, cancels=_own.spec.cancels))
