"""Recordings of up to 57.6 million samples (10,000 series, one day at 15 s): time and memory of a question.

    python benchmarks/scale.py [--series 10000]

For a quarter, a half and the whole: opening (checksums and order included), one series of one hour, and ``sum by
(rate)`` of all series over the day, on 5-minute steps and on 15-second steps. Each in a process of its own, which
reports its peak of resident memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from meshlab.core.window import Window
from meshlab.recordings.engine import Recording
from meshlab.recordings.writer import writing

sys.path.insert(0, str(Path(__file__).parent))
from measure import resident_peak_mb

START, EVERY_S, COUNT = 1_769_860_800, 15, 5760
TOTAL = "sum by (destination_workload, response_code) (rate(istio_requests_total[5m]))"
ONE = 'rate(istio_requests_total{pod="pod-00007",response_code="503"}[5m])'


def write(folder: Path, series: int) -> int:
    """Counters of pods, four a pod, each pod scraped at moments of its own; bytes on disk."""
    pods = [f"pod-{i // 4:05}" for i in range(series)]
    labels = pd.DataFrame(
        {
            "__name__": "istio_requests_total",
            "destination_workload": [f"workload-{i // 4 % 100:03}" for i in range(series)],
            "pod": pods,
            "reporter": "destination",
            "response_code": [("200", "404", "500", "503")[i % 4] for i in range(series)],
        },
        dtype="str",
    ).sort_values(["destination_workload", "pod", "response_code"], ignore_index=True)
    end = datetime.fromtimestamp(START + EVERY_S * (COUNT - 1), UTC)
    window = {"start": datetime.fromtimestamp(START, UTC).isoformat(), "end": end.isoformat()}
    with writing(folder, labels, {"window": window, "ranges": "closed"}) as samples:
        for row in range(series):
            rng = np.random.default_rng(row)
            offset = int(np.random.default_rng(int(labels["pod"][row][4:])).integers(0, 1000 * EVERY_S))
            at = 1000 * START + offset + 1000 * EVERY_S * np.arange(COUNT)
            value = np.cumsum(rng.poisson(20, COUNT)).astype(float)
            samples.append(np.full(COUNT, row, np.int32), at, value)
    return sum(path.stat().st_size for path in folder.iterdir())


def opened(folder: Path) -> Recording:
    return Recording.open(folder)


def one_series(folder: Path) -> object:
    recording = Recording.open(folder)
    last = recording.now().timestamp()
    window = Window.aligned(datetime.fromtimestamp(last - 3600, UTC), datetime.fromtimestamp(last, UTC), 15_000)
    return recording.query_range(ONE, window)


def in_sum(folder: Path, step_ms: int) -> object:
    recording = Recording.open(folder)
    span = recording.span()
    assert span
    return recording.query_range(TOTAL, Window.aligned(*span, step_ms))


def coarse(folder: Path) -> object:
    return in_sum(folder, 300_000)


def fine(folder: Path) -> object:
    return in_sum(folder, 15_000)


def measured(way: Callable[[Path], object], folder: Path) -> tuple[float, float]:
    """Seconds, and the peak of memory in MB, of a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (way, folder))


def _measured(way: Callable[[Path], object], folder: Path) -> tuple[float, float]:
    begin = time.perf_counter()
    way(folder)
    return time.perf_counter() - begin, resident_peak_mb()


def main() -> None:
    """Write, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=10_000)
    whole = parser.parse_args().series
    ways = {"opened": opened, "one series": one_series, "sum, 5 m steps": coarse, "sum, 15 s steps": fine}
    print(f"{'samples':>12} {'on disk':>10}" + "".join(f"{name:>22}" for name in ways))
    with tempfile.TemporaryDirectory() as place:
        for series in (whole // 4, whole // 2, whole):
            folder = Path(place) / str(series)
            size = write(folder, series)
            row = f"{series * COUNT:>12,} {size / 1e6:>7.0f} MB"
            for way in ways.values():
                seconds, peak = measured(way, folder)
                row += f"{seconds:>10.2f} s {peak:>6.0f} MB"
            print(row, flush=True)


if __name__ == "__main__":
    main()
