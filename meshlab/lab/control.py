"""What every Python process of the lab serves besides its work: health and event-loop lag."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from meshlab.lab.lag import LagMeter

__all__ = ["HEALTH", "LAG", "routes", "serve"]

HEALTH = "/lab/health"
LAG = "/lab/lag"


Handler = Callable[[web.Request], Awaitable[object]]
"""Gives what its answer holds, as JSON."""


def routes(app: web.Application, **handlers: Mapping[str, Handler]) -> None:
    """Route requests to handlers whose results are answered as JSON.

    Parameters
    ----------
    app : web.Application
    **handlers : mapping of str to handler
        By path, for each method: ``get={"/counts": counts}``.
    """

    def answering(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            return web.json_response(await handler(request))

        return answer

    for method, by_path in handlers.items():
        for path, handler in by_path.items():
            app.router.add_route(method.upper(), path, answering(handler))


async def serve(app: web.Application, host: str, port: int, *, cancels: bool = False) -> None:
    """Serve an application, with health and event-loop lag, until SIGTERM.

    Parameters
    ----------
    app : web.Application
        Its own routes are set; they must not catch ``/lab/``.
    host, port : str, int
        Where it listens.
    cancels : bool
        Whether a request whose client has gone is no longer worked on.
    """
    meter = LagMeter()

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def lag(_: web.Request) -> web.Response:
        return web.json_response(meter.take())

    app.router.add_get(HEALTH, health)
    app.router.add_post(LAG, lag)
    # Sidecars keep idle connections for an hour: a server that hangs up earlier would race with a new request.
    runner = web.AppRunner(
        app, access_log=None, keepalive_timeout=7200, handler_cancellation=cancels, shutdown_timeout=1.0
    )
    await runner.setup()
    measuring = asyncio.create_task(meter.measure())
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        await stopped.wait()
    finally:
        measuring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await measuring
        await runner.cleanup()
