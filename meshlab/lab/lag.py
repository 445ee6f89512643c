"""How late an event loop runs: the measure of whether this machine keeps up, and when that spoils a recording."""

from __future__ import annotations

import asyncio
import math
from typing import Final

from meshlab.errors import LabError

__all__ = ["LAG_LIMIT_MS", "LagMeter", "Lags", "late_parts", "percentile", "refuse_lag", "worse"]

LAG_LIMIT_MS: Final = 50.0
"""Above this (99th percentile, in calm) the latencies of a recording would be those of the machine, not of the mesh."""

Lags = dict[str, dict[str, float]]
"""By part: ``p99_ms``, ``max_ms`` and ``samples``, as `LagMeter.take` gives them."""

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


def worse(worst: dict[str, float] | None, lags: dict[str, float]) -> dict[str, float]:
    """The worse of two readings, figure by figure; samples add up."""
    if worst is None:
        return lags
    return {key: worst[key] + lags[key] if key == "samples" else max(worst[key], lags[key]) for key in lags}


def late_parts(lags: Lags) -> list[str]:
    """Parts over the limit, the worst first. The 99th percentile: one hiccup of the machine spoils no recording."""
    late = [name for name, lag in lags.items() if lag["p99_ms"] > LAG_LIMIT_MS]
    return sorted(late, key=lambda name: -lags[name]["p99_ms"])


def refuse_lag(when: str, lags: Lags, force: bool) -> None:
    """Raise LabError where a part is over the limit, unless forced."""
    late = late_parts(lags)
    if late and not force:
        raise LabError(
            f"the event loop of {late[0]} runs {lags[late[0]]['p99_ms']:.0f} ms late {when},"
            f" and above {LAG_LIMIT_MS:.0f} ms the latencies would be the machine's own",
            "free the machine, lower load.rate_per_s, or go on all the same with --force",
        )
