"""An autoscaler's YAML, as kubectl writes it and as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshlab.errors import ParameterError
from meshlab.questions.scaling.hpa import (
    Behaviour,
    Manifest,
    PolicyType,
    ScalingPolicy,
    SelectPolicy,
    Target,
    TargetKind,
)

WHOLE = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: catalog, namespace: shop}
spec:
  minReplicas: 2
  maxReplicas: 20
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: catalog-v1}
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}
  - type: Pods
    pods: {metric: {name: in_flight}, target: {type: AverageValue, averageValue: 1500m}}
  - type: External
    external: {metric: {name: queue}, target: {type: AverageValue, averageValue: "3k"}}
  - type: Object
    object: {metric: {name: hits}, describedObject: {kind: Ingress, name: x}, target: {type: Value, value: 2Ki}}
  - type: ContainerResource
    containerResource: {name: cpu, container: app, target: {type: Utilization, averageUtilization: 70}}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 60
      selectPolicy: Min
      tolerance: 50m
      policies:
      - {type: Pods, value: 4, periodSeconds: 60}
      - {type: Percent, value: 10, periodSeconds: 30}
"""


def test_all_of_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "hpa.yaml").write_text(WHOLE)
    found = Manifest.read(tmp_path / "hpa.yaml")
    assert (found.name, found.namespace, found.workload) == ("catalog", "shop", "catalog-v1")
    assert (found.spec.min_replicas, found.spec.max_replicas) == (2, 20)
    assert found.targets == (
        Target("cpu", TargetKind.UTILISATION, 60.0),
        Target("in_flight", TargetKind.AVERAGE, 1.5),
        Target("queue", TargetKind.SHARED, 3000.0),
        Target("hits", TargetKind.VALUE, 2048.0),
        Target("cpu", TargetKind.UTILISATION, 70.0),
    )
    behaviour = found.spec.behaviour
    assert behaviour is not None
    assert behaviour.up == Behaviour().up, "what is not said is as Kubernetes has it"
    assert (behaviour.down.window_s, behaviour.down.select) == (60.0, SelectPolicy.MIN)
    assert behaviour.down.tolerance == pytest.approx(0.05)
    assert behaviour.down.policies == (ScalingPolicy(PolicyType.PODS, 4, 60), ScalingPolicy(PolicyType.PERCENT, 10, 30))


def test_what_is_not_said_is_as_kubernetes_has_it() -> None:
    found = Manifest.parse(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\n"
        "spec: {maxReplicas: 3, scaleTargetRef: {name: a}}\n"
    )
    assert (found.spec.min_replicas, found.spec.behaviour) == (1, Behaviour())
    assert found.targets == (Target("cpu", TargetKind.UTILISATION, 80.0),)


def test_the_first_of_a_list_or_of_several_documents_counts() -> None:
    listed = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
        f"- {line}\n" if k == 0 else f"  {line}\n" for k, line in enumerate(WHOLE.strip().splitlines())
    )
    assert Manifest.parse(listed).name == "catalog"
    assert Manifest.parse("kind: Service\n---\n" + WHOLE).name == "catalog"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "is not valid"),
        ("a: 1", "holds no HorizontalPodAutoscaler"),
        (WHOLE.replace("autoscaling/v2", "autoscaling/v1"), "instead of autoscaling/v2"),
        (WHOLE.replace("maxReplicas: 20", "maxReplicas: many"), "maxReplicas"),
        (WHOLE.replace("maxReplicas: 20", "maxReplicas: 1"), "minReplicas <= maxReplicas"),
        (WHOLE.replace("1500m", "a lot"), "quantity"),
        (WHOLE.replace("type: Percent", "type: Half"), "behavior.scaleDown.policies"),
        (WHOLE.replace("type: Pods\n", "type: Podz\n"), "metrics"),
        (WHOLE.replace("selectPolicy: Min", "selectPolicy: Median"), "scaleDown.selectPolicy"),
        (WHOLE.replace("averageUtilization: 60", "note: 60"), "no target value for metric cpu"),
        (WHOLE.replace("scaleTargetRef", "target"), "scaleTargetRef"),
        ("!!python/object/apply:os.system ['true']", "is not valid"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(text: str, fault: str) -> None:
    with pytest.raises(ParameterError, match=fault) as caught:
        Manifest.parse(text)
    assert "kubectl" in str(caught.value) or "minReplicas" in str(caught.value)
    assert "\n" not in str(caught.value).split("kubectl")[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot be read"):
        Manifest.read(tmp_path / "none.yaml")
    (tmp_path / "big.yaml").write_bytes(b" " * 1_100_000)
    with pytest.raises(ParameterError, match="larger than 1 MB"):
        Manifest.read(tmp_path / "big.yaml")
