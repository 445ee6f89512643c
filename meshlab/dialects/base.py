"""What a dialect is: one mesh's metric and label names, and how they map to meshlab's vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from meshlab.selector import Matcher

__all__ = ["ABSENT", "VOCABULARY", "Dialect", "Reporter"]

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
    "destination_cluster",
    "destination_principal",
    "reporter",
    "protocol",
    "code",
    "grpc_status",
    "flags",
    "tls",
)
"""Columns of every mesh frame, whatever the dialect."""

ABSENT: Final = frozenset({"", "unknown", "-"})
"""Label values that mean: not known."""


class Reporter(StrEnum):
    """Which side of an edge measured."""

    SOURCE = "source"
    DESTINATION = "destination"


class Dialect(Protocol):
    """One mesh's own words. Every selector and expression about a mesh is made here."""

    @property
    def name(self) -> str:
        """The mesh's name, for people."""
        ...

    @property
    def columns(self) -> Mapping[str, str]:
        """Label of each word of the vocabulary that this mesh has."""
        ...

    @property
    def own_labels(self) -> frozenset[str]:
        """Labels that the mesh sets; the others tell the scraped target."""
        ...

    def detect(self) -> str:
        """Selector whose series exist where this mesh is seen."""
        ...

    def counts(self, reporter: Reporter, where: Sequence[Matcher]) -> str:
        """Selector of the request counters."""
        ...

    def buckets(self, reporter: Reporter, where: Sequence[Matcher]) -> str:
        """Selector of the request duration histogram's buckets, in milliseconds."""
        ...

    def increase(self, reporter: Reporter, where: Sequence[Matcher], by: Sequence[str], range_ms: int) -> str:
        """Expression: requests over a range, summed by words of the vocabulary."""
        ...

    def rate(self, reporter: Reporter, where: Sequence[Matcher], by: Sequence[str], range_ms: int) -> str:
        """Expression: requests a second, summed by words of the vocabulary."""
        ...

    def any_of(self, word: str, values: Sequence[str]) -> Matcher:
        """Matcher of a word of the vocabulary against literal values."""
        ...
