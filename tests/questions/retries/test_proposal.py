"""A proposal says what was advised, and nothing else, whatever a service is called."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshlab.questions.retries.lint import Fault, lint
from meshlab.questions.retries.proposal import propose
from meshlab.questions.retries.routes import parse
from meshlab.questions.retries.simulate import Concurrency, Hop, Ratio

ADVISED = Hop(retries=1, per_try_s=1.5, route_s=4.0, limit=Concurrency(least=3, percent=20))
NAMES = st.from_regex(re.compile(r"[a-z0-9](?:[-a-z0-9]{0,20}[a-z0-9])?"), fullmatch=True)
HOPS = st.builds(
    Hop,
    retries=st.integers(0, 9),
    per_try_s=st.integers(0, 20_000).map(lambda ms: ms / 1000),
    route_s=st.integers(0, 60_000).map(lambda ms: ms / 1000),
    limit=st.none()
    | st.builds(Concurrency, least=st.integers(1, 99).map(float), percent=st.integers(0, 100).map(float)),
)


def test_what_is_proposed() -> None:
    found = propose("ledger", "shop", ADVISED)
    assert found.istio.startswith("# A proposal of meshlab")
    assert found.gateway.startswith("# A proposal of meshlab")
    rule, service = yaml.safe_load_all(found.istio)
    assert rule["metadata"]["annotations"] == {"meshlab.io/proposal": "true"}
    assert rule["spec"] == {
        "host": "ledger.shop.svc.cluster.local",
        "trafficPolicy": {
            "connectionPool": {"http": {"maxRetries": 3}},
            "retryBudget": {"percent": 20, "minRetryConcurrency": 3},
        },
    }
    assert service["spec"]["http"][0]["retries"] == {
        "attempts": 1,
        "retryOn": "connect-failure,refused-stream,unavailable,cancelled,503",
        "perTryTimeout": "1500ms",
    }
    route = yaml.safe_load(found.gateway)
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "4s", "backendRequest": "1500ms"}
    assert route["spec"]["rules"][0]["retry"]["attempts"] == 1
    assert "&id" not in found.istio


def test_what_is_advised_passes_the_linter() -> None:
    found = propose("ledger", "shop", ADVISED)
    assert lint(parse(found.istio)) == ()
    # HTTPRoute has no limit: that is said, and found.
    assert [flaw.fault for flaw in lint(parse(found.gateway))] == [Fault.UNBOUNDED]
    assert any("no budget of its own" in note for note in found.notes)


def test_no_retries_are_said() -> None:
    found = propose("ledger", "shop", Hop(retries=0, route_s=3.0))
    (service,) = yaml.safe_load_all(found.istio)
    # Silence would be Istio's two retries.
    assert service["spec"]["http"][0]["retries"] == {"attempts": 0}
    assert "retry" not in yaml.safe_load(found.gateway)["spec"]["rules"][0]


def test_limits_that_have_no_words() -> None:
    found = propose("ledger", "shop", Hop(retries=1, limit=Ratio(0.2)))
    assert any("Ratio" in note and "left out" in note for note in found.notes)
    assert "retryBudget" not in found.istio


@given(NAMES, NAMES, HOPS, st.integers(1, 65535))
def test_what_is_written_is_read_back(service: str, namespace: str, hop: Hop, port: int) -> None:
    found = propose(service, namespace, hop, port=port)
    (istio,), (gateway,) = parse(found.istio), parse(found.gateway)
    assert istio.service == f"{service}.{namespace}.svc.cluster.local"
    assert (istio.namespace, gateway.service, gateway.namespace) == (namespace, service, namespace)
    assert istio.retries == gateway.retries == hop.retries
    assert istio.route_s == gateway.route_s == pytest.approx(hop.route_s)
    assert gateway.per_try_s == pytest.approx(hop.per_try_s)
    if hop.retries:
        assert istio.per_try_s == pytest.approx(hop.per_try_s)
    if isinstance(hop.limit, Concurrency):
        assert istio.max_retries == hop.limit.least
        assert istio.budget_percent == (hop.limit.percent or None)
        assert not istio.budget_alone


@given(st.text(max_size=80), st.text(max_size=80))
def test_hostile_names_are_left_out(service: str, namespace: str) -> None:
    found = propose(service, namespace, ADVISED)
    good = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
    if good.fullmatch(service) and good.fullmatch(namespace):
        return
    assert found.istio == found.gateway == ""
    assert found.notes
    assert all(note.isprintable() for note in found.notes if service.isprintable() and namespace.isprintable())


@pytest.mark.parametrize(
    "name",
    [
        "a\nkind: Secret",
        "a: b",
        "{{ x }}",
        "a'b",
        "A",
        "a.b",
        "-a",
        "a-",
        "",
        "a" * 64,
        "a\n",
        "\u202ea",
        "!!python/object:x",
    ],
)
def test_some_hostile_names(name: str) -> None:
    for found in (propose(name, "shop", ADVISED), propose("ledger", name, ADVISED)):
        assert (found.istio, found.gateway) == ("", "")
        assert "is not a valid Kubernetes name" in found.notes[0]
        assert found.notes[0].isprintable()


def test_a_port_that_does_not_exist() -> None:
    assert propose("ledger", "shop", ADVISED, port=0).istio == ""
