"""What all dialects share: the vocabulary, the two sides of an edge, and what a user may set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from meshlab.core.selector import Matcher

__all__ = ["ABSENT", "NAMES", "PLAIN", "VOCABULARY", "MeshOptions", "Reporter"]

VOCABULARY: Final = (
    "source",
    "source_namespace",
    "source_version",
    "source_cluster",
    "source_principal",
    "destination_workload",
    "destination_service",
    "destination_host",
    "destination_namespace",
    "destination_version",
    "destination_revision",
    "destination_rollout_hash",
    "destination_template_hash",
    "destination_instance",
    "destination_cluster",
    "destination_principal",
    "destination_port",
    "reporter",
    "protocol",
    "code",
    "grpc_status",
    "flags",
    "tls",
)
"""Columns of every mesh frame, whatever the dialect."""

NAMES: Final = frozenset(word for word in VOCABULARY if word.startswith(("source", "destination")))
"""The words that name somebody: there, all spellings of "not known" become the empty text."""

ABSENT: Final = frozenset({"", "unknown", "-"})
"""Label values that mean: not known."""


class Reporter(StrEnum):
    """From which side of an edge a request is seen."""

    SOURCE = "source"
    DESTINATION = "destination"


@dataclass(frozen=True, slots=True)
class MeshOptions:
    """What a profile says about the mesh behind a store.

    Parameters
    ----------
    forced : tuple of Matcher
        Matchers that stand in every selector.
    metrics : mapping of str to str
        Other names of ``requests`` (the request counter) and ``durations`` (the duration histogram's buckets), for a
        store that keeps only recording rules.
    labels : mapping of str to str
        Other labels of words of the vocabulary; an empty label says that the store has none.
    replica_label : str
        The label that tells replicas of one Prometheus apart; one replica is counted. Empty: there are none.
    mesh : str
        ``istio``, ``linkerd`` or ``envoy``: look for this one only. Empty: find out.
    """

    forced: tuple[Matcher, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    replica_label: str = ""
    mesh: str = ""


PLAIN: Final = MeshOptions()
"""Nothing is said about the mesh: its own names hold."""
