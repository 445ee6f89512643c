"""What breakers, limits, time-outs and ejections shed, and whether their destination did better for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import meshlab
from meshlab.core.results import Finding, Result
from meshlab.questions.retries import Retries
from meshlab.questions.retries.protection_effect import BETTER, NOTHING, WORSE
from meshlab.questions.retries.tables import UNKNOWN
from meshlab.recordings.engine import Recording
from meshlab.telemetry.mesh import Mesh

question = Retries()
DATA = Path(__file__).parents[3] / "data"
START, EVERY, BLOCK, BLOCKS = 1_700_000_000, 5, 10, 30
TIMES = np.arange(START, START + BLOCK * BLOCKS + 1, EVERY, dtype=np.float64)

Series = tuple[dict[str, str], np.ndarray, np.ndarray]
Levels = Sequence[tuple[int, float]]


def levels(parts: Levels) -> np.ndarray:
    """So many blocks at so much, one after the other; a value a scrape after the first."""
    return np.repeat([value for blocks, value in parts for _ in range(blocks)], BLOCK // EVERY)


def counter(labels: dict[str, str], parts: Levels) -> Series:
    """A counter that rises in each block by what is said of it."""
    return labels, TIMES, np.ceil(np.r_[0.0, np.cumsum(levels(parts) * EVERY / BLOCK)])


def istio(reporter: str, parts: Levels, *, code: str = "200", flags: str = "-", source: str = "a") -> Series:
    labels = {
        "__name__": "istio_requests_total",
        "reporter": reporter,
        "source_workload": source,
        "source_workload_namespace": "shop",
        "destination_workload": "b",
        "destination_workload_namespace": "shop",
        "destination_canonical_service": "b",
        "destination_service": "b.shop.svc.cluster.local",
        "response_code": code,
        "response_flags": flags,
        "pod": f"{source}-0" if reporter == "source" else "b-0",
        "namespace": "shop",
    }
    return counter(labels, parts)


def of_envoy(name: str, source: str = "a") -> dict[str, str]:
    cluster = "outbound|80||b.shop.svc.cluster.local"
    return {"__name__": f"envoy_cluster_{name}", "cluster_name": cluster, "pod": f"{source}-0", "namespace": "shop"}


def envoy(name: str, parts: Levels, source: str = "a") -> Series:
    return counter(of_envoy(name, source), parts)


def gauge(name: str, parts: Levels) -> Series:
    return of_envoy(name), TIMES, np.r_[0.0, levels(parts)]


def judged(series: Sequence[Series]) -> Result:
    mesh = Mesh.detect(Recording.from_series(series), "memory")
    return question.answer(question.collect(mesh, mesh.window()))


def row(series: Sequence[Series], kind: str) -> pd.Series:  # type: ignore[type-arg]
    table = judged(series).tables["protection"]
    found = table[(table["kind"] == kind) & (table["source"] == "a")]
    assert len(found) == 1
    return found.iloc[0]


def breaker(before: float, during: float, trouble: int = 5) -> list[Series]:
    """Calm, trouble without a breaker, then one that refuses 400 of 1,000; good answers in the last two as given."""
    calm = 20 - trouble
    return [
        istio("source", [(calm, 1000), (trouble, before), (10, during)]),
        istio("source", [(calm, 0), (trouble, 1000 - before), (10, 600 - during)], code="503"),
        istio("source", [(20, 0), (10, 400)], code="503", flags="UO"),
        istio("destination", [(calm, 1000), (trouble, before), (10, during)]),
        istio("destination", [(calm, 0), (trouble, 1000 - before), (10, 600 - during)], code="503"),
        envoy("upstream_rq_retry", [(30, 0)]),
        envoy("upstream_rq_pending_overflow", [(20, 0), (10, 400)]),
        gauge("circuit_breakers_default_rq_open", [(21, 0), (9, 1)]),
    ]


@pytest.mark.parametrize(("before", "during", "helped"), [(200, 600, BETTER), (400, 400, NOTHING), (500, 100, WORSE)])
def test_a_breaker_is_compared_with_the_trouble_before_it(before: float, during: float, helped: str) -> None:
    found = row(breaker(before, during), "circuit breaker")
    assert found["shed"] == 4000
    assert found["shed_share"] == pytest.approx(4000 / 30_000)
    assert found["blocks"] == 10
    assert (found["scrapes"], found["open"]) == (60, 18)
    assert found["open_share"] == pytest.approx(0.3)
    # What was refused counts among the requests: it was not answered well.
    assert found["success_before"] == pytest.approx(before / 1000)
    assert found["success_during"] == pytest.approx(during / 1000)
    assert found["helped"] == helped
    assert found["low"] <= (during - before) / 1000 <= found["high"]


def test_without_the_proxies_counters_the_flag_tells_what_a_breaker_refused() -> None:
    series = [s for s in breaker(200, 600) if not s[0]["__name__"].startswith("envoy_")]
    found = row(series, "circuit breaker")
    assert found["shed"] == pytest.approx(4000, rel=0.01)
    assert found["shed_share"] == pytest.approx(4000 / 30_000, rel=0.01)
    assert found["helped"] == BETTER
    assert np.isnan(found["open_share"])


@pytest.mark.parametrize("trouble", [0, 2])
def test_what_acted_at_once_has_nothing_to_be_compared_with(trouble: int) -> None:
    found = row(breaker(200, 600, trouble), "circuit breaker")
    assert found["helped"] == UNKNOWN
    assert "before it acted" in found["why"]
    assert np.isnan([found["success_before"], found["difference"], found["low"], found["high"]]).all()


def test_what_acted_for_a_moment_is_not_measured() -> None:
    series = [
        istio("source", [(15, 1000), (5, 200), (2, 600), (8, 1000)]),
        istio("source", [(15, 0), (5, 800), (2, 400), (8, 0)], code="503"),
        istio("destination", [(30, 1000)]),
        envoy("upstream_rq_retry", [(30, 0)]),
        envoy("upstream_rq_pending_overflow", [(20, 0), (2, 400), (8, 0)]),
    ]
    found = row(series, "circuit breaker")
    assert found["helped"] == UNKNOWN
    assert "it acted" in found["why"]


def test_another_callers_requests_to_the_destination_count_too() -> None:
    # The caller that sheds pays for it; the other's requests are answered again.
    other = [
        istio("source", [(15, 9000), (5, 0), (10, 9000)], source="c"),
        istio("source", [(15, 0), (5, 9000), (10, 0)], code="503", source="c"),
        istio("destination", [(15, 9000), (5, 0), (10, 9000)], source="c"),
        istio("destination", [(15, 0), (5, 9000), (10, 0)], code="503", source="c"),
        envoy("upstream_rq_retry", [(30, 0)], source="c"),
    ]
    found = row([*breaker(500, 100), *other], "circuit breaker")
    assert found["success_before"] == pytest.approx(0.05)
    assert found["success_during"] == pytest.approx(0.91)
    assert found["helped"] == BETTER


def test_refused_retries_are_a_share_of_those_that_were_wanted() -> None:
    series = [
        istio("source", [(20, 1000), (10, 100)]),
        istio("source", [(20, 0), (10, 900)], code="503", flags="UO"),
        istio("destination", [(30, 1000)]),
        envoy("upstream_rq_retry", [(20, 0), (10, 200)]),
        envoy("upstream_rq_retry_overflow", [(20, 0), (10, 600)]),
        envoy("upstream_rq_pending_overflow", [(30, 0)]),
    ]
    found = row(series, "retry limit")
    assert found["shed"] == 6000
    assert found["shed_share"] == pytest.approx(0.75)
    assert set(judged(series).tables["protection"]["kind"]) == {"retry limit"}


def test_time_outs_are_shares_of_tries_and_of_requests() -> None:
    series = [
        istio("source", [(30, 1000)]),
        istio("destination", [(30, 1500)]),
        envoy("upstream_rq_retry", [(30, 500)]),
        envoy("upstream_rq_per_try_timeout", [(20, 0), (10, 450)]),
        envoy("upstream_rq_timeout", [(20, 0), (10, 300)]),
    ]
    assert row(series, "try timeout")["shed_share"] == pytest.approx(4500 / 45_000)
    assert row(series, "request timeout")["shed_share"] == pytest.approx(3000 / 30_000)


def test_an_ejection_is_compared_with_the_blocks_in_which_the_host_was_back() -> None:
    # In every second block of the trouble the host is back, fails, and is ejected anew.
    pairs = [(1, 600), (1, 1000)] * 5
    series = [
        istio("source", [(10, 1000), *pairs, (10, 1000)]),
        istio("source", [(10, 0), *[(n, 1000 - v) for n, v in pairs], (10, 0)], code="503"),
        istio("destination", [(30, 1000)]),
        envoy("upstream_rq_retry", [(30, 0)]),
        envoy("outlier_detection_ejections_enforced_total", [(10, 0), *([(1, 1), (1, 0)] * 5), (10, 0)]),
        gauge("outlier_detection_ejections_active", [(10, 0), (10, 1), (10, 0)]),
    ]
    found = row(series, "ejection")
    assert found["shed"] == 5
    assert np.isnan(found["shed_share"])
    assert (found["success_before"], found["success_during"]) == (pytest.approx(0.6), pytest.approx(1.0))
    assert found["helped"] == BETTER


def finding(result: Result) -> Finding:
    return next(f for f in result.findings if f.code == "ML-RET-010")


def test_it_is_said() -> None:
    statement = finding(judged(breaker(200, 600))).statement
    assert "rq_open of a -> b at 18 of 60 scrapes" in statement
    assert "Circuit breaker of a -> b: 4,000 (13 %) in 10 blocks" in statement
    assert "(better: " in statement
    assert finding(judged(breaker(500, 100))).action
    assert not finding(judged(breaker(200, 600))).action


def test_where_nothing_was_shed_there_is_no_row() -> None:
    series = [istio("source", [(30, 1000)]), istio("destination", [(30, 1000)]), envoy("upstream_rq_retry", [(30, 0)])]
    assert judged(series).tables["protection"].empty


@pytest.mark.parametrize("name", ["retry-storm", "retry-budget", "cluster-failover", "overload"])
def test_what_the_lab_shed_is_what_its_proxies_counted(name: str) -> None:
    mesh = meshlab.connect(str(DATA / name))
    result = question.answer(question.collect(mesh, mesh.window()))
    table, edges = result.tables["protection"], result.tables["edges"]
    columns = {
        "circuit breaker": "breaker_rejected",
        "retry limit": "retries_refused",
        "try timeout": "per_try_timeout",
        "request timeout": "timeout",
        "ejection": "ejections",
    }
    for kind, column in columns.items():
        shed = table.loc[table["kind"] == kind, "shed"].sum()
        assert shed == pytest.approx(edges[column].sum())
    if name == "cluster-failover":
        # One cluster's copies died: with them ejected all requests were answered by the other's.
        found = table.set_index("kind").loc["ejection"]
        assert found["helped"] == BETTER
        assert found["success_during"] > 0.99
