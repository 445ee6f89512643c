"""Retries as Linkerd's two generations of metrics and a plain Envoy tell them: worked out by hand, counted once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from meshlab.core.results import Result, Verdict
from meshlab.questions.retries import Retries
from meshlab.recordings.engine import Recording
from meshlab.telemetry.mesh import Mesh

question = Retries()
START, SECONDS, EVERY = 1_700_000_000, 300, 5
TIMES = np.arange(START, START + SECONDS + 1, EVERY, dtype=np.float64)

Series = tuple[dict[str, str], np.ndarray, np.ndarray]

CALLER = {"deployment": "web", "namespace": "shop", "pod": "web-0", "job": "linkerd-proxy"}
CALLED = {"deployment": "books", "namespace": "shop", "pod": "books-0", "job": "linkerd-proxy"}
PARENT = {"parent_kind": "Service", "parent_name": "books", "parent_namespace": "shop", "route_kind": "HTTPRoute"}


def counter(name: str, total: float, **labels: str) -> Series:
    return {"__name__": name, **labels}, TIMES, np.round(np.linspace(0, total, len(TIMES)))


def legacy(total: float, code: str = "200", direction: str = "outbound", authority: str = "books") -> Series:
    """What goes over the wire: every attempt."""
    outcome = "success" if code == "200" else "failure"
    who = {**CALLER, "dst_deployment": "books", "dst_service": "books", "dst_namespace": "shop"}
    who |= {"authority": f"{authority}.shop.svc.cluster.local:80"}
    who = who if direction == "outbound" else CALLED
    return counter("response_total", total, **who, direction=direction, classification=outcome, status_code=code)


def profile(name: str, total: float, direction: str = "outbound", route: str = "GET /", **more: str) -> Series:
    who = CALLER if direction == "outbound" else CALLED
    labels = {**who, "dst": "books.shop.svc.cluster.local:80", "rt_route": route, "direction": direction, **more}
    return counter(name, total, **labels)


def route(name: str, total: float, who: dict[str, str] = CALLER, **more: str) -> Series:
    return counter(f"outbound_{name}_total", total, **who, **PARENT, **{"route_name": "get", **more})


def backend(name: str) -> dict[str, str]:
    return {"backend_kind": "Service", "backend_name": name, "backend_namespace": "shop"}


def judged(series: Sequence[Series]) -> Result:
    mesh = Mesh.detect(Recording.from_series(series), "memory")
    return question.answer(question.collect(mesh, mesh.window()))


def edge(series: Sequence[Series], source: str = "web", service: str = "books") -> pd.Series:  # type: ignore[type-arg]
    table = judged(series).tables["edges"].set_index(["source", "destination_service"])
    row = table.loc[(source, service)]
    assert isinstance(row, pd.Series)
    return row


# 1,000 requests of which 312 had to be asked anew, some more than once: 1,560 attempts, as Linkerd's own table has it.
WIRE = [legacy(750), legacy(810, "503")]


def test_service_profiles_tell_requests_and_attempts() -> None:
    row = edge([*WIRE, profile("route_request_total", 1000), profile("route_actual_request_total", 1560)])
    assert row["basis"] == "proxies"
    assert row["attempts"] == pytest.approx(1560, rel=0.01)
    assert row["requests"] == pytest.approx(1000, rel=0.01)
    assert row["amplification"] == pytest.approx(1.56, rel=0.01)
    # Linkerd's own column of retries is 1 - requests / attempts.
    assert row["retries_per_attempt"] == pytest.approx(1 - 1000 / 1560, rel=0.01)
    # Which of them saved a request is not told, and is not none.
    assert np.isnan(row["saved"])


def test_the_called_sides_routes_are_not_counted_again() -> None:
    series = [
        *WIRE,
        legacy(750, direction="inbound"),
        legacy(810, "503", direction="inbound"),
        *[
            profile(name, total, direction)
            for name, total in (("route_request_total", 1000), ("route_actual_request_total", 1560))
            for direction in ("outbound", "inbound")
        ],
    ]
    assert edge(series)["amplification"] == pytest.approx(1.56, rel=0.01)
    assert edge(series)["attempts"] == pytest.approx(1560, rel=0.01)


def test_all_routes_of_a_service_profile_count() -> None:
    series = [*WIRE]
    for name, asked, tried in (("GET /", 700, 1200), ("POST /", 300, 360)):
        series += [
            profile("route_request_total", asked, route=name),
            profile("route_actual_request_total", tried, route=name),
        ]
    assert edge(series)["amplification"] == pytest.approx(1.56, rel=0.01)


def test_retries_that_a_service_profiles_budget_refused() -> None:
    series = [
        *WIRE,
        profile("route_request_total", 1000),
        profile("route_actual_request_total", 1560),
        profile("route_retryable_total", 560),
        profile("route_retryable_total", 250, skipped="no_budget"),
    ]
    assert edge(series)["retries_refused"] == pytest.approx(250, rel=0.01)
    assert edge(series)["amplification"] == pytest.approx(1.56, rel=0.01)


def test_requests_of_a_service_profile_alone_tell_no_attempts() -> None:
    result = judged([*WIRE, profile("route_request_total", 1000)])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert np.isnan(result.tables["edges"]["amplification"].iloc[0])


def test_a_routes_own_retry_counters_are_read() -> None:
    row = edge(
        [
            *WIRE,
            route("http_route_retry_requests", 560),
            route("http_route_retry_successes", 140),
            route("http_route_retry_limit_exceeded", 200),
            route("http_route_retry_overflow", 30),
        ]
    )
    assert row["requests"] == pytest.approx(1000, rel=0.01)
    assert row["amplification"] == pytest.approx(1.56, rel=0.01)
    assert row["saved"] == pytest.approx(140, rel=0.01)
    assert row["retry_limit_exceeded"] == pytest.approx(200, rel=0.01)
    assert row["retries_refused"] == pytest.approx(30, rel=0.02)


def test_http_and_grpc_and_every_route_count_once_each_however_often_they_are_scraped() -> None:
    series = [
        *WIRE,
        route("http_route_retry_requests", 300),
        route("http_route_retry_requests", 60, route_name="post"),
        route("grpc_route_retry_requests", 200),
        # A second scraper of the same proxy.
        route("http_route_retry_requests", 300, {**CALLER, "job": "kubernetes-pods"}),
    ]
    assert edge(series)["amplification"] == pytest.approx(1.56, rel=0.01)


STATUSES = [
    route("http_route_request_statuses", 750, http_status="200", error=""),
    route("http_route_request_statuses", 250, http_status="503", error=""),
]
BACKENDS = [
    route("http_route_backend_response_statuses", 750, http_status="200", error="", **backend("books-v1")),
    route("http_route_backend_response_statuses", 400, http_status="503", error="", **backend("books-v1")),
    route("http_route_backend_response_statuses", 410, http_status="503", error="", **backend("books-v2")),
]


def test_without_retry_counters_routes_and_backends_tell_effective_and_actual() -> None:
    row = edge([*STATUSES, *BACKENDS])
    assert row["basis"] == "proxies"
    assert row["attempts"] == pytest.approx(1560, rel=0.01)
    assert row["amplification"] == pytest.approx(1.56, rel=0.01)


def test_retry_counters_and_what_they_can_be_told_from_are_the_same_retries() -> None:
    row = edge([*STATUSES, *BACKENDS, route("http_route_retry_requests", 560)])
    assert row["attempts"] == pytest.approx(1560, rel=0.01)
    assert row["amplification"] == pytest.approx(1.56, rel=0.01)
    both = edge([*WIRE, *STATUSES, *BACKENDS, route("http_route_retry_requests", 560)])
    assert both["attempts"] == pytest.approx(1560, rel=0.01)
    assert both["amplification"] == pytest.approx(1.56, rel=0.01)


def test_requests_that_never_left_the_proxy_hide_no_retries() -> None:
    shed = route("http_route_request_statuses", 300, http_status="503", error="FAIL_FAST")
    assert edge([*STATUSES, shed, *BACKENDS])["amplification"] == pytest.approx(1.56, rel=0.01)


def test_where_only_routes_are_counted_each_request_counts_once() -> None:
    row = edge([*STATUSES, route("http_route_retry_requests", 560)])
    assert row["requests"] == pytest.approx(1000, rel=0.01)
    assert row["attempts"] == pytest.approx(1560, rel=0.01)


def test_no_retries_are_none_where_both_are_counted() -> None:
    same = [route("http_route_backend_response_statuses", 1000, http_status="200", error="", **backend("books"))]
    result = judged([route("http_route_request_statuses", 1000, http_status="200", error=""), *same])
    assert result.verdict is Verdict.PASS
    assert result.tables["edges"]["amplification"].iloc[0] == 1.0


def plain_envoy(name: str, total: float, cluster: str = "books", **more: str) -> Series:
    who = {"envoy_cluster_name": cluster, "job": "envoy", "pod": "web", "namespace": "shop"}
    return counter(f"envoy_cluster_{name}", total, **who, **more)


ENVOY = [
    plain_envoy("upstream_rq", 700, envoy_response_code="200"),
    plain_envoy("upstream_rq", 300, envoy_response_code="503"),
]


def test_a_plain_envoys_own_counters_tell_its_retries() -> None:
    row = edge(
        [
            *ENVOY,
            # Attempts over connections that were refused are missing from this one: it is not used.
            plain_envoy("upstream_rq_total", 1300),
            plain_envoy("upstream_rq_completed", 1000),
            plain_envoy("upstream_rq_retry", 560),
            plain_envoy("upstream_rq_retry_success", 100),
            plain_envoy("upstream_rq_retry_overflow", 40),
            plain_envoy("upstream_rq_retry_limit_exceeded", 260),
            plain_envoy("upstream_rq_pending_overflow", 20),
        ]
    )
    assert row["requests"] == pytest.approx(1000, rel=0.01)
    assert row["amplification"] == pytest.approx(1.56, rel=0.01)
    assert row["saved"] == pytest.approx(100, rel=0.01)
    assert row["retries_refused"] == pytest.approx(40, rel=0.02)
    assert row["breaker_rejected"] == pytest.approx(20, rel=0.02)


def test_the_counters_of_why_and_how_envoy_retried_are_no_further_retries() -> None:
    more = [
        plain_envoy("upstream_rq_retry_backoff_exponential", 560),
        plain_envoy("retry_upstream_rq", 560, envoy_response_code="503"),
        plain_envoy("retry_upstream_rq_completed", 560),
        plain_envoy("upstream_rq_xx", 1000, envoy_response_code_class="2"),
    ]
    row = edge([*ENVOY, *more, plain_envoy("upstream_rq_retry", 560)])
    assert row["attempts"] == pytest.approx(1560, rel=0.01)


def test_a_plain_envoy_without_retry_counters_leaves_attempts_unknown() -> None:
    result = judged(ENVOY)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.findings[0].key == "retries.state.unknown"


def test_one_proxy_scraped_twice_has_its_retries_once() -> None:
    labels, times, values = plain_envoy("upstream_rq_retry", 560)
    again = ({**labels, "job": "kubernetes-pods", "app": "web"}, times, values)
    assert edge([*ENVOY, (labels, times, values), again])["amplification"] == pytest.approx(1.56, rel=0.01)
