"""Ten million raw samples of a real VictoriaMetrics, recorded: time and memory.

    python benchmarks/record.py [--samples 10000000]

Needs Debian's ``victoria-metrics`` package. 2,500 counters at 15 s are imported; a quarter, a half and all of them are
recorded, each in a process of its own, which reports its peak of resident memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from meshlab.core.window import Window
from meshlab.engines.http import PrometheusEngine
from meshlab.recordings.manifest import read_manifest
from meshlab.recordings.recorder import record

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from measure import resident_peak_mb
from real_victoria import serving_victoria

START, EVERY_S, SERIES = 1_769_860_800, 15, 2_500
SELECTORS = ('{__name__="istio_requests_total",quarter="0"}', '{quarter=~"0|1"}', "istio_requests_total")


def counters(count: int) -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
    """2,500 counters; each workload's pods are scraped at moments of their own."""
    rng = np.random.default_rng(0)
    for i in range(SERIES):
        at = START + round(float(rng.uniform(0, EVERY_S)), 3) + EVERY_S * np.arange(count)
        labels = {
            "__name__": "istio_requests_total",
            "pod": f"pod-{i // 4:05}",
            "response_code": ("200", "404", "500", "503")[i % 4],
            "destination_workload": f"workload-{i // 4 % 100}",
            "quarter": str(4 * i // SERIES),
        }
        yield labels, at, np.cumsum(rng.poisson(20, count))


def recorded(url: str, selector: str, end: int, out: Path) -> tuple[float, float]:
    """Seconds, and the peak of memory in MB, of a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_recorded, (url, selector, end, out))


def _recorded(url: str, selector: str, end: int, out: Path) -> tuple[float, float]:
    begin = time.perf_counter()
    window = Window((START - 60) * 1000, end * 1000, 15_000)
    record(PrometheusEngine(url), [selector], window, out, what="a benchmark")
    return time.perf_counter() - begin, resident_peak_mb()


def main() -> None:
    """Import, record, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=10_000_000)
    count = parser.parse_args().samples // SERIES
    end = START + EVERY_S * (count + 1)
    with tempfile.TemporaryDirectory() as place, serving_victoria(Path(place) / "server", counters(count)) as url:
        print(f"{'series':>8} {'samples':>12} {'on disk':>10} {'seconds':>9} {'samples/s':>11} {'peak':>9}")
        for selector in SELECTORS:
            out = Path(place) / f"recording-{SELECTORS.index(selector)}"
            seconds, peak = recorded(url, selector, end, out)
            manifest = read_manifest(out)
            size = sum(path.stat().st_size for path in out.iterdir())
            print(
                f"{manifest['series']:>8,} {manifest['samples']:>12,} {size / 1e6:>7.1f} MB {seconds:>9.1f}"
                f" {int(str(manifest['samples'])) / seconds:>11,.0f} {peak:>6.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
