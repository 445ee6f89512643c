"""The control plane's server: gives every sidecar its configuration over REST, the moment that it changes; and tells
Prometheus which sidecars there are.

Run as ``python -m meshlab.lab.xds CONFIG.json`` with ``{"address": ...}``. A sidecar that has the newest version of a
resource is held until there is a newer one: nothing is polled, and no inotify instance is used.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any, Final

from aiohttp import web

from meshlab.lab import control

__all__ = ["SNAPSHOTS", "STATES", "TARGETS", "application"]

SNAPSHOTS: Final = "/lab/snapshots"
STATES: Final = "/lab/states"
TARGETS: Final = "/lab/targets"
_HELD_S: Final = 25.0
_BYTES: Final = 16 << 20
_PATIENCE: Final = 4


Names = tuple[str, ...]
"""The resources that one subscription asks for; none for all of them."""


class _Held:
    """One kind of resources of one sidecar, and what its subscriptions have of it."""

    def __init__(self) -> None:
        self.version = 0
        self.changed = asyncio.Event()
        self._text = ""
        self._resources: list[dict[str, Any]] = []
        self._has: dict[Names, int] = {}
        self._given: Counter[tuple[Names, int]] = Counter()
        self._back: set[Names] = set()

    def set(self, resources: list[dict[str, Any]]) -> None:
        """Replace the resources; nothing happens where they are the same."""
        text = json.dumps(resources, sort_keys=True)
        if text != self._text:
            self.version, self._text, self._resources = self.version + 1, text, resources
            self._given.clear()
            self.changed.set()
            self.changed = asyncio.Event()

    def asked(self, names: Names, has: str) -> None:
        """A sidecar asks, with the version that it has."""
        self._has[names] = int(has) if has.isdigit() else 0
        self._back.add(names)
        if self._has[names] == self.version:
            del self._given[names, self.version]

    def is_new(self, names: Names) -> bool:
        """Whether there is something to give; a version that was refused is not given again."""
        return self._has[names] != self.version and not self._is_refused(names)

    def give(self, names: Names) -> dict[str, Any]:
        """The answer with the newest version."""
        self._given[names, self.version] += 1
        self._back.discard(names)
        found = [resource for resource in self._resources if not names or _name(resource) in names]
        return {"version_info": str(self.version), "resources": found}

    def state(self) -> str:
        """``taken``, ``waiting``, or ``refused`` when a sidecar was given the newest version and asks with another."""
        known = {_name(resource) for resource in self._resources}
        behind = [
            names
            for names, has in self._has.items()
            if has != self.version and (not names or known.intersection(names))
        ]
        if any(self._is_refused(names) for names in behind):
            return "refused"
        return "waiting" if behind else "taken"

    def _is_refused(self, names: Names) -> bool:
        # With nothing at all asks also who subscribes anew, because its cluster or listener was replaced.
        enough = 1 if self._has[names] else _PATIENCE
        return names in self._back and self._given[names, self.version] >= enough


def application() -> web.Application:
    """The server as an aiohttp application."""
    held: dict[tuple[str, str], _Held] = {}
    targets: list[object] = []
    ended = asyncio.Event()

    async def discover(request: web.Request) -> web.Response:
        asked = await request.json()
        kind = request.match_info["kind"]
        entry = held.setdefault((asked["node"]["id"], kind), _Held())
        names = tuple(asked.get("resource_names") or asked.get("resourceNames") or ())
        entry.asked(names, str(asked.get("version_info") or asked.get("versionInfo") or ""))
        clock = asyncio.get_running_loop().time
        deadline = clock() + _HELD_S
        while not entry.is_new(names) and not ended.is_set() and clock() < deadline:
            waiting = [asyncio.ensure_future(event.wait()) for event in (entry.changed, ended)]
            await asyncio.wait(waiting, timeout=deadline - clock(), return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
        if ended.is_set() or not entry.is_new(names):
            return web.Response(status=304)
        return web.json_response(entry.give(names))

    def snapshots(given: dict[str, dict[str, list[dict[str, Any]]]]) -> None:
        for pod, kinds in given.items():
            for kind, resources in kinds.items():
                held.setdefault((pod, kind), _Held()).set(resources)

    def states() -> dict[str, dict[str, str]]:
        by_pod: dict[str, dict[str, str]] = {}
        for (pod, kind), entry in held.items():
            by_pod.setdefault(pod, {})[kind] = entry.state()
        return by_pod

    def set_targets(given: list[object]) -> None:
        targets[:] = given

    async def end(_: web.Application) -> None:
        ended.set()

    app = web.Application(client_max_size=_BYTES)
    app.router.add_post("/v3/discovery:{kind}", discover)
    control.routes(
        app, get={STATES: states, TARGETS: lambda: targets}, put={SNAPSHOTS: snapshots, TARGETS: set_targets}
    )
    app.on_shutdown.append(end)
    return app


def _name(resource: dict[str, Any]) -> str:
    return str(resource.get("name") or resource.get("cluster_name"))


if __name__ == "__main__":
    asyncio.run(control.serve(application(), control.configured(dict[str, str])["address"]))
