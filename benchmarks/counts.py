"""How fast raw counters become counts: 3,000 series, 478 blocks. Prints time and memory, also of an older checkout.

Memory is the peak beyond the samples. The older checkout's long frame is made wide, as its questions did at once.

    python benchmarks/counts.py [FOLDER OF AN OLDER CHECKOUT, WITH ITS .venv]
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
from measure import best_s

try:
    from meshlab.core.window import Window
    from meshlab.recordings.engine import Recording
    from meshlab.telemetry.dialects.base import Reporter
    from meshlab.telemetry.mesh import Mesh
except ImportError:  # an older checkout
    from meshlab.dialects.base import Reporter  # type: ignore[import-not-found, no-redef]
    from meshlab.mesh import Mesh  # type: ignore[import-not-found, no-redef]
    from meshlab.recordings.engine import Recording
    from meshlab.window import Window  # type: ignore[import-not-found, no-redef]

SERIES, SAMPLES, STEP_S = 3_000, 480, 15
START = 1_769_860_800
WORDS = (
    "source_namespace",
    "source",
    "destination_namespace",
    "destination_service",
    "destination_host",
    "destination_workload",
    "code",
    "grpc_status",
    "flags",
)


class Kept:
    """An engine that gives samples which are there already: fetching them is not what is measured."""

    def __init__(self, recording: Recording, window: Window) -> None:
        self._recording = recording
        self._raw = recording.samples("istio_requests_total", window)

    def __getattr__(self, name: str) -> object:
        return getattr(self._recording, name)

    def samples(self, _selector: str, _window: object) -> object:
        """The same, whatever is asked for."""
        return self._raw


def mesh() -> tuple[Mesh, Window]:
    """A mesh of services that call each other; one counter for each edge and code."""
    rng = np.random.default_rng(1)
    at = START + STEP_S * np.arange(SAMPLES)
    series = []
    for edge in range(SERIES // 3):
        for code in ("200", "404", "503"):
            who = {
                "__name__": "istio_requests_total",
                "reporter": "source",
                "source_workload": f"service-{edge % 97}",
                "source_workload_namespace": "shop",
                "destination_workload": f"service-{edge}-v1",
                "destination_workload_namespace": "shop",
                "destination_canonical_service": f"service-{edge}",
                "destination_service": f"service-{edge}.shop.svc.cluster.local",
                "response_code": code,
                "response_flags": "-",
                "pod": f"service-{edge % 97}-0",
            }
            series.append((who, at, np.cumsum(rng.poisson(30, SAMPLES)).astype(np.float64)))
    recording = Recording.from_series(series)
    window = Window((START + STEP_S) * 1000, (START + STEP_S * (SAMPLES - 1)) * 1000, STEP_S * 1000)
    whole = Window(window.start_ms - 60_000, window.end_ms, STEP_S * 1000)
    found = Mesh.detect(recording, "a benchmark")
    return Mesh(Kept(recording, whole), found.dialects, "a benchmark"), window  # type: ignore[arg-type]


def counted(asked: Mesh, window: Window) -> object:
    """Counts as questions want them: by words and block."""
    answer = asked.request_counts(window, WORDS, reporter=Reporter.SOURCE, block_ms=STEP_S * 1000)
    if hasattr(answer, "wide"):
        return answer
    from meshlab.questions.retries.cube import wide  # an older checkout

    return wide(answer.frame, WORDS, "count", window.points - 1)


def main() -> None:
    asked, window = mesh()
    # Names and imports once.
    first = counted(asked, window)
    seconds = best_s(lambda: counted(asked, window))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    again = counted(asked, window)
    after, peak = (size - before for size in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    total = np.nansum(again.wide(WORDS) if hasattr(again, "wide") else again, dtype=np.float64)
    del first
    print(
        f"{SERIES:,} series x {window.points - 1} blocks: {seconds:.3f} s, peak {peak / 1e6:.1f} MB, kept "
        f"{after / 1e6:.0f} MB, {total:,.0f} requests"
    )
    for folder in sys.argv[1:]:
        python = Path(folder).resolve() / ".venv/bin/python"
        print(f"{folder}: ", end="", flush=True)
        subprocess.run([python, Path(__file__).resolve()], check=True, cwd=folder)


if __name__ == "__main__":
    main()
