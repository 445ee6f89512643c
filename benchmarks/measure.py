"""How the benchmarks measure."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["best_s", "resident_peak_mb"]


def best_s(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the quickest round."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def resident_peak_mb() -> float:
    """Most memory that this process ever had, resident, so that Arrow's buffers count too."""
    # Not getrusage: its maximum is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
