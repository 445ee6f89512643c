"""How the benchmarks measure."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["best_s"]


def best_s(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the quickest round."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)
