"""The bootstrap of a sidecar, from the topology alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from meshlab.lab import identity, prometheus, telemetry
from meshlab.lab.addresses import AddressBlock
from meshlab.lab.envoy import bootstrap, weight_key
from meshlab.lab.scenario import Scenario
from meshlab.lab.topology import Topology

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


@pytest.fixture
def topology() -> Iterator[Topology]:
    scenario = Scenario.named("canary-regression")
    block = AddressBlock.reserve(len(scenario.workloads))
    yield Topology.place(scenario, block)
    block.close()


def find(tree: Any, key: str) -> list[Any]:
    """All values under a key, anywhere in a JSON tree."""
    if isinstance(tree, dict):
        here = [tree[key]] if key in tree else []
        return here + [found for value in tree.values() for found in find(value, key)]
    return [found for value in tree for found in find(value, key)] if isinstance(tree, list) else []


def test_every_workload_has_an_address_of_its_own(topology: Topology) -> None:
    addresses = [workload.address for workload in topology.workloads]
    assert len(set(addresses)) == 4
    assert all(address.startswith("127.") for address in addresses)


def test_storefront_splits_its_calls_by_weights_that_can_change(topology: Topology) -> None:
    config = bootstrap(topology, topology.workload("storefront"), "/certs")
    (weighted,) = find(config, "weighted_clusters")
    names = {cluster["name"]: cluster["weight"] for cluster in weighted["clusters"]}
    assert names == {
        "outbound|80|v1|catalog.shop.svc.cluster.local": 75,
        "outbound|80|v2|catalog.shop.svc.cluster.local": 25,
    }
    v1, v2 = topology.upstreams("catalog")
    assert weight_key(v2) == f"{weighted['runtime_key_prefix']}.{v2.cluster}"
    hosts = [host for domains in find(config, "domains") for host in domains]
    assert "catalog.shop.svc.cluster.local" in hosts
    assert [w.name for w in (*v1.workloads, *v2.workloads)] == ["catalog-v1", "catalog-v2"]


def test_a_service_without_split_is_one_cluster(topology: Topology) -> None:
    config = bootstrap(topology, topology.workload("ingress"), "/certs")
    names = [cluster["name"] for cluster in config["static_resources"]["clusters"]]
    assert names == ["inbound|80||", "outbound|80||storefront.shop.svc.cluster.local"]


def test_a_workload_that_calls_nobody_has_no_routes(topology: Topology) -> None:
    config = bootstrap(topology, topology.workload("catalog-v1"), "/certs")
    assert len(config["static_resources"]["clusters"]) == 1
    assert find(config["static_resources"]["listeners"][1], "virtual_hosts") == [[]]


def test_both_reporters_carry_istios_labels(topology: Topology) -> None:
    workload = topology.workload("storefront")
    assert set(telemetry.source_tags(workload)) == LABELS
    assert set(telemetry.destination_tags(workload, mutual_tls=True)) == LABELS
    assert set(telemetry.destination_tags(workload, mutual_tls=False)) == LABELS


def test_security_policy_is_known_to_the_destination_only(topology: Topology) -> None:
    workload = topology.workload("storefront")
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
    workload = topology.workload("storefront")
    source = telemetry.source_tags(workload)
    assert all(source[f"destination_{label}"].startswith("%COALESCE(") for label in PEER)
    inbound = telemetry.destination_tags(workload, mutual_tls=True)
    assert all(inbound[f"source_{label}"].startswith("%COALESCE(") for label in PEER)
    unknown = json.loads(inbound["source_canonical_revision"].removeprefix("%COALESCE(").removesuffix(")%"))
    assert unknown["operators"][-1] == {"command": "ENVIRONMENT", "param": "MESH_LATEST"}
    assert telemetry.ENVIRONMENT["MESH_LATEST"] == "latest"


def test_plain_text_callers_are_not_told_who_answers(topology: Topology) -> None:
    config = bootstrap(topology, topology.workload("storefront"), "/certs")
    tls, plain = config["static_resources"]["listeners"][0]["filter_chains"]
    assert find(tls, "response_mutations")
    assert not find(plain, "response_mutations")
    assert plain["filter_chain_match"] == {"transport_protocol": "raw_buffer"}


def test_callers_check_the_exact_principal(topology: Topology) -> None:
    config = bootstrap(topology, topology.workload("ingress"), "/certs")
    outbound = config["static_resources"]["clusters"][1]
    assert find(outbound, "matcher") == [{"exact": "spiffe://cluster.local/ns/shop/sa/storefront"}]


def test_a_bootstrap_is_json_and_the_same_every_time(topology: Topology) -> None:
    workload = topology.workload("storefront")
    first = json.dumps(bootstrap(topology, workload, "/certs"), sort_keys=True)
    assert first == json.dumps(bootstrap(topology, workload, "/certs"), sort_keys=True)


def test_identity_is_a_protobuf_value() -> None:
    # Value{struct_value: Struct{fields: {"app": Value{string_value: "web"}}}}, encoded by hand.
    string_value = b"\x1a\x03web"
    entry = b"\x0a\x03app" + b"\x12\x05" + string_value
    fields = b"\x0a\x0c" + entry
    assert base64.b64decode(identity.encode({"app": "web"})) == b"\x2a\x0e" + fields


def test_identity_encodes_lengths_over_127() -> None:
    decoded = base64.b64decode(identity.encode({"k": "x" * 300}))
    assert b"\x1a\xac\x02" + b"x" * 300 in decoded


def test_prometheus_scrapes_every_sidecar_under_istios_names(topology: Topology) -> None:
    (job,) = prometheus.configuration(topology, 5)["scrape_configs"]
    assert job["job_name"] == "envoy-stats"
    pods = {target["labels"]["pod"] for target in job["static_configs"]}
    assert pods == {"ingress-0", "storefront-0", "catalog-v1-0", "catalog-v2-0"}
    (rename,) = job["metric_relabel_configs"]
    assert rename["regex"] == "envoy_mesh_(istio_.*)"
