"""How late an event loop runs: the lab's own measure of whether this machine keeps up."""

from __future__ import annotations

import asyncio
import math
from typing import Final

__all__ = ["LAG_LIMIT_MS", "LagMeter", "percentile"]

LAG_LIMIT_MS: Final = 50.0
"""Above this (99th percentile, in calm) the latencies of a recording would be those of the machine, not of the mesh."""

_INTERVAL_S: Final = 0.02


class LagMeter:
    """Sleeps for 20 ms again and again, and notes how much longer it took."""

    def __init__(self) -> None:
        self._lags_ms: list[float] = []

    async def measure(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _INTERVAL_S
            await asyncio.sleep(_INTERVAL_S)
            self._lags_ms.append(max(0.0, (clock() - due) * 1000))

    def take(self) -> dict[str, float]:
        """What was measured since the last call: ``p99_ms``, ``max_ms`` and the number of ``samples``."""
        lags, self._lags_ms = self._lags_ms, []
        return {
            "p99_ms": round(percentile(lags, 0.99), 3),
            "max_ms": round(max(lags, default=0.0), 3),
            "samples": len(lags),
        }


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank); 0 without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
