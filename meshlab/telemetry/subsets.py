"""Requests by the version that they were sent to, as the proxies' own cluster counters know it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts
from meshlab.core.window import Span
from meshlab.telemetry.answer import joined_query
from meshlab.telemetry.dialects.base import MeshOptions, Reporter
from meshlab.telemetry.dialects.census import Census
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.counter_view import CounterView
from meshlab.telemetry.dialects.family import Family
from meshlab.telemetry.dialects.registry import installed

__all__ = ["WORDS", "subset_counts"]

WORDS: Final = ("destination_namespace", "destination_service", "destination_host", "destination_version", "code")


def subset_counts(views: Sequence[CounterView], span: Span, hosts: Sequence[str], block_ms: int) -> Counts:
    """See `Mesh.subset_counts`."""
    grid, where = BlockGrid.over(span, block_ms), [Condition("destination_host", tuple(hosts))] if hosts else []
    parts = [view.request_counts(span, WORDS, where, grid) for view in _views(views[0], span)] if views else []
    counts = Counts.joined(parts or [Counts.none(WORDS, grid)], joined_query([part.query for part in parts], span))
    return counts.select((counts.labels["destination_version"] != "").to_numpy(np.bool_))


def _views(own: CounterView, span: Span) -> list[CounterView]:
    """The counters of dialects that stand in for a mesh's: they count its requests again, by subset."""
    others = [dialect for dialect in installed().values() if dialect.stand_in]
    given = own.dialect.options
    # What a profile calls otherwise are the mesh's own metrics and labels.
    options = MeshOptions(forced=given.forced, replica_label=given.replica_label)
    names = dict.fromkeys(name for dialect in others for name in dialect.counters)
    labels = dict.fromkeys(label for dialect in others for label in dialect.labels)
    census = Census.take(own.engine, span, [*names], [*labels], options)
    found = [dialect for other in others if (dialect := other.detect(census)) is not None]
    pairs = [(dialect, family) for dialect in found for family in dialect.families(Reporter.SOURCE)]
    return [
        CounterView(own.engine, dialect, Reporter.SOURCE, family, own.source, own.scrapes)
        for dialect, family in pairs
        if _names_subsets(family)
    ]


def _names_subsets(family: Family) -> bool:
    """Whether the version is a part of the name under which a host is called: other names are no subsets."""
    host, version = family.column("destination_host"), family.column("destination_version")
    return not {*host.labels}.isdisjoint(version.labels)
