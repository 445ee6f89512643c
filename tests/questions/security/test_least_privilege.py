"""Rules from traffic, against what the recordings' lab really did, and against labels that mean harm."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import meshlab
from meshlab.core.counts import BlockGrid, Counts
from meshlab.errors import ParameterError
from meshlab.questions.security import least_privilege as least

DATA = Path(__file__).parents[3] / "data"
SA = "cluster.local/ns/shop/sa/"
START = pd.Timestamp("2026-01-01T00:00:00Z")


def row(**words: object) -> dict[str, object]:
    found: dict[str, object] = {
        "source": "web",
        "source_namespace": "shop",
        "source_principal": f"spiffe://{SA}web",
        "destination_namespace": "shop",
        "destination_workload": "cart",
        "destination_service": "cart",
        "protocol": "http",
        "code": "200",
        "grpc_status": "",
        "flags": "-",
        "tls": "mutual_tls",
        "minute": 1,
        "count": 60,
    }
    return found | words


def counts(*rows: dict[str, object]) -> Counts:
    """Counts in blocks of a minute, each named by the minute of its end."""
    labels = pd.DataFrame(rows)
    minute, count = labels.pop("minute").to_numpy(np.int64), labels.pop("count").to_numpy(np.float64)
    grid = BlockGrid(START.value // 1_000_000, 60_000, 60)
    return Counts.of(labels, np.arange(len(labels)), minute - 1, count, grid)


def principals(text: str) -> set[tuple[str, str]]:
    return {
        (document["metadata"]["name"], principal)
        for document in yaml.safe_load_all(text)
        if document
        for rule in document["spec"].get("rules", [])
        for source in rule["from"]
        for principal in source["source"]["principals"]
    }


def seen(name: str) -> Counts:
    mesh = meshlab.connect(str(DATA / name))
    return least.collect(mesh, mesh.window(), block_ms=30_000)


def account(name: str, truth: dict[str, dict[str, str]]) -> str:
    return truth[name].get("service_account", truth[name]["service"])


@pytest.mark.parametrize("name", ["mtls-migration", "canary-healthy"])
def test_exactly_the_legitimate_edges_of_a_recording_get_a_rule(name: str) -> None:
    truth = json.loads((DATA / name / "manifest.json").read_text())["truth"]
    workloads = truth["workloads"]
    legitimate = {
        (target, SA + account(source, workloads))
        for source, spec in workloads.items()
        for target, other in workloads.items()
        if other["service"] in spec["calls"] and source not in ("batch", "legacy")
    }
    proposal = least.propose(seen(name))
    assert {(grant.workload, grant.principal) for grant in proposal.grants} == legitimate
    assert principals(least.policies(proposal)) == {(f"{target}-callers", who) for target, who in legitimate}
    assert proposal.unprotected == (("shop", "ingress"),)


def test_the_denied_and_the_nameless_of_a_migration_are_listed_with_their_traffic() -> None:
    left = {(one.source, one.workload): one for one in least.propose(seen("mtls-migration")).leftovers}
    assert {key: one.why for key, one in left.items()} == {
        ("batch", "payments"): least.Why.DENIED,
        ("", "inventory"): least.Why.UNIDENTIFIED,
        ("cart", "inventory"): least.Why.UNIDENTIFIED,
        ("", "ingress"): least.Why.UNIDENTIFIED,
    }
    assert all(one.traffic.requests > 0 for one in left.values())


@pytest.mark.parametrize("name", ["mtls-migration", "canary-healthy"])
def test_a_steady_recording_is_replayed_without_a_false_denial(name: str) -> None:
    found = least.replay(seen(name))
    assert (found.false_denials, found.share) == (0, 0.0)
    assert found.requests > 1000
    assert found.interval is not None
    assert found.interval[1] == pytest.approx(3.8415 / (found.requests + 3.8415), rel=1e-3)


def test_a_rule_carries_its_traffic() -> None:
    grant = least.propose(counts(row(minute=1, count=30), row(minute=2, count=90, code="500"))).grants[0]
    assert (grant.traffic.requests, grant.traffic.rate_per_s) == (120, 1.0)
    assert (grant.traffic.first, grant.traffic.last) == (START + pd.Timedelta("1min"), START + pd.Timedelta("2min"))
    text = least.policies(least.propose(counts(row(minute=1, count=30), row(minute=2, count=90))))
    assert "# 120 requests, 1/s, first 2026-01-01T00:01:00Z, last 2026-01-01T00:02:00Z" in text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"code": "403"}, least.Why.DENIED),
        ({"grpc_status": "7"}, least.Why.DENIED),
        ({"source_principal": ""}, least.Why.UNIDENTIFIED),
        ({"source_principal": "unknown"}, least.Why.UNIDENTIFIED),
        ({"tls": "none"}, least.Why.UNIDENTIFIED),
        ({"source_principal": "*"}, least.Why.MALFORMED),
        ({"source_principal": f"spiffe://{SA}web\n"}, least.Why.MALFORMED),
        ({"source_principal": f"spiffe://{SA}*"}, least.Why.MALFORMED),
        ({"destination_workload": "cart\n"}, least.Why.MALFORMED),
        ({"destination_namespace": "../x"}, least.Why.MALFORMED),
    ],
)
def test_what_never_becomes_a_rule(words: dict[str, object], why: least.Why) -> None:
    proposal = least.propose(counts(row(**words)))
    assert proposal.grants == ()
    assert [one.why for one in proposal.leftovers] == [why]
    assert principals(least.policies(proposal)) == set()


def test_some_denials_take_no_rule_away() -> None:
    proposal = least.propose(counts(row(), row(code="403")))
    assert [grant.traffic.requests for grant in proposal.grants] == [60]
    assert proposal.leftovers == ()


def test_rows_without_requests_are_no_traffic() -> None:
    assert least.propose(counts(row(count=0))).grants == ()


def test_policies_are_dry_runs_and_close_nothing_else_unless_asked() -> None:
    proposal = least.propose(counts(row()))
    (document,) = (one for one in yaml.safe_load_all(least.policies(proposal)) if one)
    assert document["metadata"]["annotations"] == {"istio.io/dry-run": "true"}
    assert (document["apiVersion"], document["spec"]["action"]) == ("security.istio.io/v1", "ALLOW")
    assert document["spec"]["selector"] == {"matchLabels": {"app": "cart"}}
    text = least.policies(proposal, dry_run=False, deny_rest=True, selector=least.Selector("x.io/name", False))
    one, rest = (one for one in yaml.safe_load_all(text) if one)
    assert "annotations" not in one["metadata"]
    assert one["spec"]["selector"] == {"matchLabels": {"x.io/name": "cart"}}
    assert rest["spec"] == {}
    with pytest.raises(ParameterError, match="no label's key"):
        least.Selector("app: x\n")


def test_envoys_rules_and_the_labs_accounts_say_the_same() -> None:
    proposal = least.propose(counts(row(), row(source_principal=f"spiffe://{SA}admin")))
    policy = least.rbac(proposal)["shop", "cart"]["rules"]
    assert policy["action"] == "ALLOW"
    assert [one["authenticated"]["principal_name"]["exact"] for one in policy["policies"]["callers"]["principals"]] == [
        f"spiffe://{SA}admin",
        f"spiffe://{SA}web",
    ]
    assert least.accounts(proposal, "shop") == {"cart": ("admin", "web")}


def test_a_caller_that_came_late_is_a_false_denial() -> None:
    late = row(minute=10, source_principal=f"spiffe://{SA}cron", count=20)
    found = least.replay(counts(row(minute=1), row(minute=10, count=60), late, row(minute=10, tls="none", count=5)))
    assert (found.requests, found.false_denials, found.share, found.unidentified) == (80, 20, 0.25, 5)
    # Wilson's interval of 20 in 80, worked out by hand.
    assert found.interval == pytest.approx((0.1683, 0.3548), abs=5e-4)
    assert found.denied.to_dict("records") == [
        {"destination_namespace": "shop", "destination_workload": "cart", "principal": SA + "cron", "requests": 20}
    ]


def test_a_last_part_without_identified_requests_tests_nothing() -> None:
    found = least.replay(counts(row(minute=1), row(minute=10, code="403")))
    assert (found.requests, found.share, found.interval) == (0, None, None)
    with pytest.raises(ParameterError, match="last_part"):
        least.replay(counts(row()), last_part=1.0)
    with pytest.raises(ParameterError, match="no traffic"):
        least.replay(counts(row()).nothing())


def test_permissions_that_nobody_used() -> None:
    current = least.policies(least.propose(counts(row(), row(source_principal=f"spiffe://{SA}old"))))
    assert [(one.principal, one.limited) for one in least.unused(current, counts(row()))] == [(SA + "old", True)]
    wild = current.replace(SA + "old", "*")
    assert [(one.principal, one.limited) for one in least.unused(wild, counts(row()))] == [("*", False)]
    with pytest.raises(ParameterError, match="no YAML"):
        least.unused("a: [", counts(row()))


def test_order_of_rows_changes_nothing() -> None:
    found = seen("mtls-migration")
    order, sid = np.random.default_rng(3).permutation(len(found.value)), found.sid
    shuffled = Counts.of(found.labels, sid[order], found.block[order], found.value[order], found.grid)
    assert least.policies(least.propose(found)) == least.policies(least.propose(shuffled))


HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["null", "1e3", "true", "~", "a\n---\nkind: Pod", "x\u2028- y", "\x85z", f"spiffe://{SA}web"]),
    st.sampled_from(
        ["<script>alert(1)</script>", "&a [*a, *a]", "*a", "a: b", "- a", "'", '"', "é", "\u202eko", "\ufeffa"]
    ),
    st.sampled_from(["%YAML 1.1", "# a", "a #b", "{{ a }}", "? a", "|", ">-"]),
)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_yaml_is_read_back_as_the_proposal_whatever_labels_hold(
    source: str, principal: str, workload: str, namespace: str, service: str
) -> None:
    rows = [
        row(),
        row(
            source=source,
            source_principal=principal,
            destination_workload=workload,
            destination_namespace=namespace,
            destination_service=service,
        ),
        row(source=source, destination_workload=workload, destination_service=service),
    ]
    proposal = least.propose(counts(*rows))
    text = least.policies(proposal, selector=least.Selector(by_service=False))
    documents = [one for one in yaml.safe_load_all(text) if one]
    assert all(one["kind"] == "AuthorizationPolicy" for one in documents)
    assert principals(text) == {
        (f"{grant.workload}-callers", grant.principal) for grant in proposal.grants if len(grant.workload) <= 63
    }
    assert {one["metadata"]["namespace"] for one in documents} == {grant.namespace for grant in proposal.grants}
