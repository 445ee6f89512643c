"""Retry policies as people write them, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshlab.errors import ParameterError
from meshlab.questions.retries.lint import Fault, lint
from meshlab.questions.retries.routes import EdgePolicy, parse, read

SOUND = EdgePolicy(
    service="ledger",
    retries=2,
    per_try_s=1.0,
    route_s=4.0,
    on=("503",),
    methods=("GET",),
    max_retries=10,
    budget_percent=20.0,
)


def faults(*policies: EdgePolicy, paths: list[list[str]] | None = None) -> list[Fault]:
    return [flaw.fault for flaw in lint(policies, paths or ())]


def test_a_sound_policy_has_no_flaw() -> None:
    assert faults(SOUND) == []
    assert faults(EdgePolicy(service="ledger")) == []


def test_tries_that_do_not_fit() -> None:
    # 3 x 1 s, and pauses of 25 and 75 ms at most.
    assert SOUND.needed_s == pytest.approx(3.1)
    assert faults(replace(SOUND, route_s=3.1)) == []
    assert faults(replace(SOUND, route_s=3.0)) == [Fault.DOES_NOT_FIT]
    # 25, 75, 175 ms, then 250 each.
    assert replace(SOUND, retries=5).needed_s == pytest.approx(6 + 0.025 + 0.075 + 0.175 + 0.25 + 0.25)
    # No time-out of the route, or none of a try: nothing to fit.
    assert faults(replace(SOUND, route_s=0.0)) == faults(replace(SOUND, per_try_s=0.0, route_s=0.5)) == []


def test_layers_multiply() -> None:
    # Three hops of four attempts each are 64.
    hops = [replace(SOUND, service=name, retries=3, route_s=10) for name in ("checkout", "payments", "ledger")]
    (flaw,) = lint(hops)
    assert flaw.fault is Fault.LAYERS
    assert "64 attempts" in flaw.statement
    (flaw,) = lint(hops, [["checkout", "payments"], ["ledger"]])
    assert "16 attempts" in flaw.statement
    assert lint(hops, [["checkout"], ["ledger"]]) == ()
    assert lint([hops[0], replace(hops[1], retries=0)]) == ()


def test_two_routes_to_one_service_are_one_layer() -> None:
    assert faults(SOUND, replace(SOUND, methods=("HEAD",))) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"max_retries": None, "budget_percent": None}, [Fault.UNBOUNDED]),
        ({"max_retries": 2**32 - 1, "budget_percent": None}, [Fault.UNBOUNDED]),
        ({"max_retries": 3, "budget_percent": None}, []),
        ({"budget_alone": True, "max_retries": None}, [Fault.BUDGET_ALONE, Fault.UNBOUNDED]),
        ({"budget_in_subset": True, "max_retries": None}, [Fault.BUDGET_DROPPED, Fault.UNBOUNDED]),
        ({"budget_in_subset": True}, [Fault.BUDGET_DROPPED]),
        ({"budget_percent": 0.2}, [Fault.BUDGET_TINY]),
        ({"budget_percent": 1.0}, []),
        ({"methods": ("POST",)}, [Fault.NOT_IDEMPOTENT]),
        ({"methods": ("post", "GET")}, [Fault.NOT_IDEMPOTENT]),
        ({"methods": ("POST",), "on": ("connect-failure", "refused-stream")}, []),
        ({"methods": ("PUT", "DELETE")}, []),
        ({"methods": ("POST",), "retries": 0}, []),
    ],
)
def test_flaws(change: dict[str, object], expected: list[Fault]) -> None:
    assert faults(replace(SOUND, **change)) == expected  # type: ignore[arg-type]


def test_hostile_names_are_harmless() -> None:
    flaws = lint([replace(SOUND, service="a\x1b[31m\nb", methods=("PO\x07ST",), max_retries=None, budget_percent=None)])
    assert flaws
    assert all(one.isprintable() for flaw in flaws for one in (flaw.service, flaw.statement, flaw.remedy))


WHOLE = """
apiVersion: v1
kind: List
items:
- apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: ledger, namespace: shop}
  spec:
    hosts: [ledger]
    http:
    - match: [{method: {exact: POST}}]
      timeout: 3s
      retries: {attempts: 3, perTryTimeout: 1500ms, retryOn: "5xx, reset", backoff: 100ms}
      route: [{destination: {host: ledger.shop.svc.cluster.local}}]
    - route: [{destination: {host: ledger}, weight: 100}]
      retries: {attempts: 0}
- apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: ledger, namespace: shop}
  spec:
    host: ledger.shop.svc.cluster.local
    trafficPolicy: {retryBudget: {percent: 0.2, minRetryConcurrency: 3}}
    subsets:
    - {name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: shop}
spec:
  host: cart
  trafficPolicy: {connectionPool: {http: {maxRetries: 7}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: payments, namespace: shop}
spec:
  rules:
  - matches: [{method: POST}]
    timeouts: {request: 1m1s500ms, backendRequest: 2s}
    retry: {attempts: 4, codes: [500, 503], backoff: 250ms}
    backendRefs: [{name: payments, port: 80}]
  - backendRefs: [{name: payments, port: 80}]
"""


def test_yaml_is_read() -> None:
    post, plain_route, payments, quiet, cart = parse(WHOLE)
    assert (post.retries, post.per_try_s, post.route_s, post.back_off_s) == (3, 1.5, 3.0, 0.1)
    assert (post.on, post.methods) == (("5xx", "reset"), ("POST",))
    assert (post.budget_percent, post.budget_alone, post.budget_in_subset) == (0.2, True, True)
    assert (plain_route.service, plain_route.retries, plain_route.budget_percent) == ("ledger", 0, 0.2)
    assert (payments.retries, payments.per_try_s, payments.route_s, payments.back_off_s) == (4, 2.0, 61.5, 0.25)
    assert (payments.on, payments.methods, payments.max_retries) == (("500", "503"), ("POST",), None)
    assert quiet.retries == 0
    # Nobody says anything about cart's retries, so Istio's two hold.
    assert (cart.service, cart.retries, cart.max_retries) == ("cart", 2, 7)


def test_yaml_is_linted() -> None:
    found = {(flaw.service, flaw.fault) for flaw in lint(parse(WHOLE), [["payments", "ledger.shop.svc.cluster.local"]])}
    ledger = "ledger.shop.svc.cluster.local"
    assert found == {
        (ledger, Fault.DOES_NOT_FIT),
        (ledger, Fault.BUDGET_ALONE),
        (ledger, Fault.BUDGET_DROPPED),
        (ledger, Fault.BUDGET_TINY),
        (ledger, Fault.UNBOUNDED),
        (ledger, Fault.NOT_IDEMPOTENT),
        ("payments", Fault.UNBOUNDED),
        ("payments", Fault.NOT_IDEMPOTENT),
        (ledger, Fault.LAYERS),
    }


SERVICE = "kind: VirtualService\nspec: {http: [{%s, route: [{destination: {host: a}}]}]}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "is no YAML"),
        ("kind: Service", "holds no VirtualService"),
        ("", "holds no VirtualService"),
        ("kind: VirtualService", "has no spec"),
        ("kind: VirtualService\nspec: {http: 3}", "no list of tables"),
        ("kind: VirtualService\nspec: {http: [{route: [{destination: {}}]}]}", "has no host"),
        (SERVICE % "retries: 3", "no table"),
        (SERVICE % "retries: {attempts: two}", "a whole number was wanted"),
        (SERVICE % "retries: {attempts: -1}", "a whole number was wanted"),
        (SERVICE % "retries: {attempts: true}", "a whole number was wanted"),
        (SERVICE % "timeout: 3", "a duration such as 500ms was wanted"),
        (SERVICE % "timeout: 3 s", "a duration such as 500ms was wanted"),
        ("kind: DestinationRule\nspec: {host: a, trafficPolicy: {retryBudget: {percent: 300}}}", "from 0 to 100"),
        ("kind: HTTPRoute\nspec: {rules: [{retry: {codes: 5}}]}", "no list"),
    ],
)
def test_what_makes_no_sense(text: str, fault: str) -> None:
    with pytest.raises(ParameterError, match=fault):
        parse(text)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(WHOLE, encoding="utf-8")
    assert read(path) == parse(WHOLE)
    with pytest.raises(ParameterError, match="cannot be read"):
        read(tmp_path / "none.yaml")
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ParameterError, match="larger than 1 MB"):
        read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ParameterError, match="cannot be read"):
        read(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "kind",
                    "spec",
                    "http",
                    "route",
                    "destination",
                    "host",
                    "retries",
                    "attempts",
                    "items",
                    "trafficPolicy",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(VALUES, st.sampled_from(["VirtualService", "DestinationRule", "HTTPRoute", "List"]))
def test_any_yaml_is_read_or_a_typed_error(value: object, kind: str) -> None:
    import yaml

    try:
        found = parse(yaml.safe_dump({"kind": kind, "spec": value, "items": [value]}))
    except ParameterError:
        return
    assert all(isinstance(one, EdgePolicy) for one in found)
    lint(found)
