"""The scaling of every service of a mesh at once: see `meshlab.questions.base`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from meshlab.core.evidence import Evidence
from meshlab.core.results import Result
from meshlab.display.figures import Figure
from meshlab.errors import ParameterError
from meshlab.questions.base.legacy import Ask, parts
from meshlab.questions.scaling import plot
from meshlab.questions.scaling.scope import Scope
from meshlab.questions.scaling.settings import Policy

__all__ = ["asks", "figures", "policy"]


def policy(given: Mapping[str, object]) -> Policy:
    """The settings.

    Raises
    ------
    ParameterError
        A value is outside its range, or an autoscaler's YAML is given, which is one service's.
    """
    if given.get("hpa_file"):
        raise ParameterError("hpa_file is one service's autoscaler", "leave it out, or use meshlab report")
    known = {field.name for field in fields(Policy)}
    return Policy(**{name: value for name, value in given.items() if name in known})  # type: ignore[arg-type]


def asks(evidence: Evidence, given: Mapping[str, object]) -> Iterator[Ask]:
    """All services that were called."""
    version = str(given.get("version", ""))
    for subject, part in parts(evidence, given.get("namespace", "")):
        scope = Scope(service=subject.service, namespace=subject.namespace, version=version)
        yield Ask(subject=subject, evidence=part, scope=scope)


def figures(result: Result, policy: Policy) -> list[Figure]:
    """Capacity, supply and demand, and the autoscaler."""
    del policy  # its marks are in the tables
    return [plot.capacity_curve(result), plot.supply(result), plot.autoscaler(result), plot.windows(result)]
