"""What the canary question asks the mesh: requests first, durations of the arms that these show after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.subject import IDENTITY
from meshlab.questions.base import Asking, Need
from meshlab.questions.canary.arm_selection import DIMENSIONS, VERSION, ArmSelection
from meshlab.questions.canary.segments import SEGMENTS
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.mesh import Answer

__all__ = ["COUNTS", "DURATIONS", "by_arm"]

_OUTCOME: Final = ("code", "grpc_status", "flags")
_POD: Final = ("destination_instance",)


def _counts(reporter: Reporter, *more: str) -> Callable[[Asking], Counts]:
    def ask(asking: Asking) -> Counts:
        # Of all services at once only versions are asked for.
        dimensions = dict.fromkeys((*IDENTITY, *(DIMENSIONS if asking.subject else (VERSION,))))
        by, where = (*dimensions, *SEGMENTS, *more, "category", *_OUTCOME), asking.where
        return asking.mesh.request_counts(asking.window, by, where, reporter=reporter, block_ms=asking.block_ms)

    return ask


def _durations(asking: Asking) -> Counts:
    """Durations at the destination, or at the source where the destination has none of the arms."""
    arms: ArmSelection | None = asking.facts.get("arms")
    dimension, block_ms = arms.dimension if arms else VERSION, asking.block_ms

    def buckets(reporter: Reporter, *more: str) -> Counts:
        by = tuple(dict.fromkeys((*IDENTITY, dimension, *more)))
        return asking.mesh.latency_buckets(asking.window, by, asking.where, reporter=reporter, block_ms=block_ms)

    def has_arms(counts: Counts) -> bool:
        return bool(counts.labels[dimension].isin(arms.names).any()) if arms else not counts.empty

    counts = buckets(Reporter.DESTINATION, *_POD)
    if not has_arms(counts) and has_arms(other := buckets(Reporter.SOURCE)):
        asking.facts["latency_reporter"] = "source"
        return other
    return counts


def _restarts(asking: Asking) -> Answer:
    by = (*IDENTITY, *_POD)
    return asking.mesh.restarts(asking.window, by, asking.where, reporter=Reporter.DESTINATION)


COUNTS: Final[Mapping[str, Need]] = {
    "source": Need(ask=_counts(Reporter.SOURCE), what="requests as the source's proxies count them", remedy="source"),
    "destination": Need(
        ask=_counts(Reporter.DESTINATION, *_POD),
        what="requests as the destination's proxies count them",
        remedy="destination",
    ),
}
DURATIONS: Final[Mapping[str, Need]] = {
    "latency": Need(ask=_durations, what="request durations of the destination's proxies", remedy="latency"),
    "restarts": Need(ask=_restarts),
}


def by_arm(counts: Counts, dimension: str) -> pd.DataFrame:
    """Counts by service and ``arm``, without the other dimensions that might have distinguished arms."""
    kept = (*IDENTITY, dimension)
    frame = counts.by([word for word in counts.words if word in kept or word not in DIMENSIONS]).frame
    return frame.assign(arm=frame[dimension])
