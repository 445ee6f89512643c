"""From Parquet on disk to a frame, against a request to a real Prometheus for the same frame, in one run.

    python benchmarks/evaluator.py

Needs Debian's ``prometheus`` package. Prints the best of five of each, Prometheus's own evaluation time
(``stats=all``), and the ratios: above 1 we are quicker.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import requests

from meshlab.core.window import Window
from meshlab.engines.http import PrometheusEngine
from meshlab.recordings.engine import Recording
from meshlab.recordings.recorder import record

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from measure import best_s
from real_prometheus import openmetrics, serving

START, EVERY, COUNT = 1_769_860_800, 15, 240
EDGES = ("5", "10", "25", "50", "100", "250", "500", "1000", "2500", "+Inf")
QUERIES = (
    "istio_requests_total",
    "rate(istio_requests_total[2m])",
    "sum by (destination_version, response_code) (rate(istio_requests_total[2m]))",
    "histogram_quantile(0.99, sum by (le, destination_version) (rate(istio_request_duration_milliseconds_bucket[2m])))",
)


def mesh() -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
    """800 counters and 600 buckets of a mesh, one hour at 15 s; each workload is scraped at moments of its own."""
    rng = np.random.default_rng(0)
    for i in range(200):
        at = START + np.round(rng.uniform(0, EVERY), 3) + EVERY * np.arange(COUNT)
        who = {"destination_workload": f"workload-{i}", "destination_version": f"v{i % 2}", "pod": f"pod-{i}"}
        for code in ("200", "404", "500", "503"):
            value = np.cumsum(rng.poisson(30, COUNT))
            yield {"__name__": "istio_requests_total", **who, "response_code": code}, at, value
    for i in range(60):
        at = START + np.round(rng.uniform(0, EVERY), 3) + EVERY * np.arange(COUNT)
        total = np.zeros(COUNT)
        for le in EDGES:
            total = total + np.cumsum(rng.poisson(5, COUNT))
            who = {"destination_workload": f"workload-{i}", "destination_version": f"v{i % 2}", "le": le}
            yield {"__name__": "istio_request_duration_milliseconds_bucket", **who}, at, total.copy()


def own_time(url: str, query: str, window: Window) -> float:
    """Seconds that Prometheus says it evaluated."""
    form = {"query": query, "start": window.start_ms / 1000, "end": window.end_ms / 1000, "step": window.step_ms / 1000}
    answer = requests.post(f"{url}/api/v1/query_range", data=form | {"stats": "all"}, timeout=60)
    return float(json.loads(answer.content)["data"]["stats"]["timings"]["evalTotalTime"])


def main() -> None:
    """Load, measure, print."""
    end = START + EVERY * (COUNT - 1)
    window = Window.aligned(datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(end, UTC), 15_000)
    text = openmetrics(mesh())
    with tempfile.TemporaryDirectory() as place, serving(Path(place) / "server", text) as url:
        lead = Window.aligned(datetime.fromtimestamp(START - 60, UTC), window.end, 15_000)
        out = Path(place) / "mesh"
        folder = record(PrometheusEngine(url), ['{__name__=~"istio_.*"}'], lead, out, what="a benchmark")
        size = sum(f.stat().st_size for f in folder.iterdir())
        print(
            f"{json.loads((folder / 'manifest.json').read_text())['samples']:,} samples, {size / 1e6:.1f} MB on disk\n"
        )
        print(f"{'disk':>8} {'opened':>8} {'request':>8} {'its own':>8}   request/disk  its own/opened")
        opened = Recording.open(folder)
        for query in QUERIES:

            def from_disk(query: str = query) -> object:
                return Recording.open(folder).query_range(query, window).tidy()

            def in_memory(query: str = query) -> object:
                return opened.query_range(query, window).tidy()

            def by_request(query: str = query) -> object:
                return PrometheusEngine(url).query_range(query, window).tidy()

            disk, memory, request = best_s(from_disk), best_s(in_memory), best_s(by_request)
            own = min(own_time(url, query, window) for _ in range(5))
            row = " ".join(f"{1000 * t:6.0f}ms" for t in (disk, memory, request, own))
            print(f"{row}   {request / disk:12.1f}  {own / memory:14.1f}   {query}")


if __name__ == "__main__":
    main()
