"""A million samples of a real Prometheus as a tidy frame: meshlab against prometheus-api-client, in one run.

    python benchmarks/fetch.py

Needs Debian's ``prometheus`` package. Prints the best of three of each, the ratios, and the frames' memory.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import requests
from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect

from meshlab.engines.http import PrometheusEngine
from meshlab.window import Window

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from real_prometheus import openmetrics, serving

SERIES, POINTS, STEP = 500, 2000, 15
START = 1_769_860_800


def million() -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
    """Counters with 18 labels, as a mesh has them."""
    rng = np.random.default_rng(0)
    at = START + STEP * np.arange(POINTS)
    for i in range(SERIES):
        labels = {"__name__": "istio_requests_total", "reporter": ("source", "destination")[i % 2]}
        labels |= {"destination_workload": f"workload-{i % 50}", "source_workload": f"workload-{i % 31}"}
        labels |= {"response_code": ("200", "404", "500", "503")[i % 4], "pod": f"workload-{i}-abcde"}
        labels |= {f"label_{k}": f"spiffe://mesh.local/ns/shop/sa/account-{(i * k) % 17}" for k in range(12)}
        yield labels, at, np.cumsum(rng.poisson(20, POINTS)).astype(float)


def best(work: Callable[[], pd.DataFrame], rounds: int = 3) -> tuple[float, pd.DataFrame]:
    """Seconds of the quickest round, and its frame."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        frame = work()
        times.append(time.perf_counter() - begin)
    return min(times), frame


def peak_mb(work: Callable[[], object]) -> float:
    """Largest Python memory in use during one round, in MB."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    """Load, measure, print."""
    window = Window((START + STEP) * 1000, (START + STEP * POINTS) * 1000, STEP * 1000)
    start, end = window.start, window.end
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), openmetrics(million())) as url:
        for query in ("istio_requests_total", "rate(istio_requests_total[2m])"):
            compare(url, query, window, start, end)


def compare(url: str, query: str, window: Window, start: datetime, end: datetime) -> None:
    """One query, every way."""

    def ours(*, compression: bool) -> pd.DataFrame:
        return PrometheusEngine(url, compression=compression).query_range(query, window).tidy()

    def theirs(*, identity: bool) -> pd.DataFrame:
        client = PrometheusConnect(url=url, headers={"Accept-Encoding": "identity"} if identity else None)
        naive = [t.astimezone(UTC).replace(tzinfo=None) for t in (start, end)]
        shifted = [pd.Timestamp(t, tz="UTC").to_pydatetime() for t in naive]
        return MetricRangeDataFrame(client.custom_query_range(query, *shifted, step=f"{STEP}s"))

    def bare() -> bytes:
        form = {"query": query, "start": start.timestamp(), "end": end.timestamp(), "step": STEP}
        return requests.post(f"{url}/api/v1/query_range", data=form, headers={"Accept-Encoding": "identity"}).content

    begin = time.perf_counter()
    size = len(bare())
    transfer = time.perf_counter() - begin
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shipped, shipped_frame = best(lambda: theirs(identity=False))
        plain, _ = best(lambda: theirs(identity=True))
    fast, frame = best(lambda: ours(compression=False))
    packed, _ = best(lambda: ours(compression=True))
    own, other = (f.memory_usage(deep=True).sum() / 1e6 for f in (frame, shipped_frame))
    print(f"\n{query}: {len(frame):,} samples ({len(shipped_frame):,} theirs), {size / 1e6:.1f} MB of JSON")
    print(f"  bare transfer of the same bytes              {transfer:7.2f} s")
    print(f"  prometheus-api-client, as shipped (gzip)     {shipped:7.2f} s")
    print(f"  prometheus-api-client, identity              {plain:7.2f} s")
    print(f"  meshlab, as shipped (identity)               {fast:7.2f} s")
    print(f"  meshlab, gzip                                {packed:7.2f} s")
    print(f"  as shipped: {shipped / fast:.1f} times faster; identity on both sides: {plain / fast:.1f} times")
    print(f"  frame: {own:.1f} MB against {other:.1f} MB, 1/{other / own:.0f}")
    print(f"  peak Python memory: {peak_mb(lambda: ours(compression=False)):.0f} MB")


if __name__ == "__main__":
    main()
