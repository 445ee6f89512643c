"""The load's schedule and the services' behaviour: seeded, and of the stated distribution."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import statistics

import pytest
from aiohttp import web
from scipy.stats import kstest

from meshlab.lab.lag import LagMeter, percentile
from meshlab.lab.load import Generator, LoadPlan, arrivals
from meshlab.lab.workload import Behaviour


def times(rate: float, seed: str, number: int) -> list[float]:
    return list(itertools.islice(arrivals(rate, random.Random(seed)), number))


def test_the_same_seed_gives_the_same_arrivals() -> None:
    assert times(150, "1/load", 1000) == times(150, "1/load", 1000)
    assert times(150, "1/load", 1000) != times(150, "2/load", 1000)


def test_arrivals_are_a_poisson_process() -> None:
    found = times(150, "1/load", 20_000)
    gaps = [later - earlier for earlier, later in itertools.pairwise([0.0, *found])]
    assert min(gaps) >= 0
    assert found[-1] == pytest.approx(20_000 / 150, rel=0.03)
    assert kstest(gaps, "expon", args=(0, 1 / 150)).pvalue > 0.01


def behaviour(**changed: object) -> Behaviour:
    fields: dict[str, object] = {
        "address": "127.0.0.1",
        "stream": "1/catalog-v1",
        "hosts": ("a", "b"),
        "median_s": 0.04,
        "sigma": 0.5,
        "error_share": 0.01,
        "error_status": 500,
    }
    return Behaviour(**{**fields, **changed})  # type: ignore[arg-type]


def test_service_times_are_log_normal_and_errors_are_as_set() -> None:
    stream = random.Random(1)
    drawn = [behaviour(error_share=0.1).draw(stream) for _ in range(20_000)]
    assert statistics.median(seconds for seconds, _ in drawn) == pytest.approx(0.04, rel=0.03)
    assert sum(fails for _, fails in drawn) / len(drawn) == pytest.approx(0.1, abs=0.01)
    assert kstest([seconds for seconds, _ in drawn], "lognorm", args=(0.5, 0, 0.04)).pvalue > 0.01


def test_a_changed_error_share_leaves_the_service_times() -> None:
    few, many = random.Random("x"), random.Random("x")
    for _ in range(100):
        assert behaviour(error_share=0.01).draw(few)[0] == behaviour(error_share=0.9).draw(many)[0]


def test_configurations_survive_json() -> None:
    assert Behaviour.from_json(behaviour().to_json()) == behaviour()
    plan = LoadPlan("127.0.0.1", "http://127.0.0.1/", "x", "1/load", 5.0, 1.0, 10)
    assert LoadPlan.from_json(plan.to_json()) == plan


def drive(rate_per_s: float, max_in_flight: int, answer_after_s: float, seconds: float) -> dict[str, object]:
    """Run a generator against a server that answers every request after the same time."""

    async def scene() -> dict[str, object]:
        async def answer(_: web.Request) -> web.Response:
            await asyncio.sleep(answer_after_s)
            return web.Response(status=503)

        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            chosen.listen(256)
            await web.SockSite(runner, chosen).start()
            url = f"http://127.0.0.1:{chosen.getsockname()[1]}/"
            generator = Generator(LoadPlan("", url, "x", "1/load", rate_per_s, 5.0, max_in_flight))
            generator.start()
            await asyncio.sleep(seconds)
            await generator.stop()
            await runner.cleanup()
            return generator.counts()

    return asyncio.run(scene())


def test_the_load_does_not_wait_for_answers() -> None:
    counts = drive(rate_per_s=100, max_in_flight=1000, answer_after_s=0.4, seconds=0.5)
    # Waiting for answers one would send one request; 100 a second make about 50.
    assert 25 <= int(str(counts["sent"])) <= 85
    assert counts["answered"] == {"503": counts["sent"]}
    assert counts["in_flight"] == 0
    assert counts["shed"] == 0


def test_the_safety_cap_counts_what_it_holds_back() -> None:
    counts = drive(rate_per_s=200, max_in_flight=3, answer_after_s=0.4, seconds=0.3)
    assert counts["sent"] == 3
    assert int(str(counts["shed"])) > 10


def test_lag_is_measured() -> None:
    async def scene() -> dict[str, float]:
        meter = LagMeter()
        task = asyncio.create_task(meter.measure())
        await asyncio.sleep(0.05)
        # A late event loop, on purpose.
        import time

        time.sleep(0.1)
        await asyncio.sleep(0.05)
        task.cancel()
        return meter.take()

    assert 60 < asyncio.run(scene())["max_ms"] < 1000
    assert LagMeter().take() == {"p99_ms": 0.0, "max_ms": 0.0, "samples": 0}


def test_percentile_is_the_nearest_rank() -> None:
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 99.0
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([], 0.5) == 0.0
