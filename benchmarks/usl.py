"""The scalability law of 1,000 services from 7 days at 1 minute, against scipy's curve_fit per service, in one run.

    python benchmarks/usl.py [services]

Both get the same samples. Ours bins, fits from several starts, chooses among four models, checks every refusal rule and
states intervals; the peer fits the law once to the same bins, from one start. A knee is looked for in every tenth
service.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
from measure import resident_peak_mb
from scipy.optimize import curve_fit

from meshlab.questions.scaling import knee
from meshlab.questions.scaling.usl import binned, fit_many

MINUTES = 7 * 24 * 60
DAY = 24 * 60


def telemetry(services: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Daily load, noise that follows itself, a few gaps; a third of the services reach their peak."""
    rng = np.random.default_rng(0)
    truth = np.column_stack(
        [rng.uniform(0.005, 0.1, services), 10 ** rng.uniform(-5, -3, services), rng.uniform(10, 500, services)]
    )
    phase = 2 * np.pi * np.arange(MINUTES) / DAY
    n, x = np.empty((services, MINUTES)), np.empty((services, MINUTES))
    for i, (a, b, g) in enumerate(truth):
        top = np.sqrt((1 - a) / b) * rng.choice([0.3, 0.7, 1.2])
        n[i] = 0.55 * top * (1 + 0.8 * np.sin(phase)) * np.exp(0.1 * rng.normal(size=MINUTES)) + 0.1
        x[i] = g * n[i] / (1 + (n[i] - 1) * (a + b * n[i])) * np.exp(0.03 * rng.normal(size=MINUTES))
    n[:, rng.integers(0, MINUTES, 50)] = np.nan
    return n, x, truth


def law(n: np.ndarray, a: float, b: float, g: float) -> np.ndarray:
    return g * n / (1 + (n - 1) * (a + b * n))


def main() -> None:
    """Make, measure, print."""
    services = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    n, x, truth = telemetry(services)
    before = resident_peak_mb()
    begin = time.perf_counter()
    fits = fit_many(n, x)
    ours = time.perf_counter() - begin
    begin = time.perf_counter()
    for one in fits[::10]:
        knee.find(one)
    knees = time.perf_counter() - begin
    begin = time.perf_counter()
    points = [binned(n[i], x[i]) for i in range(services)]
    bins = time.perf_counter() - begin
    begin, failed = time.perf_counter(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for p in points:
            start = [0.01, 1e-4, float(np.max(p.throughput / p.concurrency))]
            try:
                curve_fit(law, p.concurrency, p.throughput, start, bounds=([0, 0, 0], [1, 1, np.inf]))
            except RuntimeError:
                failed += 1
    peer = time.perf_counter() - begin
    stated = sum(one.peak.stated for one in fits)
    covered = [
        np.mean([e.low <= t <= e.high for e, t in zip((f.contention, f.coherency, f.single), row, strict=True)])
        for f, row in zip(fits, truth, strict=True)
        if f.coefficients is not None
    ]
    print(f"{services} services x {MINUTES:,} minutes: {stated} peaks stated, {100 * np.mean(covered):.1f} % covered")
    print(f"fit_many, all in          {ours:7.2f} s, of which binning {bins:.2f} s")
    print(f"curve_fit on the bins     {peer:7.2f} s, {failed} failed; with binning {peer + bins:.2f} s")
    print(f"knees of every tenth      {knees:7.2f} s")
    print(f"memory: {resident_peak_mb():.0f} MB, of which the samples {before:.0f} MB")


if __name__ == "__main__":
    main()
