"""1.3 million samples of a real Prometheus as a tidy frame: meshlab against prometheus-api-client, in one run.

    python benchmarks/fetch.py

Needs Debian's ``prometheus`` package. Prints the best of three of each, the ratios, and memory. 650 series of 2,000
samples and 18 labels, as raw counters (short numbers) and as rates (17 digits).
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import requests
from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect

from meshlab.engines.http import PrometheusEngine
from meshlab.recordings.format import Stored, read_folder, write_folder
from meshlab.window import Window

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from measure import best_s, resident_peak_mb
from real_prometheus import openmetrics, serving

SERIES, POINTS, STEP_S = 650, 2000, 15
START = 1_769_860_800
WINDOW = Window(START * 1000, (START + STEP_S * (POINTS - 1)) * 1000, STEP_S * 1000)
QUERIES = ("istio_requests_total", "rate(istio_requests_total[2m])")


def million() -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
    """Counters with 18 labels, as a mesh has them."""
    rng = np.random.default_rng(0)
    at = START + STEP_S * np.arange(POINTS)
    for i in range(SERIES):
        labels = {"__name__": "istio_requests_total", "reporter": ("source", "destination")[i % 2]}
        labels |= {"destination_workload": f"workload-{i % 50}", "source_workload": f"workload-{i % 31}"}
        labels |= {"response_code": ("200", "404", "500", "503")[i % 4], "pod": f"workload-{i}-abcde"}
        labels |= {f"label_{k}": f"spiffe://mesh.local/ns/shop/sa/account-{(i * k) % 17}" for k in range(12)}
        yield labels, at, np.cumsum(rng.poisson(20, POINTS)).astype(float)


def meshlab(url: str, query: str, *, gzip: bool) -> pd.DataFrame:
    return PrometheusEngine(url, compression=gzip).query_range(query, WINDOW).tidy()


def peer(url: str, query: str, *, gzip: bool) -> pd.DataFrame:
    client = PrometheusConnect(url=url, headers=None if gzip else {"Accept-Encoding": "identity"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MetricRangeDataFrame(client.custom_query_range(query, WINDOW.start, WINDOW.end, step=f"{STEP_S}s"))


def bare(url: str, query: str) -> bytes:
    """The server's own time and the transfer: nobody can be faster."""
    form = {"query": query, "start": WINDOW.start.timestamp(), "end": WINDOW.end.timestamp(), "step": STEP_S}
    return requests.post(f"{url}/api/v1/query_range", data=form, headers={"Accept-Encoding": "identity"}).content


def peak_mb(way: Callable[..., pd.DataFrame], url: str, query: str, *, gzip: bool) -> float:
    """Memory that one round adds to a fresh process at its peak: resident, so that Arrow's buffers count too."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_mb, (way, url, query, gzip))


def _peak_mb(way: Callable[..., pd.DataFrame], url: str, query: str, gzip: bool) -> float:
    way(url, "vector(1)", gzip=gzip)  # a small answer imports what is imported late
    before = resident_peak_mb()
    way(url, query, gzip=gzip)
    return resident_peak_mb() - before


def compare(url: str, query: str) -> None:
    """One query, every way."""
    size = len(bare(url, query))
    server = best_s(lambda: bare(url, query))
    frame, other = meshlab(url, query, gzip=False), peer(url, query, gzip=False)
    own_mb, other_mb = (f.memory_usage(deep=True).sum() / 1e6 for f in (frame, other))
    samples = len(frame), len(other)
    del frame, other
    plain, packed, peer_plain, peer_packed = (
        best_s(partial(way, url, query, gzip=gzip)) for way in (meshlab, peer) for gzip in (False, True)
    )
    peak, peer_peak = peak_mb(meshlab, url, query, gzip=False), peak_mb(peer, url, query, gzip=True)
    print(f"\n{query}: {samples[0]:,} samples ({samples[1]:,} theirs), {size / 1e6:.1f} MB of JSON")
    print(f"  {'':34}{'meshlab':>10}{'peer':>10}{'ratio':>8}")
    print(f"  {'as shipped (identity; gzip)':34}{plain:8.2f} s{peer_packed:8.2f} s{peer_packed / plain:8.1f}")
    print(f"  {'identity on both sides':34}{plain:8.2f} s{peer_plain:8.2f} s{peer_plain / plain:8.1f}")
    print(f"  {'gzip on both sides':34}{packed:8.2f} s{peer_packed:8.2f} s{peer_packed / packed:8.1f}")
    print(f"  {'of it server and transfer':34}{server:8.2f} s")
    print(f"  {'frame':34}{own_mb:7.1f} MB{other_mb:7.0f} MB{other_mb / own_mb:8.1f}")
    print(f"  {'peak of a fresh process, added':34}{peak:7.0f} MB{peer_peak:7.0f} MB{peer_peak / peak:8.1f}")


def recording(url: str, folder: Path) -> None:
    """The same samples from a recording."""
    found = PrometheusEngine(url).query_range(QUERIES[0], WINDOW)
    write_folder(folder, Stored(found, {}))
    size = sum(path.stat().st_size for path in folder.iterdir())
    seconds = best_s(lambda: read_folder(folder).series.tidy())
    print(f"\nthe same from a recording: {size / 1e6:.1f} MB, {seconds:.2f} s to the frame, checksums verified")


def main() -> None:
    """Load, measure, print."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "server", openmetrics(million())) as url:
        for query in QUERIES:
            compare(url, query)
        recording(url, Path(folder) / "recording")


if __name__ == "__main__":
    main()
