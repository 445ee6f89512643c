"""What the emulated control plane exports, as a scrape sees it."""

from __future__ import annotations

import os
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from real_server import free_port

from meshlab.lab.addresses import AddressBlock
from meshlab.lab.kube import Cadvisor, KubeState, ScalerStatus, serving
from meshlab.lab.pods import Pod, Pods
from meshlab.lab.scenario import Scenario
from meshlab.lab.topology import Replica, Topology


@pytest.fixture
def replicas() -> tuple[Replica, ...]:
    scenario = Scenario.named("scale-out")
    block = AddressBlock.reserve(20)
    try:
        return Topology.place(scenario, block).of_workload("catalog-v1")
    finally:
        block.close()


def scraped(port: int) -> dict[str, list[tuple[dict[str, str], float]]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def test_a_pod_is_created_then_ready_then_deleted(replicas: tuple[Replica, ...]) -> None:
    pods, port = Pods(), free_port()
    with serving(KubeState(pods, lambda: ()), "127.0.0.1", port):
        pods.add(Pod(replicas[0], 100.0, None, None, {}))
        before = scraped(port)
        assert before["kube_pod_created"] == [
            ({"cluster": "east", "namespace": "shop", "pod": "catalog-v1-0"}, 100.0),
        ]
        assert "kube_pod_status_ready_time" not in before
        assert [value for _, value in before["kube_deployment_status_replicas_ready"]] == [0.0]
        pods.change("catalog-v1-0", ready_s=115.0)
        ready = scraped(port)
        assert [value for _, value in ready["kube_pod_status_ready_time"]] == [115.0]
        held = {labels["condition"]: value for labels, value in ready["kube_pod_status_ready"]}
        assert held == {"true": 1.0, "false": 0.0}
        pods.change("catalog-v1-0", deleted_s=200.0)
        gone = scraped(port)
        assert [value for _, value in gone["kube_pod_deletion_timestamp"]] == [200.0]
        assert [value for _, value in gone["kube_deployment_status_replicas"]] == [0.0]
        pods.remove("catalog-v1-0")
        assert "kube_pod_created" not in scraped(port)


def test_an_autoscaler_says_what_it_saw_and_wants(replicas: tuple[Replica, ...]) -> None:
    spec = Scenario.named("scale-out").autoscalers["catalog-v1"]
    status = ScalerStatus(spec, "east", "shop", current=2, desired=4, measured=None, limited=True)
    port = free_port()
    with serving(KubeState(Pods(), lambda: (status,)), "127.0.0.1", port):
        found = scraped(port)
    name = "kube_horizontalpodautoscaler"
    assert [value for _, value in found[f"{name}_status_desired_replicas"]] == [4.0]
    assert f"{name}_status_target_metric" not in found, "what was not seen is not zero"
    conditions = {
        labels["condition"]
        for labels, value in found[f"{name}_status_condition"]
        if value and labels["status"] == "true"
    }
    assert conditions == {"AbleToScale", "ScalingLimited"}


def test_processor_time_is_that_of_the_process(replicas: tuple[Replica, ...]) -> None:
    pods, port = Pods(), free_port()
    pods.add(Pod(replicas[0], 1.0, 1.0, None, {"app": os.getpid(), "gone": 2**22 + 1}))
    with serving(Cadvisor(pods), "127.0.0.1", port):
        found = scraped(port)
    [(labels, seconds)] = found["container_cpu_usage_seconds_total"]
    assert labels == {"cluster": "east", "namespace": "shop", "pod": "catalog-v1-0", "container": "app"}
    assert 0 < seconds <= sum(os.times()[:2]) + 0.1
    assert found["container_memory_working_set_bytes"][0][1] > 1e6
