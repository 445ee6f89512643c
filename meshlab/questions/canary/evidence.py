"""What the canary question asks the mesh: once, for every service in scope."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.evidence import Evidence, Missing
from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Window
from meshlab.errors import ParameterError
from meshlab.questions.canary import arm_selection
from meshlab.questions.canary.scope import Scope
from meshlab.questions.canary.segments import SEGMENTS
from meshlab.questions.canary.settings import Policy
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.mesh import Answer, Mesh

__all__ = ["collect", "subject_of"]

_OUTCOME: Final = ("code", "grpc_status", "flags")
_POD: Final = ("destination_instance",)
_ALL: Final = "destination_version"
"""What tells arms apart where all services are asked about at once."""


def subject_of(mesh: Mesh, window: Window, scope: Scope) -> Subject:
    """The service that a scope names, together with the services that may be its arms.

    Raises
    ------
    ParameterError
        The service was never seen in this store, or the name is ambiguous.
    """
    try:
        subject = mesh.find(scope.service, window, scope.namespace)
    except ParameterError:
        # Two services may be arms of something that is no service itself.
        if scope.arm_by != "service" or not scope.baseline:
            raise
        first, second = (mesh.find(arm, window, scope.namespace) for arm in (scope.baseline, scope.canary))
        if (first.cluster, first.namespace) != (second.cluster, second.namespace):
            raise
        return dataclasses.replace(first, service=scope.service, spans=(*first.services, *second.services))
    return mesh.with_related_services(subject, arm_selection.related_services(scope, subject), window)


def collect(mesh: Mesh, window: Window, scope: Scope | None = None, *, policy: Policy | None = None) -> Evidence:
    """Ask the mesh for requests by outcome (both sides) and by duration, in blocks of time.

    Parameters
    ----------
    mesh : Mesh
    window : Window
    scope : Scope, optional
        Asks for one service only; None for all, whose arms are versions.
    policy : Policy, optional
        Sets the length of the blocks.

    Returns
    -------
    Evidence
        ``source`` and ``destination`` (columns of `Mesh.request_counts`, by service, arm, code, gRPC status, flags and
        the words of `SEGMENTS`; the destination's also by pod), ``latency`` (columns of `Mesh.latency_buckets`, by
        service, arm and pod, from the destination, or from the source where the destination has none) and
        ``restarts`` (of `Mesh.restarts`, by pod). ``chosen`` says which arms these are.

    Raises
    ------
    ParameterError
        The service or an arm was never seen in this store, or the arms are not named and cannot be found.
    """
    block_ms = (policy or Policy()).block_ms
    subject = subject_of(mesh, window, scope) if scope else None
    where = mesh.where(subject) if subject else []
    words: Sequence[str] = arm_selection.DIMENSIONS if scope else (_ALL,)
    by = tuple(dict.fromkeys((*IDENTITY, *words)))

    def counts(reporter: Reporter) -> Counts:
        more = () if reporter is Reporter.SOURCE else _POD
        words = (*by, *SEGMENTS, *more, *_OUTCOME)
        return mesh.request_counts(window, words, where, reporter=reporter, block_ms=block_ms)

    def buckets(reporter: Reporter) -> Counts:
        more = () if reporter is Reporter.SOURCE else _POD
        words = dict.fromkeys((*IDENTITY, word, *more))
        return mesh.latency_buckets(window, tuple(words), where, reporter=reporter, block_ms=block_ms)

    chosen = None
    if scope and subject and scope.baseline:
        chosen = arm_selection.named_arms(
            mesh.combinations(subject, window, arm_selection.DIMENSIONS), scope, subject, mesh.source
        )
    answers: dict[str, Answer | Counts] = {side.value: counts(side) for side in Reporter}
    if scope and subject and chosen is None:
        chosen = arm_selection.find_arms((a.frame for a in answers.values()), scope, subject, mesh.source)
    word = chosen.dimension if chosen else _ALL
    answers["latency"] = buckets(Reporter.DESTINATION)
    notes: dict[str, str] = {}
    if not _has_arms(answers["latency"].frame, word, chosen):
        # Some proxies report one side only: what the callers waited for is better than nothing.
        other = buckets(Reporter.SOURCE)
        if _has_arms(other.frame, word, chosen):
            answers["latency"] = other
            notes["latency"] = "Measured at the source: the service's own proxies export no durations."
    frames = {name: _by_arm(answer.frame, word) for name, answer in answers.items()}
    empty = {name for name, frame in frames.items() if frame.empty}
    answers["restarts"] = mesh.restarts(window, (*IDENTITY, *_POD), where, reporter=Reporter.DESTINATION)
    frames["restarts"] = answers["restarts"].frame
    return Evidence(
        frames=MappingProxyType(frames),
        window=window,
        subjects=(subject,) if subject else (),
        source=f"{mesh.source} ({mesh.name})",
        queries=MappingProxyType({name: a.query for name, a in answers.items()}),
        missing=MappingProxyType({name: Missing(_MISSING[name], mesh.remedy(name)) for name in sorted(empty)}),
        notes=MappingProxyType(notes),
        chosen=chosen,
    )


def _has_arms(frame: pd.DataFrame, word: str, chosen: arm_selection.ArmSelection | None) -> bool:
    return bool(frame[word].isin([chosen.baseline, chosen.canary]).any()) if chosen else not frame.empty


def _by_arm(frame: pd.DataFrame, word: str) -> pd.DataFrame:
    """Counts by service and arm, without the other words that might have told arms apart."""
    keys = [c for c in frame.columns if c not in (*arm_selection.DIMENSIONS, "count") or c in (*IDENTITY, word)]
    if len(keys) < len(frame.columns) - 1:
        frame = frame.groupby(keys, sort=True)["count"].sum().reset_index()
    frame.insert(len(IDENTITY), "arm", frame[word])
    return frame


_MISSING: Final = {
    "source": "requests as the callers' proxies count them",
    "destination": "requests as the service's proxies count them",
    "latency": "request durations of the service's proxies",
}
"""From the evidence's frames to what they would tell."""
