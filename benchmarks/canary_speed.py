"""How long one canary takes beyond fetching: 10,000 histogram series of one hour, and 500 pods.

    python benchmarks/canary_speed.py [--series 10000]

Writes a recording of pods of two versions (20 buckets each, scraped every 15 s), collects and judges it, and takes the
time that the engine needed for raw samples and labels away.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from meshlab.core.window import Window
from meshlab.questions.canary import Canary, CanarySettings
from meshlab.recordings.engine import Recording
from meshlab.recordings.writer import writing
from meshlab.telemetry.mesh import Mesh

START, EVERY_S, COUNT = 1_769_860_800, 15, 261
EDGES = ["0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000"]
EDGES += ["60000", "300000", "600000", "1800000", "3600000", "+Inf"]
BUCKET, TOTAL = "istio_request_duration_milliseconds_bucket", "istio_requests_total"


def write(folder: Path, pods: int) -> None:
    """Counters of pods, a tenth of them of the canary."""
    rows = []
    for pod in range(pods):
        version = "v2" if pod % 10 == 0 else "v1"
        who = {
            "pod": f"catalog-{pod:04}",
            "destination_canonical_service": "catalog",
            "destination_workload": f"catalog-{version}",
            "destination_workload_namespace": "shop",
            "destination_version": version,
            "source_workload": "web",
            "reporter": "destination",
        }
        rows += [{"__name__": BUCKET, **who, "le": edge} for edge in EDGES]
        rows += [{"__name__": TOTAL, **who, "le": "", "response_code": code} for code in ("200", "503")]
    labels = pd.DataFrame(rows).fillna("").astype("str")
    labels = labels.sort_values(["__name__", "pod", "response_code"], ignore_index=True, kind="stable")
    limits = np.array([float(edge) for edge in EDGES])
    span = (datetime.fromtimestamp(START + EVERY_S * at, UTC).isoformat() for at in (0, COUNT - 1))
    manifest = {"window": dict(zip(("start", "end"), span, strict=True)), "ranges": "closed"}
    at = 1000 * (START + EVERY_S * np.arange(COUNT, dtype=np.int64))
    drawn: dict[str, Any] = {}
    with writing(folder, labels, manifest) as samples:
        for row, (name, pod, le, code) in enumerate(labels[["__name__", "pod", "le", "response_code"]].to_numpy()):
            if pod not in drawn:
                rng = np.random.default_rng(int(pod[8:]))
                times = rng.lognormal(np.log(40), 0.5, (COUNT, 60))
                bad = rng.binomial(60, 0.01, COUNT)
                drawn[pod] = (times[:, None, :] <= limits[None, :, None]).sum(axis=2).cumsum(axis=0), bad.cumsum()
            buckets, bad = drawn[pod]
            value = buckets[:, EDGES.index(le)] if name == BUCKET else bad if code == "503" else buckets[:, -1] - bad
            samples.append(np.full(COUNT, row, np.int32), at, value.astype(float))


class Timed:
    """An engine that adds up how long it takes to answer."""

    def __init__(self, engine: Recording) -> None:
        self.spent_s, self._engine = 0.0, engine

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        return self._timed(found) if name in ("samples", "series", "query", "query_range") else found

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*given)
            finally:
                self.spent_s += time.perf_counter() - began

        return call


def main() -> None:
    """Write, collect, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    asked = parser.parse_args()
    pods = asked.series // len(EDGES)
    question, settings = Canary(), CanarySettings(service="catalog", baseline="v1", canary="v2")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "many", pods)
        recording = Recording.open(Path(folder) / "many")
        engine = Timed(recording)
        mesh = Mesh.detect(engine, "many")
        span = recording.span()
        assert span
        window = Window.aligned(span[1] - timedelta(hours=1), span[1], 15_000)
        for _ in range(3):
            engine.spent_s, began = 0.0, time.perf_counter()
            evidence = question.collect(mesh, window, settings)
            collected = time.perf_counter() - began
            began = time.perf_counter()
            result = question.answer(evidence, settings)
            judged = time.perf_counter() - began
            rows = len(evidence.frames["latency"])
            print(
                f"{pods * len(EDGES):,} bucket series of {pods} pods, {rows:,} rows: fetching {engine.spent_s:.2f} s, "
                f"counting {collected - engine.spent_s:.2f} s, judging {judged:.2f} s: "
                f"{collected - engine.spent_s + judged:.2f} s beyond fetching; {result.verdict}"
            )


if __name__ == "__main__":
    main()
