"""An aiohttp application behind a real socket, for as long as something is done with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

__all__ = ["Client", "scene"]

Client = aiohttp.ClientSession


def scene(app: web.Application, act: Callable[[Client], Awaitable[Any]], *, cancels: bool = False) -> Any:
    """Serve an application as the lab's processes do, without signals; what was done with it gives the result."""

    async def play() -> Any:
        runner = web.AppRunner(app, handler_cancellation=cancels, shutdown_timeout=1.0)
        await runner.setup()
        chosen = socket.create_server(("127.0.0.1", 0))
        try:
            await web.SockSite(runner, chosen).start()
            async with Client(f"http://127.0.0.1:{chosen.getsockname()[1]}") as client:
                return await act(client)
        finally:
            await runner.cleanup()

    return asyncio.run(play())
