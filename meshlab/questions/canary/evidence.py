"""What the canary question asks the mesh: once, for every service in scope."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from meshlab.dialects.base import Reporter
from meshlab.evidence import Evidence, Missing
from meshlab.mesh import Mesh, unknown
from meshlab.questions.canary.policy import Policy
from meshlab.questions.canary.scope import Scope
from meshlab.selector import Matcher
from meshlab.subject import IDENTITY, Subject
from meshlab.window import Window

__all__ = ["collect", "subject_of"]

_ARM: Final = (*IDENTITY, "destination_version")
_OUTCOME: Final = ("code", "grpc_status", "flags")


def subject_of(mesh: Mesh, window: Window, scope: Scope) -> Subject:
    """The service that a scope names, after a look whether its arms were ever seen.

    Raises
    ------
    ParameterError
        The service or a version was never seen in this store, or the name is ambiguous.
    """
    subject = mesh.find(scope.service, window, scope.namespace)
    versions = mesh.versions(subject, window)
    for arm in (scope.baseline, scope.canary):
        if arm not in versions:
            raise unknown(f"version of {subject}", arm, versions, mesh.source)
    return subject


def collect(mesh: Mesh, window: Window, scope: Scope | None = None, *, policy: Policy | None = None) -> Evidence:
    """Ask the mesh for requests by outcome (both reporters) and by duration, in blocks of time.

    Parameters
    ----------
    mesh : Mesh
    window : Window
    scope : Scope, optional
        Asks for one service only; None for all.
    policy : Policy, optional
        Sets the length of the blocks.

    Returns
    -------
    Evidence
        ``source`` and ``destination`` (columns of `Mesh.request_counts`, by service, version, code, gRPC status and
        flags) and ``latency`` (columns of `Mesh.latency_buckets`, by service and version, from the destination).
    """
    block_ms = (policy or Policy()).block_ms
    subjects = (subject_of(mesh, window, scope),) if scope else ()
    where: Sequence[Matcher] = mesh.where(subjects[0]) if subjects else ()
    by = (*_ARM, *_OUTCOME)
    answers = {
        "source": mesh.request_counts(window, by, where, reporter=Reporter.SOURCE, block_ms=block_ms),
        "destination": mesh.request_counts(window, by, where, reporter=Reporter.DESTINATION, block_ms=block_ms),
        "latency": mesh.latency_buckets(window, _ARM, where, reporter=Reporter.DESTINATION, block_ms=block_ms),
    }
    missing = {name: _REMEDIES[name] for name, answer in answers.items() if answer.frame.empty}
    return Evidence(
        frames=MappingProxyType({name: a.frame for name, a in answers.items()}),
        window=window,
        subjects=subjects,
        source=f"{mesh.source} ({mesh.dialect.name})",
        queries=MappingProxyType({name: a.query for name, a in answers.items()}),
        missing=MappingProxyType(missing),
    )


_REMEDIES: Final = {
    "source": Missing("requests as the callers' proxies count them", "put the callers into the mesh"),
    "destination": Missing("requests as the service's proxies count them", "give the service's pods a sidecar"),
    "latency": Missing(
        "request durations of the service's proxies", "export istio_request_duration_milliseconds and scrape the pods"
    ),
}
