"""A sweep over 200 services: judged from one collect, pages in one process and in two, and the same with Dask.

    python benchmarks/sweep.py [--services 200]

The services are copies of the recording ``canary-regression``'s canary, each with a name of its own, in a recording
that is made for the run. Whether two processes help depends on two cores being free: on a machine that is busy, look at
the seconds of processor time, which are told beside those of the clock.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from meshlab.core.series import SeriesSet
from meshlab.reports.sweep.pool import executors
from meshlab.reports.sweep.sweep import SweepRun, sweep

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from stored import Stored, read_folder, write_folder

ROOT = Path(__file__).parents[1]
ARMS = {"baseline": "v1", "canary": "v2"}


def copied(folder: Path, services: int) -> None:
    """A recording in which the canary stands many times."""
    whole = read_folder(ROOT / "data" / "canary-regression")
    found = whole.series
    mine = np.flatnonzero((found.labels["destination_canonical_service"] == "catalog").to_numpy())
    kept = np.isin(found.sid, mine)
    sid, at, value = np.searchsorted(mine, found.sid[kept]).astype(np.int32), found.time[kept], found.value[kept]
    one = found.labels.iloc[mine].reset_index(drop=True)
    labels = pd.concat(
        [
            one.assign(**{name: one[name].str.replace("catalog", f"catalog-{n:03}", regex=False) for name in one})
            for n in range(services)
        ],
        ignore_index=True,
    )
    many = SeriesSet(
        labels,
        np.concatenate([sid + np.int32(n * len(one)) for n in range(services)]),
        np.tile(at, services),
        np.tile(value, services),
        found.query,
    )
    write_folder(folder, Stored(many, whole.manifest))


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of a whole sweep: asking, judging, rendering, writing and the index."""

    wall_s: float
    processor_s: float
    done: SweepRun

    def __str__(self) -> str:
        return f"{self.wall_s:7.1f} s, {self.processor_s:6.1f} s of processor time"


def measured(source: Path, out: Path, executor: Callable[[], Executor], pages: str) -> Took:
    """Sweep, and tell the time of the clock and of the processors, those of the workers too."""
    begin, used = time.perf_counter(), sum(os.times()[:4])
    done = sweep("canary", source=str(source), out=out, executor=executor, parameters=ARMS, pages=pages, cwd=ROOT)
    return Took(time.perf_counter() - begin, sum(os.times()[:4]) - used, done)


def content(done: SweepRun) -> dict[str, bytes]:
    """All files of a run."""
    return {p.relative_to(done.folder).as_posix(): p.read_bytes() for p in done.folder.rglob("*") if p.is_file()}


def main() -> None:
    """Make the recording, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--services", type=int, default=200)
    services = parser.parse_args().services
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        copied(here / "fleet", services)
        load = os.getloadavg()[0]
        print(f"{services} services, {os.cpu_count()} cores, load {load:.1f} from others before")
        for words, executor in (("one thread", executors("threads", 1)), ("two processes", executors("processes", 2))):
            took = measured(here / "fleet", here / f"judged {words}", executor, "none")
            failed = sum(record["verdict"] == "FAIL" for record in took.done.records)
            print(f"judged from one collect, {words:<13} {took}; {failed} FAIL", flush=True)
        one = measured(here / "fleet", here / "one", executors("processes", 1), "all")
        print(f"with all pages, one process            {one}", flush=True)
        two = measured(here / "fleet", here / "two", executors("processes", 2), "all")
        print(f"with all pages, two processes          {two}")
        print(
            f"  {one.wall_s / two.wall_s:.2f} times as fast; the same bytes: {content(one.done) == content(two.done)}"
        )
        print(f"with Dask's own workers                {with_dask(here, one.done)}")


def with_dask(here: Path, one: SweepRun) -> str:
    """Whether Dask's workers give the same bytes, and how long they took."""
    try:
        from distributed import LocalCluster
    except ModuleNotFoundError:
        return "not measured: distributed is not installed"
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        executor = executors("processes", 0, cluster.scheduler_address)
        took = measured(here / "fleet", here / "dask", executor, "all")
    return f"{took}; the same bytes: {content(one) == content(took.done)}"


if __name__ == "__main__":
    main()
