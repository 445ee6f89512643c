"""Whose a workload is: as kube-state-metrics' labels say, and nobody's where they disagree."""

from __future__ import annotations

from meshlab.core.selector import equal
from meshlab.recordings.engine import Recording
from meshlab.telemetry.kubernetes.owners import owners


def line(kind: str, name: str, owner: str, **more: str) -> tuple[dict[str, str], list[float], list[float]]:
    labels = {"__name__": f"kube_{kind}_labels", kind: name, "namespace": "shop", **more}
    return {**labels, **({"label_example_org_team": owner} if owner else {})}, [100.0, 110.0], [1.0, 1.0]


STORE = [
    line("deployment", "catalog", "team-a", instance="1"),
    line("deployment", "catalog", "team-a", instance="2"),
    line("service", "catalog", "team-b"),
    line("deployment", "web", "team-a", namespace="front"),
    line("service", "web", "team-c"),
    line("service", "bare", ""),
    line("service", "two", "team-a", instance="1"),
    line("service", "two", "team-b", instance="2"),
    line("statefulset", "db", "team-d", cluster="east"),
    ({"__name__": "kube_pod_labels", "pod": "x", "label_example_org_team": "team-x"}, [110.0], [1.0]),
]


def test_a_label_of_a_service_stands_before_a_workloads_and_two_values_are_none() -> None:
    found = owners(Recording.from_series(STORE), "example.org/team")
    assert found == {
        ("", "shop", "catalog"): "team-b",
        ("", "front", "web"): "team-a",
        ("", "shop", "web"): "team-c",
        ("east", "shop", "db"): "team-d",
    }


def test_a_profiles_matchers_are_kept_and_a_label_that_is_not_there_is_nobody() -> None:
    store = Recording.from_series(STORE)
    assert owners(store, "example.org/team", (equal("cluster", "east"),)) == {("east", "shop", "db"): "team-d"}
    assert owners(store, "team") == {}
