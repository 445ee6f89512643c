"""The load's schedule and the services' behaviour: seeded, and of the stated distribution."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import statistics

import msgspec
import pytest
from aiohttp import web
from scipy.stats import kstest

from meshlab.lab.behaviour import Behaviour
from meshlab.lab.lag import LagMeter, percentile
from meshlab.lab.load import Generator, LoadPlan
from meshlab.lab.shapes import Rate, arrivals
from meshlab.lab.specs.load import Form, Load, Shape
from meshlab.lab.specs.workloads import WorkloadSpec


def times(rate: float, seed: str, number: int) -> list[float]:
    return list(itertools.islice(arrivals(Rate(rate, (), 0.0).when, random.Random(seed)), number))


def test_the_same_seed_gives_the_same_arrivals() -> None:
    assert times(150, "1/load", 1000) == times(150, "1/load", 1000)
    assert times(150, "1/load", 1000) != times(150, "2/load", 1000)


def test_arrivals_are_a_poisson_process() -> None:
    found = times(150, "1/load", 20_000)
    gaps = [later - earlier for earlier, later in itertools.pairwise([0.0, *found])]
    assert min(gaps) >= 0
    assert found[-1] == pytest.approx(20_000 / 150, rel=0.03)
    assert kstest(gaps, "expon", args=(0, 1 / 150)).pvalue > 0.01


CALLS = (("a", ("http://127.0.0.1:1",)), ("b", ("http://127.0.0.1:1", "http://127.0.0.1:2")))


def behaviour(**changed: object) -> Behaviour:
    fields = {"service_time_median_ms": 40, "service_time_sigma": 0.5, "error_share": 0.01, **changed}
    return Behaviour("127.0.0.1", "1/catalog-v1", CALLS, WorkloadSpec.of(service="catalog", version="v1", **fields))


def test_service_times_are_log_normal_and_errors_are_as_set() -> None:
    stream = random.Random(1)
    own = behaviour(error_share=0.1)
    drawn = [own.draw(stream) for _ in range(20_000)]
    assert statistics.median(seconds for seconds, _ in drawn) == pytest.approx(0.04, rel=0.03)
    assert sum(fails for _, fails in drawn) / len(drawn) == pytest.approx(0.1, abs=0.01)
    assert kstest([seconds for seconds, _ in drawn], "lognorm", args=(0.5, 0, 0.04)).pvalue > 0.01


def test_a_changed_share_leaves_everything_else() -> None:
    few, many, slow = random.Random("x"), random.Random("x"), random.Random("x")
    for _ in range(100):
        one = behaviour(error_share=0.01).draw(few)
        assert one[0] == behaviour(error_share=0.9).draw(many)[0]
        seconds, fails = behaviour(error_share=0.01, slow_share=0.5, slow_factor=8.0).draw(slow)
        assert fails == one[1]
        assert seconds == pytest.approx(one[0]) or seconds == pytest.approx(8 * one[0])


def test_a_tail_leaves_the_median_alone() -> None:
    stream = random.Random(1)
    own = behaviour(slow_share=0.05, slow_factor=10.0)
    drawn = [own.draw(stream)[0] for _ in range(20_000)]
    assert statistics.median(drawn) == pytest.approx(0.04, rel=0.06)
    # 0.04 s * exp(0.5 * 2.8) is the 99.7th percentile without the tail.
    assert sum(seconds > 0.162 for seconds in drawn) / len(drawn) == pytest.approx(0.05, abs=0.008)


def test_configurations_survive_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(behaviour()), type=Behaviour) == behaviour()
    shapes = (Shape(form=Form.WAVE, start_s=1, amplitude=0.5, period_s=60),)
    plan = LoadPlan(
        "127.0.0.1", "http://127.0.0.1/", "x", "1/load", Load.of(target="x", rate_per_s=5, shapes=shapes), 100.0
    )
    assert msgspec.json.decode(msgspec.json.encode(plan), type=LoadPlan) == plan


def drive(
    rate_per_s: float, max_in_flight: int, answer_after_s: float, seconds: float, *, mark_after_s: float = 0.0
) -> dict[str, object]:
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
            load = Load(target="x", rate_per_s=rate_per_s, timeout_s=5, max_in_flight=max_in_flight)
            generator = Generator(LoadPlan("", url, "x", "1/load", load, 0.0))
            generator.start()
            if mark_after_s:
                await asyncio.sleep(mark_after_s)
                generator.mark()
            await asyncio.sleep(seconds)
            await generator.stop()
            await runner.cleanup()
            return {**generator.counts(), "history": generator.history()}

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


def test_history_begins_with_the_window() -> None:
    counts = drive(rate_per_s=100, max_in_flight=1000, answer_after_s=0.0, seconds=1.2, mark_after_s=0.5)
    history = counts["history"]
    assert isinstance(history, dict)
    in_window = sum(history["sent"])
    assert in_window < int(str(counts["sent"]))
    assert 60 < in_window < 200
    assert sum(history["answered"]["5xx"]) == in_window
    assert history["p50_ms"][0] <= history["p99_ms"][0]


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
