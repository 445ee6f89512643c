"""The configuration of a sidecar, from scenario and topology alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from meshlab.lab import prometheus
from meshlab.lab.addresses import AddressBlock
from meshlab.lab.certificates import Authority
from meshlab.lab.control_plane import Snapshot, snapshot
from meshlab.lab.scenario import Scenario
from meshlab.lab.sidecar import identity, telemetry
from meshlab.lab.sidecar.bootstrap import bootstrap
from meshlab.lab.sidecar.messages import duration
from meshlab.lab.topology import Replica, Topology, places

# The labels of Istio's standard metrics; grpc_response_status is empty, so absent, where nobody speaks gRPC.
PEER = {"workload", "workload_namespace", "principal", "app", "version", "cluster", "canonical_service"}
PEER |= {"canonical_revision"}
LABELS = {f"{side}_{label}" for side in ("source", "destination") for label in PEER} | {
    "reporter",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "request_protocol",
    "response_code",
    "response_flags",
    "connection_security_policy",
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CREDENTIALS = Authority("cluster.local", NOW).issue("spiffe://cluster.local/ns/shop/sa/x", NOW)


@contextmanager
def placed(scenario: Scenario) -> Iterator[Topology]:
    block = AddressBlock.reserve(len(places(scenario)))
    try:
        yield Topology.place(scenario, block)
    finally:
        block.close()


@pytest.fixture
def topology() -> Iterator[Topology]:
    with placed(Scenario.named("canary-regression")) as found:
        yield found


def told(name: str, pod: str, *settings: str, down: tuple[str, ...] = ()) -> Snapshot:
    """What a scenario tells one sidecar, with every replica up but those that are down."""
    scenario = Scenario.named(name, settings)
    with placed(scenario) as topology:
        return at_pod(scenario, topology, pod, down)


def at_pod(scenario: Scenario, topology: Topology, pod: str, down: tuple[str, ...] = ()) -> Snapshot:
    workload = next(replica for replica in topology.replicas if replica.pod == pod)
    up = [
        replica for replica in topology.replicas if replica.number < replica.spec.replicas and replica.pod not in down
    ]
    return snapshot(scenario, topology, workload, up, CREDENTIALS)


def find(tree: Any, key: str) -> list[Any]:
    """All values under a key, anywhere in a JSON tree."""
    if isinstance(tree, dict):
        here = [tree[key]] if key in tree else []
        return here + [found for value in tree.values() for found in find(value, key)]
    return [found for value in tree for found in find(value, key)] if isinstance(tree, list) else []


def cluster(found: Snapshot, name: str) -> dict[str, Any]:
    return next(one for one in found["clusters"] if one["name"] == f"outbound|80|{name}.shop.svc.cluster.local")


def test_every_replica_has_an_address_of_its_own(topology: Topology) -> None:
    addresses = [workload.address for workload in topology.replicas]
    assert len(set(addresses)) == 4
    assert all(address.startswith("127.") for address in addresses)


def test_the_shop_stands_in_two_clusters() -> None:
    with placed(Scenario.named("retry-storm")) as topology:
        both = {replica.pod for replica in topology.replicas if replica.cluster == "west"}
    assert both == {"catalog-v1-west-0", "inventory-west-0", "payments-west-0"}


def test_storefront_splits_its_calls_by_weights() -> None:
    found = told("canary-regression", "storefront-0")
    (weighted,) = find(found["routes"], "weighted_clusters")
    assert {one["name"]: one["weight"] for one in weighted["clusters"]} == {
        "outbound|80|v1|catalog.shop.svc.cluster.local": 75,
        "outbound|80|v2|catalog.shop.svc.cluster.local": 25,
    }
    hosts = [host for domains in find(found["routes"], "domains") for host in domains]
    assert "catalog.shop.svc.cluster.local" in hosts


def test_a_service_without_split_is_one_cluster() -> None:
    names = [one["name"] for one in told("canary-regression", "ingress-0")["clusters"]]
    assert names == ["inbound|80||", "outbound|80||storefront.shop.svc.cluster.local"]


def test_a_workload_that_calls_nobody_has_no_routes_out() -> None:
    found = told("canary-regression", "catalog-v1-0")
    assert len(found["clusters"]) == 1
    assert found["endpoints"] == []
    assert next(one for one in found["routes"] if one["name"] == "outbound")["virtual_hosts"] == []


@pytest.mark.parametrize(
    ("setting", "kind", "key", "value"),
    [
        ("traffic.catalog.timeout_ms=2500", "routes", "timeout", "2.5s"),
        ("traffic.catalog.retries.attempts=3", "routes", "num_retries", 3),
        ("traffic.catalog.retries={attempts=1, per_try_timeout_ms=200}", "routes", "per_try_timeout", "0.2s"),
        ("traffic.catalog.breaker.requests=7", "clusters", "max_requests", 7),
        ("traffic.catalog.breaker.budget_percent=20", "clusters", "budget_percent", {"value": 20.0}),
        ("traffic.catalog.outlier.consecutive_5xx=3", "clusters", "consecutive_5xx", 3),
        (
            "traffic.catalog.fault.abort_percent=12.5",
            "routes",
            "percentage",
            {"numerator": 1250, "denominator": "TEN_THOUSAND"},
        ),
        ("traffic.catalog.fault={delay_percent=1, delay_ms=50}", "routes", "fixed_delay", "0.05s"),
        ("traffic.catalog.mirror.version=v2", "routes", "disable_shadow_host_suffix_append", True),
    ],
)
def test_a_policy_changes_its_own_part_alone(setting: str, kind: str, key: str, value: object) -> None:
    plain, changed = (Scenario.named("canary-regression", settings) for settings in ((), (setting,)))
    # One block of addresses for both: another process may hold the first free one only for a while.
    block = AddressBlock.reserve(len(places(plain)))
    try:
        before, after = (at_pod(s, Topology.place(s, block), "storefront-0") for s in (plain, changed))
    finally:
        block.close()
    assert value in find(after[kind], key)
    assert value not in find(before[kind], key)
    same = [name for name in before if name != kind and before[name] != after[name]]
    assert same == []


def test_retries_that_are_off_leave_no_policy() -> None:
    with_them = told("retry-storm", "checkout-0")
    off = told("retry-storm", "checkout-0", "traffic.payments.retries.attempts=0")
    assert find(with_them["routes"], "retry_policy")
    assert not find(off["routes"], "retry_policy")


def test_limits_that_are_not_set_are_none() -> None:
    found = cluster(told("canary-regression", "storefront-0"), "v1|catalog")
    (limits,) = found["circuit_breakers"]["thresholds"]
    assert set(limits.values()) == {4_294_967_295}


def test_replicas_of_the_own_cluster_come_first() -> None:
    found = told("cluster-failover", "storefront-0", down=("catalog-v1-east-0",))
    (v1,) = [one for one in found["endpoints"] if "|v1|catalog" in one["cluster_name"]]
    east, west = v1["endpoints"]
    assert (east["locality"]["region"], east["priority"], east["lb_endpoints"]) == ("east", 0, [])
    assert (west["locality"]["region"], west["priority"], len(west["lb_endpoints"])) == ("west", 1, 1)
    spread = told("cluster-failover", "storefront-0", "traffic.catalog.failover=false")
    assert {group["priority"] for group in find(spread["endpoints"], "endpoints")[0]} == {0}


def test_a_mirror_needs_no_split() -> None:
    found = told("dark-launch", "storefront-0")
    (mirror,) = find(found["routes"], "request_mirror_policies")
    assert mirror[0]["cluster"] == "outbound|80|v2|catalog.shop.svc.cluster.local"
    assert mirror[0]["runtime_fraction"]["default_value"]["numerator"] == 10_000


def test_strict_leaves_no_way_for_plain_text() -> None:
    permissive, strict = (
        told("canary-regression", "catalog-v1-0", *settings) for settings in ((), ("security.mode=strict",))
    )
    assert [chain["name"] for chain in permissive["listeners"][0]["filter_chains"]] == ["mutual-tls", "plain-text"]
    assert [chain["name"] for chain in strict["listeners"][0]["filter_chains"]] == ["mutual-tls"]
    assert strict["listeners"][1] == permissive["listeners"][1]


def test_a_caller_that_speaks_plain_text_has_no_tls() -> None:
    assert "transport_socket" not in cluster(told("mtls-migration", "cart-0"), "|inventory")
    assert "transport_socket" in cluster(told("mtls-migration", "catalog-v2-0"), "|inventory")


def test_rules_name_identities_and_shadow_rules_stay_apart() -> None:
    (payments,) = find(told("mtls-migration", "payments-east-0")["routes"], "rbac")
    (policy,) = payments["rules"]["policies"].values()
    assert find(policy, "exact") == ["spiffe://cluster.local/ns/shop/sa/checkout"]
    assert "shadow_rules" not in payments
    (inventory,) = find(told("mtls-migration", "inventory-east-0")["routes"], "rbac")
    assert "rules" not in inventory
    assert inventory["shadow_rules_stat_prefix"] == "dry_run_"


def test_methods_and_paths_are_conditions_too() -> None:
    rules = 'security.authorization.catalog-v1={allow=[{methods=["GET","HEAD"], paths=["/a"]}]}'
    (found,) = find(told("canary-regression", "catalog-v1-0", rules)["routes"], "rbac")
    (policy,) = found["rules"]["policies"].values()
    assert policy["principals"] == [{"any": True}]
    either = policy["permissions"][0]["and_rules"]["rules"]
    assert [len(one["or_rules"]["rules"]) for one in either] == [2, 1]


def test_both_reporters_carry_istios_labels(topology: Topology) -> None:
    workload = topology.first("storefront")
    assert set(telemetry.source_tags(workload)) == LABELS
    assert set(telemetry.destination_tags(workload, mutual_tls=True)) == LABELS
    assert set(telemetry.destination_tags(workload, mutual_tls=False)) == LABELS


def test_security_policy_is_known_to_the_destination_only(topology: Topology) -> None:
    workload = topology.first("storefront")
    policies = [
        tags["connection_security_policy"]
        for tags in (
            telemetry.source_tags(workload),
            telemetry.destination_tags(workload, mutual_tls=True),
            telemetry.destination_tags(workload, mutual_tls=False),
        )
    ]
    assert policies == ["unknown", "mutual_tls", "none"]


def test_the_other_side_is_never_a_literal(topology: Topology) -> None:
    workload = topology.first("storefront")
    source = telemetry.source_tags(workload)
    assert all(source[f"destination_{label}"].startswith("%COALESCE(") for label in PEER)
    inbound = telemetry.destination_tags(workload, mutual_tls=True)
    assert all(inbound[f"source_{label}"].startswith("%COALESCE(") for label in PEER)
    unknown = json.loads(inbound["source_canonical_revision"].removeprefix("%COALESCE(").removesuffix(")%"))
    assert unknown["operators"][-1] == {"command": "ENVIRONMENT", "param": "MESH_LATEST"}
    assert telemetry.ENVIRONMENT["MESH_LATEST"] == "latest"


def test_plain_text_callers_are_not_told_who_answers() -> None:
    tls, plain = told("canary-regression", "storefront-0")["listeners"][0]["filter_chains"]
    assert find(tls, "response_mutations")
    assert not find(plain, "response_mutations")
    assert plain["filter_chain_match"] == {"transport_protocol": "raw_buffer"}


def test_callers_check_the_exact_principal() -> None:
    found = cluster(told("canary-regression", "ingress-0"), "|storefront")
    assert find(found["transport_socket"], "matcher") == [{"exact": "spiffe://cluster.local/ns/shop/sa/storefront"}]


def test_a_bootstrap_holds_no_secret_and_asks_the_control_plane(topology: Topology) -> None:
    found = bootstrap(topology.first("storefront"), "127.71.0.3")
    assert "PRIVATE KEY" not in json.dumps(found)
    assert find(found["dynamic_resources"], "cluster_names") == [["xds"], ["xds"]]
    assert found["node"]["id"] == "storefront-0"


def test_the_same_scenario_gives_the_same_configuration() -> None:
    one, other = (json.dumps(told("mtls-migration", "cart-0"), sort_keys=True) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(("ms", "text"), [(0, "0s"), (1000, "1s"), (2500, "2.5s"), (0.5, "0.0005s"), (60_000, "60s")])
def test_durations_are_protobufs(ms: float, text: str) -> None:
    assert duration(ms) == text


def test_identity_is_a_protobuf_value() -> None:
    # Value{struct_value: Struct{fields: {"app": Value{string_value: "web"}}}}, encoded by hand.
    string_value = b"\x1a\x03web"
    entry = b"\x0a\x03app" + b"\x12\x05" + string_value
    fields = b"\x0a\x0c" + entry
    assert base64.b64decode(identity.encode({"app": "web"})) == b"\x2a\x0e" + fields


def test_identity_encodes_lengths_over_127() -> None:
    decoded = base64.b64decode(identity.encode({"k": "x" * 300}))
    assert b"\x1a\xac\x02" + b"x" * 300 in decoded


def test_prometheus_scrapes_sidecars_under_istios_names_and_the_emulated_exporters(topology: Topology) -> None:
    envoys, *others = prometheus.configuration("http://x/targets", "127.71.0.4", 5)["scrape_configs"]
    assert envoys["job_name"] == "envoy-stats"
    assert [job["job_name"] for job in others] == ["kube-state-metrics", "cadvisor"]
    outside: list[Replica] = list(topology.replicas)
    pods = {target["labels"]["pod"] for target in prometheus.targets(outside)}
    assert pods == {"ingress-0", "storefront-0", "catalog-v1-0", "catalog-v2-0"}
