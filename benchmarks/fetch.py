"""1.3 million samples of a real Prometheus as a tidy frame: meshlab against the clients people use, in one run.

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
from prometheus_pandas.query import Prometheus

from meshlab.config import Profile
from meshlab.core.window import Window
from meshlab.engines.connection import Connection
from meshlab.engines.http import PrometheusEngine

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from measure import best_s, resident_peak_mb
from real_prometheus import openmetrics, serving
from stored import Stored, read_folder, write_folder

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
    return PrometheusEngine(Connection(Profile(url=url, compression=gzip))).query_range(query, WINDOW).tidy()


def peer(url: str, query: str, *, gzip: bool) -> pd.DataFrame:
    client = PrometheusConnect(url=url, headers=None if gzip else {"Accept-Encoding": "identity"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MetricRangeDataFrame(client.custom_query_range(query, WINDOW.start, WINDOW.end, step=f"{STEP_S}s"))


def wide(url: str, query: str, *, gzip: bool) -> pd.DataFrame:
    """prometheus-pandas: a column a series."""
    session = requests.Session()
    if not gzip:
        session.headers["Accept-Encoding"] = "identity"
    return Prometheus(url, http=session).query_range(query, WINDOW.start.timestamp(), WINDOW.end.timestamp(), STEP_S)


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
    ways = (meshlab, peer, wide)
    # The peers ask for gzip as they are shipped; meshlab does not.
    shipped = [best_s(partial(way, url, query, gzip=way is not meshlab), 3) for way in ways]
    plain = [best_s(partial(way, url, query, gzip=False), 3) for way in ways]
    packed = [best_s(partial(way, url, query, gzip=True), 3) for way in ways]
    peak, *peer_peaks = (peak_mb(way, url, query, gzip=way is not meshlab) for way in ways)
    print(f"\n{query}: {samples[0]:,} samples ({samples[1]:,} theirs), {size / 1e6:.1f} MB of JSON")
    print(f"  {'':34}{'meshlab':>10}{'api-client':>12}{'ratio':>7}{'pandas':>10}{'ratio':>7}")
    for text, (own, *others) in (
        ("as shipped (identity; gzip)", shipped),
        ("identity on all sides", plain),
        ("gzip on all sides", packed),
    ):
        first, second = others
        print(f"  {text:34}{own:8.2f} s{first:10.2f} s{first / own:7.1f}{second:8.2f} s{second / own:7.1f}")
    print(f"  {'server and transfer alone':34}{server:8.2f} s   meshlab takes {plain[0] / server:.2f} times as long")
    print(f"  {'frame':34}{own_mb:7.1f} MB{other_mb:9.0f} MB{other_mb / own_mb:7.1f}")
    print(f"  {'':34}{own_mb / samples[0] * 1e6:7.1f} MB a million samples")
    print(
        f"  {'peak of a fresh process, added':34}{peak:7.0f} MB{peer_peaks[0]:9.0f} MB{peer_peaks[0] / peak:7.1f}",
        end="",
    )
    print(f"{peer_peaks[1]:7.0f} MB{peer_peaks[1] / peak:7.1f}\n  {'':34}{peak / size * 1e6:7.1f} times the response")


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
