"""What Kubernetes' exporters say, as frames: each thing once, whatever labels a store has."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meshlab.core.window import Window
from meshlab.recordings.engine import Recording
from meshlab.telemetry.dialects.istio import ISTIO
from meshlab.telemetry.kubernetes import Autoscalers, Exporter, Workloads
from meshlab.telemetry.kubernetes.workloads import without_hash
from meshlab.telemetry.mesh import Mesh

START = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()
TIMES = [START + 15 * k for k in range(5)]
Series = tuple[dict[str, str], list[float], list[float]]


def line(name: str, values: list[float], **labels: str) -> Series:
    return {"__name__": name, "namespace": "shop", **labels}, TIMES[: len(values)], values


def exporter(*series: Series) -> tuple[Exporter, Window]:
    window = Window.aligned(datetime.fromtimestamp(START - 15, UTC), datetime.fromtimestamp(TIMES[-1], UTC), 15_000)
    return Exporter(Mesh(Recording.from_series(series), (ISTIO,), "here"), "shop"), window


HPA = "kube_horizontalpodautoscaler"


@pytest.mark.parametrize("cluster", [{}, {"cluster": "east"}])
def test_an_autoscaler(cluster: dict[str, str]) -> None:
    own = {"horizontalpodautoscaler": "web", **cluster}
    metric = {**own, "metric_name": "cpu", "metric_target_type": "utilization"}
    given, window = exporter(
        line(f"{HPA}_spec_min_replicas", [1.0] * 5, **own),
        line(f"{HPA}_spec_max_replicas", [9.0] * 5, **own),
        line(f"{HPA}_info", [1.0] * 5, scaletargetref_kind="Deployment", scaletargetref_name="web-v1", **own),
        line(f"{HPA}_status_current_replicas", [2.0, 2.0, 3.0, 3.0, 3.0], **own),
        line(f"{HPA}_status_desired_replicas", [2.0, 3.0, 3.0, 3.0, 3.0], **own),
        line(f"{HPA}_spec_target_metric", [60.0] * 5, **metric),
        line(f"{HPA}_status_target_metric", [60.0, 90.0, 61.0, 60.0, 60.0], **metric),
    )
    found = Autoscalers(given)
    (bounds,) = found.bounds(window).frame.to_dict("records")
    assert bounds == {
        "cluster": cluster.get("cluster", ""),
        "namespace": "shop",
        "autoscaler": "web",
        "workload": "web-v1",
        "min_replicas": 1.0,
        "max_replicas": 9.0,
    }
    assert found.targets(window).frame["target"].tolist() == [60.0]
    assert found.status(window).frame["desired"].tolist() == [2.0, 3.0, 3.0, 3.0, 3.0]
    assert found.observed(window).frame["value"].tolist() == [60.0, 90.0, 61.0, 60.0, 60.0]
    assert found.scaled(window).frame["workload"].tolist() == ["web-v1"]


def test_nothing_exported_is_no_rows() -> None:
    given, window = exporter(line("up", [1.0] * 5))
    autoscalers, workloads = Autoscalers(given), Workloads(given)
    for answer in (autoscalers.bounds(window), autoscalers.status(window), autoscalers.observed(window)):
        assert answer.frame.empty
    for answer in (workloads.replicas(window), workloads.pods(window), workloads.processor_time(window, 30_000)):
        assert answer.frame.empty


def test_two_scrapers_of_one_exporter_count_once() -> None:
    cpu = {"pod": "web-0", "container": "app"}
    given, window = exporter(
        line("container_cpu_usage_seconds_total", [0.0, 1.0, 2.0, 3.0, 4.0], instance="a", **cpu),
        line("container_cpu_usage_seconds_total", [0.0, 1.0, 2.0, 3.0, 4.0], instance="b", **cpu),
        line("container_cpu_usage_seconds_total", [0.0, 9.0, 18.0, 27.0, 36.0], pod="web-0", container=""),
        line("kube_deployment_spec_replicas", [2.0] * 5, deployment="web", instance="a"),
        line("kube_deployment_spec_replicas", [2.0] * 5, deployment="web", instance="b"),
        line("kube_deployment_status_replicas_ready", [2.0] * 5, deployment="web", instance="a"),
    )
    used = Workloads(given).processor_time(window, 30_000).frame
    assert used["cpu_s"].sum() == 3.0, "two whole blocks end after 45 s"
    assert set(used["container"]) == {"app"}
    assert Workloads(given).replicas(window).frame["ready"].tolist() == [2.0] * 5


def test_a_pod_that_came_back_under_its_name_has_two_lives() -> None:
    pod = {"pod": "web-5d8f7c9b6d-x2x4z"}
    given, window = exporter(
        line("kube_pod_created", [START, START, START + 40, START + 40], **pod),
        line("kube_pod_status_ready_time", [START + 5, START + 5, START + 50, START + 50], **pod),
        line("kube_pod_owner", [1.0] * 5, owner_kind="ReplicaSet", owner_name="web-5d8f7c9b6d", **pod),
    )
    lives = Workloads(given).pods(window).frame
    assert lives["workload"].tolist() == ["web", "web"]
    assert (lives["ready"] - lives["created"]).tolist() == [5.0, 10.0]
    assert lives["deleted"].isna().all()


@pytest.mark.parametrize(
    ("name", "workload"),
    [
        ("web-5d8f7c9b6d", "web"),
        ("web-5d8f7c9b6d-x2x4z", "web"),
        ("catalog-v1", "catalog-v1"),
        ("catalog-v1-0", "catalog-v1-0"),
        ("prometheus", "prometheus"),
        ("a-b-c", "a-b-c"),
    ],
)
def test_hashes_are_taken_off(name: str, workload: str) -> None:
    assert without_hash(name) == workload
