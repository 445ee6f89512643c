"""The security of every called service of a mesh at once: see `meshlab.questions.base`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import MappingProxyType

import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.results import Result
from meshlab.core.subject import Subject
from meshlab.display.figures import Figure
from meshlab.errors import ParameterError
from meshlab.questions.base import Ask, parts
from meshlab.questions.security import plot
from meshlab.questions.security.certificate_steps import workload_of
from meshlab.questions.security.scope import Scope
from meshlab.questions.security.settings import Policy
from meshlab.questions.security.traffic import traffic

__all__ = ["asks", "figures", "policy"]


def policy(given: Mapping[str, object]) -> Policy:
    """The settings.

    Raises
    ------
    ParameterError
        A value is outside its range, or an earlier result is given, which is another subject's.
    """
    if given.get("against"):
        raise ParameterError(
            "against is the earlier result of one subject", "leave it out: a sweep finds its earlier run by itself"
        )
    known = {field.name for field in fields(Policy)}
    return Policy(**{name: value for name, value in given.items() if name in known})  # type: ignore[arg-type]


def asks(evidence: Evidence, given: Mapping[str, object]) -> Iterator[Ask]:
    """All services that were called, each with what its callers did and what its own pods export.

    What the certificate authority signed is everybody's. Traffic to hosts that the mesh does not know has no service of
    its own, and is exposure of the mesh as a whole, as is an ingress that only the outside calls.
    """
    settings = policy(given)
    for subject, whole in parts(evidence, given.get("namespace", "")):
        part = _own(whole, subject)
        if not subject.service or subject.service == "unknown":
            reason = "it is no service of the mesh: ask about the mesh as a whole for what leaves it"
            yield Ask(subject=subject, evidence=part, reason=reason)
        elif _is_entered(part, settings):
            reason = "it is entered from outside alone: an ingress is judged with the mesh as a whole"
            yield Ask(subject=subject, evidence=part, reason=reason)
        else:
            yield Ask(subject=subject, evidence=part, scope=Scope(namespace=subject.namespace))


def figures(result: Result, policy: Policy) -> list[Figure]:
    """Encryption, denials and certificates."""
    del policy  # its marks are in the tables
    return [plot.encryption(result), plot.denials(result), plot.certificates(result)]


def _is_entered(part: Evidence, settings: Policy) -> bool:
    """Whether all that a service's own proxies report came from outside the mesh."""
    table = traffic(dataclasses.replace(part, frames={**part.frames, "sent": part.frames["sent"].iloc[:0]}), settings)
    return len(table.labels) > 0 and bool(table.labels["exposed"].all())


def _own(part: Evidence, subject: Subject) -> Evidence:
    """Without what other services' pods export."""
    names = {
        str(name)
        for frame in (part.frames[name] for name in ("seen", "sent", "connections", "bytes"))
        if "destination_workload" in frame
        for name in frame["destination_workload"].unique()
    }
    # Where clusters are no label of the pods, their names may end in them.
    names |= {f"{name}-{subject.cluster}" for name in names if subject.cluster}
    frames = {
        name: _of_pods(frame, names, subject) if name != "signing" and "pod" in frame else frame
        for name, frame in part.frames.items()
    }
    return dataclasses.replace(part, frames=MappingProxyType(frames))


def _of_pods(frame: pd.DataFrame, names: set[str], subject: Subject) -> pd.DataFrame:
    # A store of one cluster, or one that names clusters in requests alone, has no label for it.
    near = frame["namespace"].isin({subject.namespace, ""}) & frame["cluster"].isin({subject.cluster, ""})
    return frame[near & workload_of(frame).isin(names)].reset_index(drop=True)
