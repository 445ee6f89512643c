"""A service with places and a queue, over real connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import served
from aiohttp import web
from aiohttp.test_utils import TestServer
from served import Client

from meshlab.lab.behaviour import Behaviour
from meshlab.lab.service_queue import ServiceQueue
from meshlab.lab.specs.workloads import WorkloadSpec
from meshlab.lab.workload import BEHAVIOUR, CONCURRENCY, COUNTS, application


def behaviour(*, calls: Any = (), median_s: float = 0.0, deadline_s: float = 5.0, **changed: Any) -> Behaviour:
    times = {"service_time_median_ms": 1000 * median_s, "deadline_ms": 1000 * deadline_s}
    spec = WorkloadSpec.of(service="x", version="v1", **times, **changed)
    return Behaviour("127.0.0.1", "1/x", calls, spec)


def scene(told: Behaviour, act: Callable[[Client], Awaitable[Any]]) -> Any:
    """Run a service, and do something with it."""
    return served.scene(application(told), act, cancels=told.spec.cancels)


async def counts(client: Client) -> dict[str, Any]:
    return dict(await (await client.get(COUNTS)).json())


def test_a_full_queue_turns_away_at_once_and_without_a_body() -> None:
    async def act(client: Client) -> tuple[list[tuple[int, bytes]], dict[str, Any]]:
        async def ask() -> tuple[int, bytes]:
            answer = await client.get("/")
            return answer.status, await answer.read()

        return sorted(await asyncio.gather(*(ask() for _ in range(8)))), await counts(client)

    answers, seen = scene(behaviour(median_s=0.1, concurrency=2, queue=3), act)
    assert answers == [(200, b"ok\n")] * 5 + [(503, b"")] * 3
    assert seen["arrivals"] == 8
    assert seen["rejected"] == 3
    assert seen["answered"] == {"200": 5, "503": 3}
    assert (seen["working"], seen["waiting"]) == (0, 0)


def test_errors_have_no_body() -> None:
    async def act(client: Client) -> tuple[int, bytes]:
        answer = await client.get("/")
        return answer.status, await answer.read()

    assert scene(behaviour(error_share=1.0, error_status=502), act) == (502, b"")


def test_retries_are_told_from_first_attempts() -> None:
    async def act(client: Client) -> dict[str, Any]:
        for attempt in ("1", "2", "3"):
            await client.get("/", headers={"x-envoy-attempt-count": attempt})
        await client.get("/")
        return await counts(client)

    seen = scene(behaviour(), act)
    assert (seen["arrivals"], seen["retries"]) == (4, 2)


@pytest.mark.parametrize("cancels", [False, True])
def test_work_that_nobody_waits_for_goes_on_unless_it_is_cancelled(cancels: bool) -> None:
    async def act(client: Client) -> dict[str, Any]:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.get("/"), 0.05)
        await asyncio.sleep(0.4)
        return await counts(client)

    seen = scene(behaviour(median_s=0.2, concurrency=1, queue=5, cancels=cancels), act)
    assert (seen["abandoned"], seen["cancelled"]) == ((0, 1) if cancels else (1, 0))
    assert seen["working"] == 0


def test_a_call_that_comes_too_late_is_given_up() -> None:
    async def act(client: Client) -> tuple[int, dict[str, Any]]:
        async def slow(_: web.Request) -> web.Response:
            await asyncio.sleep(0.5)
            return web.Response()

        app = web.Application()
        app.router.add_get("/", slow)
        async with TestServer(app) as other:
            url = str(other.make_url("")).rstrip("/")
            told = behaviour(calls=(("late.shop", (url,)),), deadline_s=0.05)
            await client.post(BEHAVIOUR, json=msgspec.to_builtins(told))
            return (await client.get("/")).status, await counts(client)

    status, seen = scene(behaviour(), act)
    assert status == 504
    assert seen["sent"] == {"late.shop": {"missed": 1}}


def test_nobody_there_is_an_error_of_its_own() -> None:
    async def act(client: Client) -> tuple[int, dict[str, Any]]:
        return (await client.get("/")).status, await counts(client)

    status, seen = scene(behaviour(calls=(("gone.shop", ("http://127.0.0.1:1",)),)), act)
    assert status == 502
    assert seen["sent"] == {"gone.shop": {"failed": 1}}


def test_calls_carry_the_host_and_what_traces_need_and_take_turns() -> None:
    got: list[tuple[str, str, str]] = []

    async def act(client: Client) -> int:
        def server(name: str) -> TestServer:
            async def answer(request: web.Request) -> web.Response:
                got.append((name, request.headers["Host"], request.headers.get("x-request-id", "")))
                return web.Response()

            app = web.Application()
            app.router.add_get("/", answer)
            return TestServer(app)

        async with server("a") as a, server("b") as b:
            urls = tuple(str(one.make_url("")).rstrip("/") for one in (a, b))
            await client.post(BEHAVIOUR, json=msgspec.to_builtins(behaviour(calls=(("x.shop", urls),))))
            for _ in range(4):
                await client.get("/", headers={"x-request-id": "7"})
        return 0

    scene(behaviour(), act)
    assert got == [("a", "x.shop", "7"), ("b", "x.shop", "7")] * 2


def test_it_behaves_otherwise_from_one_moment_to_the_next() -> None:
    async def act(client: Client) -> list[int]:
        first = (await client.get("/")).status
        await client.post(BEHAVIOUR, json=msgspec.to_builtins(behaviour(error_share=1.0, error_status=503)))
        return [first, (await client.get("/")).status]

    assert scene(behaviour(), act) == [200, 503]


def test_a_batch_job_calls_by_itself() -> None:
    async def act(client: Client) -> dict[str, Any]:
        await asyncio.sleep(0.5)
        return await counts(client)

    told = behaviour(calls=(("gone.shop", ("http://127.0.0.1:1",)),), own_rate_per_s=100.0)
    seen = scene(told, act)
    assert seen["arrivals"] == 0
    assert 20 < seen["sent"]["gone.shop"]["failed"] < 100


def test_the_mean_concurrency_is_that_of_the_time_between() -> None:
    async def act(client: Client) -> float:
        await client.post(CONCURRENCY)
        await asyncio.gather(*(client.get("/") for _ in range(6)))
        return float((await (await client.post(CONCURRENCY)).json())["mean"])

    # Six requests of 0.2 s, two at a time: 6, 4 and 2 of them are there, each for a third of the time.
    assert scene(behaviour(median_s=0.2, concurrency=2, queue=9), act) == pytest.approx(4.0, rel=0.15)


def test_it_computes_when_it_is_told_to() -> None:
    async def act(client: Client) -> float:
        from time import process_time

        begin = process_time()
        await client.get("/")
        return process_time() - begin

    assert scene(behaviour(median_s=0.2, cpu_share=1.0), act) > 0.15
    assert scene(behaviour(median_s=0.2, cpu_share=0.0), act) < 0.1


def test_who_comes_first_is_served_first() -> None:
    async def play() -> list[int]:
        queue, order = ServiceQueue(1, 10), list[int]()

        async def customer(number: int) -> None:
            assert await queue.enter()
            order.append(number)
            await asyncio.sleep(0.01)
            queue.leave()

        await asyncio.gather(*(customer(number) for number in range(6)))
        return order

    assert asyncio.run(play()) == list(range(6))


def test_who_gives_up_in_line_leaves_no_gap() -> None:
    async def play() -> tuple[int, int]:
        queue = ServiceQueue(1, 10)
        assert await queue.enter()
        waiting = [asyncio.create_task(queue.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await asyncio.sleep(0)
        queue.leave()
        assert await waiting[0]
        # Given up in the very moment of its turn.
        queue.leave()
        waiting[2].cancel()
        await asyncio.sleep(0)
        return queue.working, queue.waiting

    assert asyncio.run(play()) == (0, 0)


def test_a_larger_queue_serves_the_line() -> None:
    async def play() -> tuple[int, int]:
        queue = ServiceQueue(1, 10)
        tasks = [asyncio.create_task(queue.enter()) for _ in range(5)]
        await asyncio.sleep(0)
        queue.resize(4, 10)
        await asyncio.sleep(0)
        found = queue.working, queue.waiting
        for task in tasks:
            task.cancel()
        return found

    assert asyncio.run(play()) == (4, 1)


def test_a_behaviour_survives_json() -> None:
    told = behaviour(calls=(("a", ("http://x", "http://y")),))
    text = msgspec.json.encode(told)
    assert msgspec.json.decode(text, type=Behaviour) == told
    assert json.loads(text)["calls"] == [["a", ["http://x", "http://y"]]]
