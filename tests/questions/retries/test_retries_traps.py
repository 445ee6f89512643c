"""What misleads everybody who counts retries: each trap with numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from istio_labels import istio_labels

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.display.result import to_html
from meshlab.questions.retries import Retries
from meshlab.recordings.engine import Recording
from meshlab.telemetry.mesh import Mesh

question = Retries()
START, SECONDS, EVERY = 1_700_000_000, 300, 5
TIMES = np.arange(START, START + SECONDS + 1, EVERY, dtype=np.float64)

Series = tuple[dict[str, str], np.ndarray, np.ndarray]


def counter(labels: dict[str, str], total: float) -> Series:
    """A counter that rises evenly to its total over the window, from the second scrape on."""
    return labels, TIMES, np.round(np.linspace(0, total, len(TIMES)))


def istio(
    reporter: str, total: float, *, source: str = "a", service: str = "b", code: str = "200", flags: str = "-"
) -> Series:
    labels = istio_labels(reporter, source=source, service=service, code=code, flags=flags)
    return counter(labels, total)


def envoy(name: str, total: float, *, source: str = "a", service: str = "b", label: str = "cluster_name") -> Series:
    cluster = f"outbound|80||{service}.shop.svc.cluster.local"
    labels = {"__name__": f"envoy_cluster_{name}", label: cluster, "pod": f"{source}-0", "namespace": "shop"}
    return counter(labels, total)


def asked(series: Sequence[Series]) -> Evidence:
    mesh = Mesh.detect(Recording.from_series(series), "memory")
    return question.collect(mesh, mesh.window())


def edge(series: Sequence[Series], source: str = "a", service: str = "b") -> pd.Series:  # type: ignore[type-arg]
    table = question.answer(asked(series)).tables["edges"].set_index(["source", "destination_service"])
    row = table.loc[(source, service)]
    assert isinstance(row, pd.Series)
    return row


def finding(series: Sequence[Series], code: str) -> Finding:
    return next(f for f in question.answer(asked(series)).findings if f.code == code)


BUDGET = [
    istio("source", 300),
    istio("source", 3700, code="503", flags="UO"),
    istio("destination", 300),
    istio("destination", 4700, code="503"),
]
BREAKER = [
    istio("source", 1000),
    istio("source", 4000, code="503", flags="UO"),
    istio("destination", 1000),
]


@pytest.mark.parametrize("own", [False, True])
def test_uo_of_refused_retries_is_no_request_that_never_arrived(own: bool) -> None:
    counters = [envoy("upstream_rq_retry", 1000), envoy("upstream_rq_retry_overflow", 3700)] if own else []
    row = edge([*BUDGET, *counters, *([envoy("upstream_rq_pending_overflow", 0)] if own else [])])
    # 4000 requests, 5000 arrivals: without the rows that bear UO it would be 16.7.
    assert row["amplification"] == pytest.approx(1.25, rel=0.01)
    assert row["retries_refused"] == pytest.approx(3700, rel=0.01)
    assert row["breaker_rejected"] == 0


def test_uo_of_an_open_breaker_never_arrived() -> None:
    row = edge(BREAKER)
    assert row["amplification"] == pytest.approx(1.0, rel=0.01)
    assert row["breaker_rejected"] == pytest.approx(4000, rel=0.01)
    assert row["retries_refused"] == pytest.approx(0, abs=1)


def test_refused_connections_count_as_attempts() -> None:
    # Envoy's upstream_rq_total stays at zero: nine attempts, six of them retries.
    row = edge(
        [
            istio("source", 300, code="503", flags="UF,URX"),
            istio("destination", 0),
            envoy("upstream_rq_total", 0),
            envoy("upstream_rq_completed", 300),
            envoy("upstream_rq_retry", 600),
            envoy("upstream_cx_connect_fail", 900),
        ]
    )
    assert row["attempts"] == pytest.approx(900, rel=0.01)
    assert row["amplification"] == pytest.approx(3.0, rel=0.01)
    assert row["never_arrived"] == pytest.approx(300, rel=0.01)
    assert row["connect_fail"] == pytest.approx(900, rel=0.01)


@pytest.mark.parametrize("flags", ["UF", "UF,URX", "URX,UF", "UH"])
def test_flags_are_joined_by_commas(flags: str) -> None:
    row = edge([istio("source", 1000), istio("source", 500, code="503", flags=flags), istio("destination", 1000)])
    assert row["never_arrived"] == pytest.approx(500, rel=0.01)
    assert row["amplification"] == pytest.approx(1.0, rel=0.01)


def test_a_flag_that_only_contains_another_is_not_it() -> None:
    # URX is no UR, and UFX none at all.
    row = edge([istio("source", 1000, code="503", flags="UFX"), istio("destination", 1000, code="503")])
    assert row["never_arrived"] == 0


def test_counters_that_stand_at_zero_are_not_believed() -> None:
    series = [
        istio("source", 1000, code="503", flags="URX"),
        istio("destination", 3000, code="503"),
        envoy("upstream_rq_retry", 0),
    ]
    row = edge(series)
    assert row["basis"] == "arrivals"
    assert row["amplification"] == pytest.approx(3.0, rel=0.01)
    coverage = finding(series, "ML-RET-002")
    assert coverage.verdict is Verdict.WARN
    assert coverage.key == "retries.coverage.stuck"


def test_zero_retries_are_zero_where_nothing_contradicts() -> None:
    series = [istio("source", 1000), istio("destination", 1000), envoy("upstream_rq_retry", 0)]
    assert edge(series)["basis"] == "proxies"
    assert edge(series)["amplification"] == 1.0
    assert finding(series, "ML-RET-002").verdict is Verdict.PASS


def test_no_counter_is_not_zero_retries() -> None:
    # Only the callers report: how often the requests were tried is not known.
    result = question.answer(asked([istio("source", 1000)]))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert np.isnan(result.tables["edges"]["amplification"].iloc[0])
    assert result.findings[0].action


def test_remaining_retries_under_a_budget_are_no_open_breaker() -> None:
    base = [istio("source", 1000), istio("destination", 1000), envoy("upstream_rq_retry", 0)]
    labels, times, zero = envoy("circuit_breakers_default_remaining_retries", 0)
    shut = envoy("circuit_breakers_default_rq_retry_open", 0)
    assert finding([*base, shut, (labels, times, zero)], "ML-RET-010").value == 0
    name, times, _ = envoy("circuit_breakers_default_rq_retry_open", 0)
    assert "rq_retry_open of a -> b" in finding([*base, (name, times, np.ones(len(times)))], "ML-RET-010").statement


def test_an_idle_series_that_vanishes_is_missing_and_not_zero() -> None:
    rows = [istio("source", 3000), istio("destination", 3000), envoy("upstream_rq_retry", 0)]
    short = [(labels, times[:20], values[:20]) for labels, times, values in rows]
    other = [istio("source", 3000, service="c"), istio("destination", 3000, service="c")]
    line = question.answer(asked([*short, *other, envoy("upstream_rq_retry", 0, service="c")])).tables["edges"]
    row = line.set_index("destination_service").loc["b"]
    assert row["amplification"] == 1.0
    only = question.answer(asked([*short, istio("destination", 3000, service="c")])).tables["timeline"]
    assert only["load_per_s"].iloc[:9].gt(0).all()
    assert only["load_per_s"].iloc[12:].isna().all()


def test_mirrored_requests_are_no_retries() -> None:
    row = edge([istio("source", 1000), istio("destination", 2000)])
    assert row["amplification"] == pytest.approx(1.0, rel=0.01)
    assert row["unexplained"] == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("own", [False, True], ids=["both ends", "proxies"])
@pytest.mark.parametrize("flags", ["FI", "DI,FI", "FI,DI"])
def test_what_a_fault_filter_aborts_was_never_tried(own: bool, flags: str) -> None:
    # 1,000 of 2,000 are aborted before they are sent; each of the others is tried one and a half times.
    series = [
        istio("source", 1000, code="503", flags=flags),
        istio("source", 1000),
        istio("destination", 1000),
        istio("destination", 500, code="503"),
        *([envoy("upstream_rq_retry", 500)] if own else []),
    ]
    row = edge(series)
    assert row["amplification"] == pytest.approx(1.5, rel=0.01)
    assert row["never_arrived"] == pytest.approx(1000, rel=0.01)
    assert row["injected"] == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("own", [False, True], ids=["both ends", "proxies"])
def test_what_a_fault_filter_delays_is_a_request_as_any(own: bool) -> None:
    series = [
        istio("source", 1000, flags="DI"),
        istio("source", 1000),
        istio("destination", 2000),
        *([envoy("upstream_rq_retry", 0)] if own else []),
    ]
    row = edge(series)
    assert row["amplification"] == 1.0
    assert row["never_arrived"] == 0
    assert row["injected"] == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("label", ["cluster_name", "envoy_cluster_name"])
def test_both_names_of_the_cluster_are_read(label: str) -> None:
    row = edge(
        [istio("source", 1000), istio("destination", 1500, code="503"), envoy("upstream_rq_retry", 500, label=label)]
    )
    assert row["basis"] == "proxies"
    assert row["amplification"] == pytest.approx(1.5, rel=0.01)


@pytest.mark.parametrize("own", [False, True], ids=["both ends", "proxies"])
def test_three_hops_of_four_attempts_give_4_16_64(own: bool) -> None:
    series = [istio("destination", 100, source="unknown", service="front")]
    chain = ["front", "one", "two", "three"]
    for hop, (source, service) in enumerate(pairwise(chain)):
        asked_for = 100 * 4**hop
        series += [
            istio("source", asked_for, source=source, service=service, code="503", flags="URX"),
            istio("destination", 4 * asked_for, source=source, service=service, code="503"),
        ]
        if own:
            series.append(envoy("upstream_rq_retry", 3 * asked_for, source=source, service=service))
    result = question.answer(asked(series), question.settings(attempts=4))
    ways = result.tables["paths"].set_index("service")
    assert list(ways.loc[["one", "two", "three"], "amplification"].round(6)) == [4.0, 16.0, 64.0]
    assert list(ways.loc[["one", "two", "three"], "configured"]) == [4.0, 16.0, 64.0]
    assert ways.loc["three", "path"] == "outside > front > one > two > three"


def test_retry_ratios_are_both_told() -> None:
    row = edge([istio("source", 2000), istio("destination", 3000), envoy("upstream_rq_retry", 1000)])
    assert row["retries_per_request"] == pytest.approx(0.5, rel=0.01)
    assert row["retries_per_attempt"] == pytest.approx(1 / 3, rel=0.01)


def test_hostile_names_stay_on_one_line() -> None:
    evil = "b\n<script>"
    result = question.answer(
        asked([istio("source", 1000, service=evil), istio("destination", 3000, service=evil, code="503")])
    )
    assert "\n<" not in result.to_text()
    assert "<script>" not in to_html(result.to_dict())


def test_one_request_that_two_retries_saved_is_saved_once() -> None:
    # 503, 503, 200: the counter of successes counts the request, and not the retries.
    series = [
        istio("source", 1000),
        istio("destination", 1000),
        istio("destination", 600, code="503"),
        envoy("upstream_rq_retry", 600),
        envoy("upstream_rq_retry_success", 300),
    ]
    assert edge(series)["saved"] == pytest.approx(300, rel=0.01)
    assert edge(series)["wasted"] == pytest.approx(0.5, rel=0.01)
    assert "600 retries saved 300 requests" in finding(series, "ML-RET-007").statement


def test_tries_that_time_out_are_no_requests_that_do() -> None:
    # With a time-out a try, six tries time out and the counter of the requests stays at zero.
    series = [
        istio("source", 300, code="504", flags="URX,UT"),
        istio("destination", 600, code="0", flags="DC"),
        envoy("upstream_rq_retry", 300),
        envoy("upstream_rq_per_try_timeout", 600),
        envoy("upstream_rq_timeout", 0),
    ]
    row = edge(series)
    assert row["per_try_timeout"] == pytest.approx(600, rel=0.01)
    assert row["timeout"] == 0
    assert row["amplification"] == pytest.approx(2.0, rel=0.01)


def test_an_idle_pooled_connection_is_no_open_breaker() -> None:
    base = [istio("source", 1000), istio("destination", 1000), envoy("upstream_rq_retry", 0)]
    for name in ("cx_open", "cx_pool_open"):
        labels, times, _ = envoy(f"circuit_breakers_default_{name}", 0)
        result = question.answer(asked([*base, (labels, times, np.ones(len(times)))]))
        breakers = next(f for f in result.findings if f.code == "ML-RET-010")
        assert (breakers.key, breakers.value) == ("retries.breakers.pass", 0)
        assert result.tables["protection"].empty


def test_two_counters_of_one_refusal_count_it_once() -> None:
    # Envoy 1.40 counts a full max_requests as pending_overflow, later ones as active_overflow, some as both.
    row = edge([*BREAKER, envoy("upstream_rq_pending_overflow", 4000), envoy("upstream_rq_active_overflow", 4000)])
    assert row["breaker_rejected"] == pytest.approx(4000, rel=0.01)


def test_an_old_name_of_a_counter_adds_nothing() -> None:
    base = [istio("source", 1000), istio("destination", 1000), envoy("upstream_rq_retry", 0)]
    ejected = [envoy(f"outlier_detection_ejections_{kind}", 120) for kind in ("enforced_total", "total", "active")]
    assert edge([*base, *ejected])["ejections"] == pytest.approx(120, rel=0.02)


def test_detected_and_not_enforced_is_no_ejection() -> None:
    base = [istio("source", 1000), istio("destination", 1000), envoy("upstream_rq_retry", 0)]
    detected = envoy("outlier_detection_ejections_detected_consecutive_5xx", 120)
    assert np.isnan(edge([*base, detected])["ejections"])
    assert edge([*base, detected, envoy("outlier_detection_ejections_enforced_total", 0)])["ejections"] == 0


def test_subsets_of_a_service_are_one_edge() -> None:
    subsets = []
    for subset, retries in (("v1", 300), ("v2", 200), ("", 0)):
        labels, times, values = envoy("upstream_rq_retry", retries)
        subsets.append(({**labels, "cluster_name": f"outbound|80|{subset}|b.shop.svc.cluster.local"}, times, values))
    row = edge([istio("source", 1000), istio("destination", 1500, code="503"), *subsets])
    assert row["amplification"] == pytest.approx(1.5, rel=0.01)


@pytest.mark.parametrize(
    "cluster", ["inbound|8080||", "inbound|8080|http|b.shop.svc.cluster.local", "InboundPassthroughCluster", "xds-grpc"]
)
def test_what_a_sidecar_retries_inwards_or_of_its_control_plane_is_no_edge(cluster: str) -> None:
    labels, times, values = envoy("upstream_rq_retry", 700, source="b")
    inward = ({**labels, "cluster_name": cluster}, times, values)
    series = [istio("source", 1000), istio("destination", 1000), envoy("upstream_rq_retry", 0), inward]
    table = question.answer(asked(series)).tables["edges"]
    assert list(table["destination_service"]) == ["b"]
    assert table["attempts"].sum() == 1000


def test_a_breakers_answers_are_requests_and_no_attempts_of_a_plain_envoy() -> None:
    # Completed are 500, the breaker's own answers included, sent are 100.
    who = {"envoy_cluster_name": "b", "pod": "a", "namespace": "shop"}
    series = [
        counter({"__name__": "envoy_cluster_upstream_rq", **who, "envoy_response_code": "200"}, 100),
        counter({"__name__": "envoy_cluster_upstream_rq", **who, "envoy_response_code": "503"}, 400),
        counter({"__name__": "envoy_cluster_upstream_rq_total", **who}, 100),
        counter({"__name__": "envoy_cluster_upstream_rq_retry", **who}, 0),
        counter({"__name__": "envoy_cluster_upstream_rq_pending_overflow", **who}, 400),
    ]
    row = edge(series)
    assert row["amplification"] == 1.0
    assert row["breaker_rejected"] == pytest.approx(400, rel=0.01)


def test_a_series_that_comes_back_begins_anew_and_the_gap_is_missing() -> None:
    # Linkerd drops what was idle for ten minutes; here all of an edge's for 100 of 300 s.
    def gone(series: Series) -> Series:
        labels, times, values = series
        back = values - values[40]
        keep = (times < START + 100) | (times > START + 200)
        return labels, times[keep], np.where(times > START + 200, back, values)[keep]

    rows = [istio("source", 3000), istio("destination", 4500, code="503"), envoy("upstream_rq_retry", 1500)]
    other = [istio("source", 3000, service="c"), istio("destination", 3000, service="c")]
    series = [*map(gone, rows), *other, envoy("upstream_rq_retry", 0, service="c")]
    row = edge(series)
    # Two thirds of all that there was: the gap is not made up for, and nothing is counted twice.
    assert row["requests"] == pytest.approx(2000, rel=0.05)
    assert row["amplification"] == pytest.approx(1.5, rel=0.02)
    line = question.answer(asked([*map(gone, rows)])).tables["timeline"]
    assert line["load_per_s"].iloc[11:19].isna().all()
    assert line["load_per_s"].iloc[1:9].gt(0).all()
    assert line["load_per_s"].iloc[22:].gt(0).all()


@pytest.mark.parametrize("service", ["b", "other"])
def test_a_waypoint_and_a_caller_tell_a_request_once(service: str) -> None:
    # A waypoint reports what a caller with a proxy of its own has reported already.
    series = [
        istio("source", 1000, service=service),
        istio("waypoint", 1000, service=service),
        istio("destination", 1500, service=service, code="503"),
    ]
    assert edge(series, service=service)["requests"] == pytest.approx(1000, rel=0.01)
