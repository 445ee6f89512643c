"""Capacity where a service was seen full, and what its usual load comes to with all retries."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from istio_labels import istio_labels

import meshlab
from meshlab.core.results import Finding, Result, Verdict
from meshlab.questions.retries import Retries
from meshlab.recordings.engine import Recording
from meshlab.telemetry.mesh import Mesh

question = Retries()
DATA = Path(__file__).parents[3] / "data"
START, EVERY, BLOCK, BLOCKS = 1_700_000_000, 5, 10, 30
TIMES = np.arange(START, START + BLOCK * BLOCKS + 1, EVERY, dtype=np.float64)

Series = tuple[dict[str, str], np.ndarray, np.ndarray]
Levels = list[tuple[int, float]]


def counter(labels: dict[str, str], parts: Levels) -> Series:
    each = np.repeat([value for blocks, value in parts for _ in range(blocks)], BLOCK // EVERY)
    return labels, TIMES, np.round(np.r_[0.0, np.cumsum(each * EVERY / BLOCK)])


def istio(reporter: str, parts: Levels, *, code: str = "200", source: str = "a", service: str = "b") -> Series:
    labels = istio_labels(reporter, source=source, service=service, code=code)
    return counter(labels, parts)


def retries(parts: Levels) -> Series:
    cluster = "outbound|80||b.shop.svc.cluster.local"
    who = {"__name__": "envoy_cluster_upstream_rq_retry", "cluster_name": cluster, "pod": "a-0", "namespace": "shop"}
    return counter(who, parts)


def judged(series: list[Series], **policy: int) -> Result:
    mesh = Mesh.detect(Recording.from_series(series), "memory")
    return question.answer(question.collect(mesh, mesh.window()), question.settings(**policy))


def finding(result: Result) -> Finding:
    return next(f for f in result.findings if f.code == "ML-RET-014")


def full(load: float, attempts: float, takes: float) -> list[Series]:
    """A calm load a block, then five blocks of so many attempts of which so many are taken in, then calm again."""
    return [
        istio("source", [(20, load), (5, 0), (5, load)]),
        istio("source", [(20, 0), (5, load), (5, 0)], code="503"),
        istio("destination", [(20, load), (5, 0), (5, load)]),
        istio("destination", [(20, 0), (5, takes), (5, 0)], code="0"),
        istio("destination", [(20, 0), (5, attempts - takes), (5, 0)], code="503"),
        retries([(20, 0), (5, attempts - load), (5, 0)]),
    ]


@pytest.mark.parametrize(
    ("load", "state", "verdict"), [(90, "stable", Verdict.PASS), (110, "vulnerable", Verdict.WARN)]
)
def test_a_third_of_the_capacity_is_the_limit_of_three_attempts(load: float, state: str, verdict: Verdict) -> None:
    # A capacity of 30 a second; three attempts for each request.
    result = judged(full(load, 4.5 * load, 300), attempts=3)
    row = result.tables["capacity"].iloc[0]
    assert row["capacity_per_s"] == pytest.approx(30.0, rel=0.02)
    assert row["load_per_s"] == pytest.approx(load / 10, rel=0.02)
    assert row["safe_per_s"] == pytest.approx(10.0, rel=0.02)
    assert (row["worst"], row["worst_from"], row["state"]) == (3.0, "configured", state)
    assert finding(result).verdict is verdict
    assert finding(result).value == pytest.approx(3 * load / 300, rel=0.02)


def test_without_a_configuration_the_observed_attempts_are_taken_and_named() -> None:
    result = judged(full(100, 400, 300))
    row = result.tables["capacity"].iloc[0]
    assert (row["worst"], row["worst_from"]) == (pytest.approx(4.0, rel=0.02), "observed")
    assert row["safe_per_s"] == pytest.approx(7.5, rel=0.02)
    assert finding(result).verdict is Verdict.WARN
    assert "(observed)" in finding(result).statement
    ways = result.tables["paths"].set_index("service")
    assert (ways.loc["b", "worst_from"], np.isnan(ways.loc["b", "configured"])) == ("observed", True)


def test_a_configured_worst_case_is_not_replaced_by_what_was_seen() -> None:
    ways = judged(full(100, 400, 300), attempts=3).tables["paths"].set_index("service")
    assert (ways.loc["b", "worst"], ways.loc["b", "worst_from"]) == (3.0, "configured")


def test_a_service_whose_requests_all_fail_is_not_full() -> None:
    # Errors for half of the attempts, and retries of them: nothing more than usual is taken in.
    result = judged(full(100, 300, 100))
    assert result.tables["capacity"].empty
    assert finding(result).verdict is None
    assert finding(result).action


def test_a_service_that_takes_in_all_is_not_full() -> None:
    assert judged(full(100, 300, 300)).tables["capacity"].empty


def test_two_full_blocks_measure_nothing() -> None:
    series = [
        istio("source", [(28, 100), (2, 0)]),
        istio("source", [(28, 0), (2, 100)], code="503"),
        istio("destination", [(28, 100), (2, 0)]),
        istio("destination", [(28, 0), (2, 300)], code="0"),
        istio("destination", [(28, 0), (2, 200)], code="503"),
        retries([(28, 0), (2, 400)]),
    ]
    assert judged(series).tables["capacity"].empty


@pytest.mark.parametrize("block_s", [1, 2, 300])
def test_blocks_that_hold_no_scrape_or_all_of_them_measure_nothing_false(block_s: int) -> None:
    mesh = Mesh.detect(Recording.from_series(full(100, 400, 300)), "memory")
    settings = question.settings(block_s=block_s)
    result = question.answer(question.collect(mesh, mesh.window(), settings), settings)
    table = result.tables["capacity"]
    assert (table["capacity_per_s"] > 0).all()
    assert (table["load_per_s"] > 0).all()


def test_a_service_that_is_idle_in_the_calm_has_no_usual_load() -> None:
    assert judged(full(0, 400, 300)).tables["capacity"].empty


def test_who_calls_a_full_service_is_not_full_itself() -> None:
    above = [
        istio("source", [(20, 100), (5, 0), (5, 100)], source="top", service="a"),
        istio("source", [(20, 0), (5, 500), (5, 0)], source="top", service="a", code="503"),
        istio("destination", [(20, 100), (5, 0), (5, 100)], source="top", service="a"),
        istio("destination", [(20, 0), (5, 200), (5, 0)], source="top", service="a", code="0"),
        istio("destination", [(20, 0), (5, 300), (5, 0)], source="top", service="a", code="503"),
    ]
    assert list(judged([*above, *full(100, 400, 300)]).tables["capacity"]["service"]) == ["b"]


@cache
def lab(name: str, attempts: int = 0) -> Result:
    mesh = meshlab.connect(str(DATA / name))
    return question.answer(question.collect(mesh, mesh.window()), question.settings(attempts=attempts))


@pytest.mark.parametrize("name", ["retry-storm", "overload"])
def test_the_capacity_of_the_labs_ledger_is_what_the_lab_gave_it(name: str) -> None:
    truth: dict[str, Any] = json.loads((DATA / name / "manifest.json").read_text())["truth"]
    ledger = truth["workloads"]["ledger"]
    # Lognormal service times: the mean lies above the median.
    mean_s = ledger["service_time_median_ms"] / 1000 * np.exp(ledger["service_time_sigma"] ** 2 / 2)
    table = lab(name).tables["capacity"]
    # Those who call it fail because of it.
    assert list(table["service"]) == ["ledger"]
    assert table["capacity_per_s"].iloc[0] == pytest.approx(ledger["concurrency"] / mean_s, rel=0.05)


def test_a_storms_service_is_vulnerable_by_its_own_numbers() -> None:
    row = lab("retry-storm").tables["capacity"].iloc[0]
    assert row["state"] == "vulnerable"
    assert row["worst_from"] == "observed"
    # Three hops of three tries; the three blocks of each hop's most are a little beyond.
    assert row["worst"] == pytest.approx(27, rel=0.15)
    assert finding(lab("retry-storm")).verdict is Verdict.WARN


def test_an_overload_without_retries_tells_the_capacity_and_not_the_risk() -> None:
    row = lab("overload").tables["capacity"].iloc[0]
    assert (row["state"], row["worst_from"]) == ("not measured", "")
    assert np.isnan(row["safe_per_s"])
    assert finding(lab("overload")).verdict is None
    assert "attempts" in finding(lab("overload")).action
    assert lab("overload", attempts=3).tables["capacity"]["state"].iloc[0] == "vulnerable"


def test_where_no_service_was_full_it_is_not_measured() -> None:
    result = lab("canary-healthy", attempts=3)
    assert result.tables["capacity"].empty
    assert finding(result).verdict is None
    assert result.verdict is Verdict.PASS
