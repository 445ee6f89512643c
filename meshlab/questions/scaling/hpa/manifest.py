"""A HorizontalPodAutoscaler (autoscaling/v2) as its YAML says it; kube-state-metrics does not export its behaviour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import yaml

from meshlab.core.sanitize import plain
from meshlab.errors import ParameterError
from meshlab.questions.scaling.hpa.spec import Behaviour, HpaSpec, Kind, Policy, Rules, Select
from meshlab.questions.scaling.hpa.target import Target, TargetKind
from meshlab.telemetry.kubernetes.manifests import read_manifest

__all__ = ["Manifest"]

_SCALES: Final = {"n": "1e-9", "u": "1e-6", "m": "1e-3", "": "1", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12"} | {
    f"{letter}i": str(1024**power) for power, letter in enumerate("KMGT", start=1)
}
_QUANTITY: Final = re.compile(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)(n|u|m|k|M|G|T|Ki|Mi|Gi|Ti)?")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the object says.

    Parameters
    ----------
    name, namespace, workload : str
    spec : HpaSpec
    targets : tuple of Target
        One a metric.
    """

    name: str
    namespace: str
    workload: str
    spec: HpaSpec
    targets: tuple[Target, ...]

    @classmethod
    def read(cls, path: str | Path) -> Manifest:
        """Read the file's first HorizontalPodAutoscaler.

        Raises
        ------
        ParameterError
            There is no such file, it is no YAML, or it holds no autoscaling/v2 object that makes sense.
        """
        return cls.parse(read_manifest(path, "the autoscaler's", "kubectl get hpa NAME -o yaml"))

    @classmethod
    def parse(cls, text: str) -> Manifest:
        """Read YAML text; see `read`."""
        try:
            documents = [one for one in yaml.safe_load_all(text) if isinstance(one, Mapping)]
        except yaml.YAMLError as error:
            raise _bad(f"is no YAML: {plain(str(error).splitlines()[0])}") from None
        for one in documents:
            items = one.get("items") if one.get("kind") == "List" else None
            documents += [item for item in items or () if isinstance(item, Mapping)]
        found = [one for one in documents if one.get("kind") == "HorizontalPodAutoscaler"]
        if not found:
            raise _bad("holds no HorizontalPodAutoscaler")
        if found[0].get("apiVersion") != "autoscaling/v2":
            raise _bad(f"is of {plain(str(found[0].get('apiVersion')))}, and autoscaling/v2 was wanted")
        return _manifest(found[0])


def _manifest(one: Mapping[str, Any]) -> Manifest:
    about, spec = _table(one, "metadata"), _table(one, "spec")
    behaviour = spec.get("behavior")
    known = HpaSpec(
        least=_whole(spec.get("minReplicas", 1), "minReplicas"),
        most=_whole(spec.get("maxReplicas"), "maxReplicas"),
        # Where one direction is not said, the defaults of Kubernetes hold for it.
        behaviour=_behaviour(behaviour) if isinstance(behaviour, Mapping) else Behaviour(),
    )
    metrics = spec.get("metrics") or [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    ]
    if not isinstance(metrics, list):
        raise _bad("has metrics that are no list")
    scaled = _table(spec, "scaleTargetRef")
    return Manifest(
        name=str(about.get("name", "")),
        namespace=str(about.get("namespace", "")),
        workload=str(scaled.get("name", "")),
        spec=known,
        targets=tuple(_target(metric) for metric in metrics),
    )


def _behaviour(table: Mapping[str, Any]) -> Behaviour:
    usual = Behaviour()
    return Behaviour(
        up=_rules(table.get("scaleUp"), usual.up, "scaleUp"),
        down=_rules(table.get("scaleDown"), usual.down, "scaleDown"),
    )


def _rules(table: object, usual: Rules, name: str) -> Rules:
    if table is None:
        return usual
    if not isinstance(table, Mapping):
        raise _bad(f"has a {name} that is no table")
    policies = table.get("policies")
    try:
        select = Select(table.get("selectPolicy", "Max"))
        found = (
            tuple(
                Policy(
                    Kind(p["type"]), _whole(p["value"], "a policy's value"), _whole(p["periodSeconds"], "periodSeconds")
                )
                for p in policies
            )
            if policies
            else usual.policies
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _bad(f"has policies in {name} that are not understood ({plain(str(error))})") from None
    window = table.get("stabilizationWindowSeconds")
    return Rules(
        window_s=usual.window_s if window is None else float(_whole(window, "stabilizationWindowSeconds")),
        policies=found,
        select=select,
        tolerance=usual.tolerance if table.get("tolerance") is None else _quantity(table["tolerance"], "tolerance"),
    )


def _target(metric: object) -> Target:
    if not isinstance(metric, Mapping):
        raise _bad("has a metric that is no table")
    kind = str(metric.get("type", ""))
    key = {"ContainerResource": "containerResource"}.get(kind, kind.lower())
    table = metric.get(key)
    if kind not in ("Resource", "ContainerResource", "Pods", "Object", "External") or not isinstance(table, Mapping):
        raise _bad(f"has a metric of the type {plain(kind)!r}, which is not known")
    inner = table.get("metric")
    name = str(table.get("name") or (inner.get("name", "") if isinstance(inner, Mapping) else ""))
    target = _table(table, "target")
    for field, what in (
        ("averageUtilization", TargetKind.UTILISATION),
        ("averageValue", TargetKind.AVERAGE),
        ("value", TargetKind.VALUE),
    ):
        if target.get(field) is not None:
            value = _quantity(target[field], field)
            whole = kind in ("Object", "External") and what is TargetKind.AVERAGE
            return Target(name, TargetKind.SHARED if whole else what, value)
    raise _bad(f"does not say what {plain(name)} shall be")


def _table(one: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = one.get(key)
    if not isinstance(found, Mapping):
        raise _bad(f"has no {key}")
    return found


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _bad(f"has {plain(repr(value))} for {name}, and a whole number was wanted")
    return value


def _quantity(value: object, name: str) -> float:
    written = _QUANTITY.fullmatch(str(value))
    if written is None or isinstance(value, bool):
        raise _bad(f"has {plain(repr(value))} for {name}, and a quantity such as 500m was wanted")
    try:
        return float(Decimal(written[1]) * Decimal(_SCALES[written[2] or ""]))
    except InvalidOperation:
        raise _bad(f"has {plain(repr(value))} for {name}, which is no number") from None


def _bad(fault: str) -> ParameterError:
    return ParameterError(f"the autoscaler's YAML {fault}", "kubectl get hpa NAME -o yaml writes it as it is wanted")
