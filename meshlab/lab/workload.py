"""The process behind a sidecar: a service that takes its time, fails now and then, and calls others.

Run as ``python -m meshlab.lab.workload CONFIG.json``; the configuration is that of `Behaviour`.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from meshlab.lab import control
from meshlab.lab.addresses import APP_PORT, OUTBOUND_PORT
from meshlab.lab.topology import Workload, service_host

__all__ = ["Behaviour"]

_SESSION: Final = web.AppKey("session", aiohttp.ClientSession)
_PATIENCE: Final = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """All that a service process knows.

    Parameters
    ----------
    address : str
        Its own address; its sidecar's outbound listener is there too.
    stream : str
        Seeds its random numbers.
    hosts : tuple of str
        Services to call for every request, in this order.
    median_s, sigma : float
        Log-normal service time.
    error_share, error_status : float, int
        How often it fails by itself, and with which status.
    """

    address: str
    stream: str
    hosts: tuple[str, ...]
    median_s: float
    sigma: float
    error_share: float
    error_status: int

    @classmethod
    def of(cls, workload: Workload, seed: int) -> Behaviour:
        """The behaviour of a workload; each has a random stream of its own, so that none disturbs another's."""
        spec = workload.spec
        return cls(
            address=workload.address,
            stream=f"{seed}/{spec.name}",
            hosts=tuple(service_host(service, workload.namespace) for service in spec.calls),
            median_s=spec.service_time_median_ms * spec.latency_factor / 1000,
            sigma=spec.service_time_sigma,
            error_share=spec.error_share,
            error_status=spec.error_status,
        )

    @classmethod
    def from_json(cls, text: str) -> Behaviour:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "hosts": tuple(fields["hosts"])})

    def to_json(self) -> str:
        """Write all fields as a JSON object."""
        return json.dumps(asdict(self))

    def draw(self, stream: random.Random) -> tuple[float, bool]:
        """The service time in seconds and whether it fails, of one request.

        Always two draws, so that a changed error share leaves all service times as they were.
        """
        service_s = self.median_s * math.exp(self.sigma * stream.gauss(0, 1))
        return service_s, stream.random() < self.error_share


def application(behaviour: Behaviour) -> web.Application:
    """The service as an aiohttp application."""
    stream = random.Random(behaviour.stream)
    outbound = f"http://{behaviour.address}:{OUTBOUND_PORT}"

    async def handle(request: web.Request) -> web.Response:
        service_s, fails = behaviour.draw(stream)
        await asyncio.sleep(service_s)
        if fails:
            return web.Response(status=behaviour.error_status, text="error\n")
        for host in behaviour.hosts:
            try:
                async with request.app[_SESSION].get(f"{outbound}{request.path}", headers={"Host": host}) as answer:
                    await answer.read()
            except (aiohttp.ClientError, TimeoutError):
                return web.Response(status=502, text="no answer from my own sidecar\n")
            if answer.status >= 400:
                return web.Response(status=answer.status, text="error behind me\n")
        return web.Response(text="ok\n")

    async def session(app: web.Application) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=_PATIENCE) as opened:
            app[_SESSION] = opened
            yield

    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_get("/", handle)
    return app


if __name__ == "__main__":
    _behaviour = Behaviour.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    asyncio.run(control.serve(application(_behaviour), _behaviour.address, APP_PORT))
