"""What all dialects share: the dimensions, the two sides of an edge, and what a profile may set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher
from meshlab.core.suggest import suggest
from meshlab.errors import ParameterError

if TYPE_CHECKING:
    from meshlab.telemetry.dialects.dialect import Dialect

__all__ = ["ABSENT", "DIMENSIONS", "ENDPOINTS", "PLAIN", "MeshOptions", "Reporter"]

DIMENSIONS: Final = (
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
    "category",
    "reporter",
    "protocol",
    "code",
    "grpc_status",
    "flags",
    "tls",
)
"""Columns of every frame of requests, whatever the mesh calls them."""

ENDPOINTS: Final = frozenset(name for name in DIMENSIONS if name.startswith(("source", "destination")))
"""The dimensions that name one end of an edge: in these, every spelling of "not known" becomes the empty text."""

ABSENT: Final = frozenset({"", "unknown", "-"})
"""Label values that mean: not known."""


class Reporter(StrEnum):
    """The side of an edge whose proxy reports a request."""

    SOURCE = "source"
    DESTINATION = "destination"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ParameterError(f"{plain(repr(value))} is not a reporter", suggest(value, cls))


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
        Other labels of dimensions; an empty label says that the store has none.
    replica_label : str
        The label that tells replicas of one Prometheus apart; one replica is counted. Empty: there are none.
    match : tuple of str
        Conditions that the engine puts into every selector, for messages.
    mesh : str
        Name of an installed or declared dialect: look for this mesh only. Empty: find out.
    declared : mapping of str to Dialect
        Dialects that meshlab.toml declares. Where one is found, installed ones do not read its counters again.
    """

    forced: tuple[Matcher, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    replica_label: str = ""
    match: tuple[str, ...] = ()
    mesh: str = ""
    declared: Mapping[str, Dialect] = field(default_factory=dict)


PLAIN: Final = MeshOptions()
"""A profile that says nothing about the mesh: its own names hold."""
