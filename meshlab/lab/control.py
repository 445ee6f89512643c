"""What every Python process of the lab has besides its work: a configuration, health and event-loop lag."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from meshlab.lab.addresses import APP_PORT
from meshlab.lab.lag import LagMeter

__all__ = ["HEALTH", "LAG", "configured", "routes", "serve"]

HEALTH = "/lab/health"
LAG = "/lab/lag"

_Config = TypeVar("_Config")
Handlers = Mapping[str, Callable[..., Any]]
"""By path; each takes the JSON of a request that has some, and gives what its answer holds, or None for nothing."""


def configured(kind: type[_Config]) -> _Config:
    """The configuration in the file that the command line names."""
    return msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=kind)


def routes(app: web.Application, **handlers: Handlers) -> None:
    """Route requests to handlers whose results are answered as JSON.

    Parameters
    ----------
    **handlers
        Those of each method: ``get={"/counts": counts}``.
    """

    def answering(handler: Callable[..., Any]) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.Response:
            found = handler(*([await request.json()] if request.body_exists else []))
            found = await found if isawaitable(found) else found
            return web.json_response({} if found is None else found)

        return answer

    for method, by_path in handlers.items():
        for path, handler in by_path.items():
            app.router.add_route(method.upper(), path, answering(handler))


async def serve(app: web.Application, host: str, *, cancels: bool = False) -> None:
    """Serve an application, with health and event-loop lag, until SIGTERM.

    Parameters
    ----------
    app : web.Application
        Its own routes are set; they must not catch ``/lab/``.
    host : str
        Where it listens.
    cancels : bool
        Whether a request whose client has gone is no longer worked on.
    """
    meter = LagMeter()
    routes(app, get={HEALTH: lambda: None}, post={LAG: meter.take})
    # Sidecars keep idle connections for an hour: a server that hangs up earlier would race with a new request.
    runner = web.AppRunner(
        app, access_log=None, keepalive_timeout=7200, handler_cancellation=cancels, shutdown_timeout=1.0
    )
    await runner.setup()
    measuring = asyncio.create_task(meter.measure())
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        await web.TCPSite(runner, host, APP_PORT, backlog=1024).start()
        await stopped.wait()
    finally:
        measuring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await measuring
        await runner.cleanup()
