"""Finding ML-RET-015: requests that reached no server, for which no retry storm is the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import percent, plural
from meshlab.questions.base import Case
from meshlab.questions.retries.cells import Bools
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.goodput import lost
from meshlab.telemetry.outcomes import describe

__all__ = ["lost_on_the_way"]

_LEAST: Final = 0.01
"""Share of an edge's requests from which their loss is a warning."""


def lost_on_the_way(case: Case, edges: Edges, judged: Bools) -> Iterator[Finding]:
    """ML-RET-015: of the edge that lost most. Nothing is said where none lost a hundredth of its requests.

    Neither end counts them among the attempts that arrived, so that no other finding speaks of them.
    """
    gone, offered = (edges.totals[name].to_numpy(np.float64) for name in ("lost", "offered"))
    bad = judged & (gone > 0) & (gone >= _LEAST * offered) & (offered >= case.settings.least)
    if not bad.any():
        return
    worst = int(np.where(bad, gone, -1.0).argmax())
    share, counts = float(gone[worst] / offered[worst]), case.counts("source")
    labels = counts.labels
    place = edges.names.iloc[worst]
    # Where nothing tells the service, the host named the edge.
    mine = lost(labels) & labels["destination_service"].isin(["", place["destination_service"]])
    outcomes = counts.select(mine).totals(["code", "flags"])
    more = int(bad.sum()) - 1
    others = f", and on {plural(more, 'more edge')}" if more else ""
    yield case.finding(
        "015",
        "lost.warn",
        Verdict.WARN,
        f"{percent(share)} of {plural(round(offered[worst]), 'request')} on {edges.label(worst)} reached no server "
        f"({describe(outcomes)}){others}.",
        required=True,
        value=share,
        threshold=_LEAST,
        unit="share of requests that never arrived",
        query="source",
        action="Find out why no host took them: ejections, failed readiness, a subset or route that is gone.",
    )
