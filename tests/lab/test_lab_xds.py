"""The control plane's server: who is given what and when, and how a refusal shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import served
from served import Client

from meshlab.lab import xds


def scene(act: Callable[[Client], Awaitable[Any]]) -> Any:
    """Run the server, and do something with it."""
    return served.scene(xds.application(), act)


async def put(client: Client, kind: str, *resources: dict[str, Any], pod: str = "a") -> None:
    (await client.put(xds.SNAPSHOTS, json={pod: {kind: list(resources)}})).raise_for_status()


async def ask(
    client: Client, kind: str, has: str = "", names: tuple[str, ...] = (), pod: str = "a"
) -> tuple[int, str, list[str]]:
    """As Envoy asks: status, version, names of the resources."""
    body = {"node": {"id": pod}, "resource_names": list(names), "version_info": has}
    async with client.post(f"/v3/discovery:{kind}", json=body) as answer:
        if answer.status != 200:
            return answer.status, "", []
        found = await answer.json()
    return 200, found["version_info"], [one.get("name") or one["cluster_name"] for one in found["resources"]]


async def state(client: Client, kind: str, pod: str = "a") -> str:
    return str((await (await client.get(xds.STATES)).json())[pod][kind])


def test_what_is_there_is_given_at_once() -> None:
    async def act(client: Client) -> Any:
        await put(client, "clusters", {"name": "x"}, {"name": "y"})
        await put(client, "endpoints", {"cluster_name": "x"}, {"cluster_name": "y"})
        return await ask(client, "clusters"), await ask(client, "endpoints", names=("y",))

    assert scene(act) == ((200, "1", ["x", "y"]), (200, "1", ["y"]))


def test_who_has_the_newest_is_held_until_there_is_a_newer_one() -> None:
    async def act(client: Client) -> Any:
        await put(client, "routes", {"name": "r"})
        held = asyncio.create_task(ask(client, "routes", has="1"))
        await asyncio.sleep(0.1)
        before = held.done()
        await put(client, "routes", {"name": "r"})  # the same again is nothing new
        await asyncio.sleep(0.1)
        still = held.done()
        await put(client, "routes", {"name": "r", "more": 1})
        return before, still, await asyncio.wait_for(held, 2)

    assert scene(act) == (False, False, (200, "2", ["r"]))


def test_a_request_that_was_held_too_long_is_told_that_nothing_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xds, "_HELD_S", 0.1)

    async def act(client: Client) -> Any:
        await put(client, "routes", {"name": "r"})
        return await ask(client, "routes", has="1")

    assert scene(act) == (304, "", [])


def test_a_sidecar_has_taken_what_it_asks_with() -> None:
    async def act(client: Client) -> Any:
        await put(client, "routes", {"name": "r"})
        await ask(client, "routes")
        given = await state(client, "routes")
        back = asyncio.create_task(ask(client, "routes", has="1"))
        await asyncio.sleep(0.1)
        taken = await state(client, "routes")
        await put(client, "routes", {"name": "r", "more": 1})
        await back
        return given, taken, await state(client, "routes")

    assert scene(act) == ("waiting", "taken", "waiting")


def test_who_comes_back_with_the_version_before_has_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xds, "_HELD_S", 0.1)

    async def act(client: Client) -> Any:
        await put(client, "listeners", {"name": "good"})
        await ask(client, "listeners")
        await put(client, "listeners", {"name": "bad"})
        await ask(client, "listeners", has="1")
        again = await ask(client, "listeners", has="1")
        refused = await state(client, "listeners")
        await put(client, "listeners", {"name": "better"})
        return again, refused, await ask(client, "listeners", has="1")

    assert scene(act) == ((304, "", []), "refused", (200, "3", ["better"]))


def test_a_new_subscription_is_no_refusal() -> None:
    async def act(client: Client) -> Any:
        await put(client, "endpoints", {"cluster_name": "x"})
        seen = []
        for _ in range(10):
            # The cluster was replaced: its new subscription begins with nothing, then has the version.
            seen.append(await ask(client, "endpoints", names=("x",)))
            held = asyncio.create_task(ask(client, "endpoints", has="1", names=("x",)))
            await asyncio.sleep(0.02)
            seen.append(await state(client, "endpoints"))
            held.cancel()
        return seen

    assert scene(act) == [(200, "1", ["x"]), "taken"] * 10


def test_subscriptions_to_what_is_gone_are_not_waited_for() -> None:
    async def act(client: Client) -> Any:
        await put(client, "endpoints", {"cluster_name": "x"}, {"cluster_name": "y"})
        await ask(client, "endpoints", names=("y",))
        held = asyncio.create_task(ask(client, "endpoints", has="1", names=("y",)))
        await asyncio.sleep(0.05)
        await put(client, "endpoints", {"cluster_name": "x"})
        await held
        return await state(client, "endpoints")

    assert scene(act) == "taken"


def test_sidecars_are_kept_apart() -> None:
    async def act(client: Client) -> Any:
        await put(client, "routes", {"name": "of-a"})
        await put(client, "routes", {"name": "of-b"}, pod="b")
        return await ask(client, "routes"), await ask(client, "routes", pod="b")

    assert scene(act) == ((200, "1", ["of-a"]), (200, "1", ["of-b"]))


def test_the_end_lets_everybody_go() -> None:
    async def act(client: Client) -> Any:
        await put(client, "routes", {"name": "r"})
        asyncio.create_task(ask(client, "routes", has="1"))  # noqa: RUF006
        await asyncio.sleep(0.05)

    scene(act)


def test_prometheus_is_told_where_the_sidecars_are() -> None:
    async def act(client: Client) -> Any:
        empty = await (await client.get(xds.TARGETS)).json()
        await client.put(xds.TARGETS, json=[{"targets": ["127.0.0.1:1"]}])
        return empty, await (await client.get(xds.TARGETS)).json()

    assert scene(act) == ([], [{"targets": ["127.0.0.1:1"]}])
