"""The doctor on a big store: a real Prometheus with 2,000 services and 117,000 series, asked what burns.

    python benchmarks/doctor.py [--services 2000]

The counters are made for the run (they are no recording of anything) and written to a Prometheus of this machine; every
fiftieth service fails a tenth of its requests, so that there is something to find. Printed: seconds of the clock and of
this machine's processors for the whole command, queries, what burns most, and the next command.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from remote_write import write_request, written_to

STEP_S, MINUTES = 30, 20
SERIES_A_REQUEST = 2_000
EDGES_MS = (
    0.5,
    1,
    2,
    3,
    5,
    7,
    10,
    15,
    25,
    35,
    50,
    75,
    100,
    150,
    250,
    350,
    500,
    750,
    1000,
    1500,
    2500,
    5000,
    8000,
    10000,
)
EDGES = [*map(str, EDGES_MS), "+Inf"]


def series(services: int, end: float) -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
    """Counters of both sides of each service: requests by code, and how long they took."""
    at = np.arange(end - 60 * MINUTES, end, STEP_S)
    ticks = np.arange(len(at))
    for n in range(services):
        name, rate = f"service-{n:04}", 30 * (5 + n % 40)
        bad = 0.1 if n % 50 == 0 else 0.001
        for reporter in ("source", "destination"):
            pod = f"{name if reporter == 'destination' else 'frontend'}-v1-{n % 7}"
            labels = {
                "reporter": reporter,
                "source_workload": "frontend-v1",
                "source_workload_namespace": "shop",
                "source_canonical_service": "frontend",
                "source_cluster": "east",
                "destination_workload": f"{name}-v1",
                "destination_workload_namespace": "shop",
                "destination_canonical_service": name,
                "destination_service": f"{name}.shop.svc.cluster.local",
                "destination_version": "v1",
                "destination_cluster": "east",
                "request_protocol": "http",
                "connection_security_policy": "mutual_tls" if reporter == "destination" else "unknown",
                "job": "kubernetes-pods",
                "namespace": "shop",
                "pod": pod,
                "instance": f"{pod}:15020",
            }
            for code, share in (("200", 1 - bad), ("503", bad)):
                own = {"response_code": code, "response_flags": "-"}
                count = np.floor(ticks * rate * share)
                yield {"__name__": "istio_requests_total", **labels, **own}, at, count
                if code == "200":
                    durations = {"__name__": "istio_request_duration_milliseconds_bucket", **labels, **own}
                    for place, le in enumerate(EDGES):
                        yield {**durations, "le": le}, at, np.floor(count * min(1.0, (place + 1) / 9))
                    for suffix, factor in (("sum", 22.0), ("count", 1.0)):
                        yield {**durations, "__name__": durations["__name__"][:-6] + suffix}, at, count * factor
    for job in ("kubernetes-pods", "node-exporter"):
        yield {"__name__": "up", "job": job, "instance": "a:1"}, at, np.ones(len(at))


def batched(items: list, size: int) -> list[list]:
    """Pieces of a list."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def main() -> None:
    """Print what one look costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=2_000)
    services = parser.parse_args().services
    every = list(series(services, time.time()))
    with (
        tempfile.TemporaryDirectory() as folder,
        written_to(Path(folder), *map(write_request, batched(every, SERIES_A_REQUEST))) as url,
    ):
        program = [str(Path(sys.executable).with_name("meshlab")), "doctor", url]
        print(f"{services:,} services, {len(every):,} series")
        for how in ([], ["--json"]):
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run([*program, *how], capture_output=True, text=True, check=False)
            wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"doctor {' '.join(how)}: {wall:.1f} s, of which {own:.1f} s its own; exit {done.returncode}")
        found = json.loads(done.stdout)
        print(
            f"{found['queries']} queries; {len(found['burning'])} things burn; skipped: {found['skipped'] or 'nothing'}"
        )
        print(f"next: {found['next']}")


if __name__ == "__main__":
    main()
