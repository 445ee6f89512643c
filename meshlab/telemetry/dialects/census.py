"""Which of the counters that dialects know a store holds, from at most two small queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from meshlab.core.selector import one_of, selector
from meshlab.core.times import format_duration
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.telemetry.dialects.base import PLAIN, MeshOptions

__all__ = ["Census"]


@dataclass(frozen=True, slots=True, eq=False)
class Census:
    """Names of counters, together with the labels of few values that they carry.

    Parameters
    ----------
    table : DataFrame
        ``__name__`` and the labels, one row a combination; an absent label is the empty text.
    options : MeshOptions
        What the profile says about the mesh.
    """

    table: pd.DataFrame
    options: MeshOptions = PLAIN

    @classmethod
    def take(
        cls, engine: Engine, window: Span, names: Sequence[str], labels: Sequence[str], options: MeshOptions = PLAIN
    ) -> Census:
        """Count the series of some names by some labels, at a window's end or, where nothing is there, in all of it.

        Parameters
        ----------
        engine : Engine
        window : Span
        names : sequence of str
            Of counters: the buckets of histograms would be twenty times as many series.
        labels : sequence of str
            Each with a handful of values at most.
        options : MeshOptions
            `forced` stand in the queries; `metrics` are counted as well.
        """
        every = selector("", one_of("__name__", [*names, *options.metrics.values()]), forced=options.forced)
        columns = ["__name__", *labels]
        if engine.is_live:
            length = format_duration(window.end_ms - window.start_ms)
            for inner in (every, f"last_over_time({every}[{length}])"):
                table = engine.query(f"count by ({', '.join(columns)}) ({inner})", window.end).labels
                if len(table):
                    break
        else:
            # A recording's label table is at hand, and its end may be later than its meshes'.
            table = engine.series(every, window).labels
        table = table.reindex(columns=columns, fill_value="").drop_duplicates().reset_index(drop=True)
        return cls(table, options)

    @property
    def names(self) -> set[str]:
        """The counters that are there."""
        return set(self.table["__name__"])

    @property
    def forced(self) -> bool:
        """Whether the profile names both the mesh and its counter, and the counter is there."""
        return bool(self.options.mesh) and self.requests("") in self.names

    def requests(self, name: str) -> str:
        """The request counter as the profile names it, or the mesh's own name of it."""
        return self.options.metrics.get("requests", name)

    def values(self, name: str, label: str) -> set[str]:
        """The values of a label of one counter, but for the empty text."""
        return set(self.table.loc[self.table["__name__"] == name, label]) - {""}
