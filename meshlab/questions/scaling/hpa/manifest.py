"""A HorizontalPodAutoscaler (autoscaling/v2) from its YAML; kube-state-metrics does not export its behaviour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

import msgspec

from meshlab.core.documents import Unreadable, yaml_documents
from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError
from meshlab.questions.scaling.hpa.spec import (
    Behaviour,
    HpaSpec,
    PolicyType,
    ScalingPolicy,
    ScalingRules,
    SelectPolicy,
)
from meshlab.questions.scaling.hpa.target import Target, TargetKind
from meshlab.telemetry.kubernetes.manifests import read_manifest

__all__ = ["Manifest"]

_SCALES: Final = {"n": "1e-9", "u": "1e-6", "m": "1e-3", "": "1", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12"} | {
    f"{letter}i": str(1024**power) for power, letter in enumerate("KMGT", start=1)
}
_QUANTITY: Final = re.compile(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)(n|u|m|k|M|G|T|Ki|Mi|Gi|Ti)?")

Quantity = str | int | float


class _Policy(msgspec.Struct, rename="camel"):
    type: PolicyType
    value: int
    period_seconds: int


class _Rules(msgspec.Struct, rename="camel"):
    stabilization_window_seconds: int | None = None
    select_policy: SelectPolicy = SelectPolicy.MAX
    policies: tuple[_Policy, ...] | None = None
    tolerance: Quantity | None = None


class _Behaviour(msgspec.Struct, rename="camel"):
    scale_up: _Rules | None = None
    scale_down: _Rules | None = None


class _Named(msgspec.Struct):
    name: str = ""
    namespace: str = ""


class _MetricTarget(msgspec.Struct, rename="camel"):
    average_utilization: Quantity | None = None
    average_value: Quantity | None = None
    value: Quantity | None = None


class _Source(msgspec.Struct):
    target: _MetricTarget
    name: str = ""
    metric: _Named | None = None


class _Metric(msgspec.Struct, rename="camel"):
    type: Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
    resource: _Source | None = None
    container_resource: _Source | None = None
    pods: _Source | None = None
    object: _Source | None = None
    external: _Source | None = None


class _Spec(msgspec.Struct, rename="camel"):
    max_replicas: int
    scale_target_ref: _Named
    min_replicas: int = 1
    behavior: _Behaviour | None = None
    metrics: tuple[_Metric, ...] | None = None


class _Autoscaler(msgspec.Struct):
    metadata: _Named
    spec: _Spec


@dataclass(frozen=True, slots=True)
class Manifest:
    """The object's content."""

    name: str
    namespace: str
    workload: str
    spec: HpaSpec
    targets: tuple[Target, ...]
    """One a metric."""

    @classmethod
    def read(cls, path: str | Path) -> Manifest:
        """Read the file's first HorizontalPodAutoscaler.

        Raises
        ------
        ParameterError
            There is no such file, it is not YAML, or it holds no valid autoscaling/v2 object.
        """
        return cls.parse(read_manifest(path, "the autoscaler's", "kubectl get hpa NAME -o yaml"))

    @classmethod
    def parse(cls, text: str) -> Manifest:
        """Read YAML text; see `read`."""
        try:
            documents = [item for item in yaml_documents(text) if isinstance(item, Mapping)]
        except Unreadable as error:
            raise _invalid(f"is not valid YAML: {error}") from None
        for document in documents:
            items = document.get("items") if document.get("kind") == "List" else None
            documents += [item for item in items or () if isinstance(item, Mapping)]
        chosen = next((item for item in documents if item.get("kind") == "HorizontalPodAutoscaler"), None)
        if chosen is None:
            raise _invalid("holds no HorizontalPodAutoscaler")
        if chosen.get("apiVersion") != "autoscaling/v2":
            raise _invalid(f"has apiVersion {plain(str(chosen.get('apiVersion')))} instead of autoscaling/v2")
        try:
            autoscaler = msgspec.convert(chosen, _Autoscaler)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `$.")
            raise _invalid(f"is not valid at {plain(where.rstrip('`') or 'its top')}: {plain(what)}") from None
        about, spec, usual = autoscaler.metadata, autoscaler.spec, Behaviour()
        given = spec.behavior or _Behaviour()
        metrics = spec.metrics or (_Metric("Resource", _Source(_MetricTarget(average_utilization=80), "cpu")),)
        return cls(
            name=about.name,
            namespace=about.namespace,
            workload=spec.scale_target_ref.name,
            spec=HpaSpec(
                spec.min_replicas,
                spec.max_replicas,
                Behaviour(_rules(given.scale_up, usual.up), _rules(given.scale_down, usual.down)),
            ),
            targets=tuple(_target(metric) for metric in metrics),
        )


def _rules(given: _Rules | None, usual: ScalingRules) -> ScalingRules:
    """One direction; Kubernetes' defaults stand for what is not given."""
    if given is None:
        return usual
    window = given.stabilization_window_seconds
    return ScalingRules(
        window_s=usual.window_s if window is None else float(window),
        policies=tuple(ScalingPolicy(p.type, p.value, p.period_seconds) for p in given.policies or ())
        or usual.policies,
        select=given.select_policy,
        tolerance=usual.tolerance if given.tolerance is None else _quantity(given.tolerance, "tolerance"),
    )


def _target(metric: _Metric) -> Target:
    field = {"ContainerResource": "container_resource"}.get(metric.type, metric.type.lower())
    source: _Source | None = getattr(metric, field)
    if source is None:
        raise _invalid(f"has a metric of type {metric.type} without its source")
    name = source.name or (source.metric.name if source.metric else "")
    shared = TargetKind.SHARED if metric.type in ("Object", "External") else TargetKind.AVERAGE
    for value, kind in (
        (source.target.average_utilization, TargetKind.UTILISATION),
        (source.target.average_value, shared),
        (source.target.value, TargetKind.VALUE),
    ):
        if value is not None:
            return Target(name, kind, _quantity(value, "target"))
    raise _invalid(f"has no target value for metric {plain(name)}")


def _quantity(value: Quantity, name: str) -> float:
    written = _QUANTITY.fullmatch(str(value))
    # "1.2.3" fits the pattern and is no number.
    if written is None or written[1].count(".") > 1 or written[1] == ".":
        raise _invalid(f"has {plain(repr(value))} as {name}, which is not a quantity such as 500m")
    return float(Decimal(written[1]) * Decimal(_SCALES[written[2] or ""]))


def _invalid(fault: str) -> ParameterError:
    return ParameterError(f"the autoscaler's YAML {fault}", "kubectl get hpa NAME -o yaml writes a valid file")
