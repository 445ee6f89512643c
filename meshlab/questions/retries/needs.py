"""What the retry question asks the mesh: once, for every edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from meshlab.core.counts import Counts
from meshlab.core.window import Span
from meshlab.questions.base import Asking, Need
from meshlab.telemetry.dialects.base import Reporter

__all__ = ["DIMENSIONS", "NEEDS", "block_ms"]

DIMENSIONS: Final = (
    "source_namespace",
    "source",
    "destination_namespace",
    "destination_service",
    "destination_host",
    "destination_workload",
    "code",
    "grpc_status",
    "flags",
)
"""The dimensions by which requests are counted."""

_LEAST_BLOCK_MS: Final = 10_000
_MOST_BLOCKS: Final = 720


def _requests(reporter: Reporter) -> Callable[[Asking], Counts]:
    """Requests of all edges, whatever subject is asked about: a storm begins below it, and comes from above."""
    return lambda asking: asking.mesh.request_counts(
        asking.window, DIMENSIONS, reporter=reporter, block_ms=asking.block_ms
    )


NEEDS: Final[Mapping[str, Need]] = MappingProxyType(
    {
        "source": Need(
            ask=_requests(Reporter.SOURCE),
            what="requests as the sources' proxies count them",
            remedy="source",
            required=True,
            code="001",
        ),
        "destination": Need(
            ask=_requests(Reporter.DESTINATION),
            what="requests as the destinations' proxies count them",
            remedy="destination",
        ),
        "proxies": Need(
            ask=lambda asking: asking.mesh.retry_counts(asking.window, block_ms=asking.block_ms),
            what="the proxies' own retry counters",
            remedy="retries",
        ),
        "breakers": Need(
            ask=lambda asking: asking.mesh.breaker_gauges(asking.window, block_ms=asking.block_ms),
            what="the proxies' circuit breakers and ejections",
            remedy="retries",
        ),
        "durations": Need(
            ask=lambda asking: asking.mesh.durations(
                asking.window,
                ("destination_namespace", "destination_service", "code"),
                reporter=Reporter.DESTINATION,
                block_ms=asking.block_ms,
            ),
            what="durations of attempts as the destinations' proxies measure them",
            remedy="destination",
        ),
    }
)


def block_ms(scrape_ms: int, window: Span) -> int:
    """Two scrapes, so that no block is empty by chance; whole seconds."""
    least = max(_LEAST_BLOCK_MS, 2 * scrape_ms, window.duration_ms // _MOST_BLOCKS)
    return 1000 * -(-least // 1000)
