"""How often canary verdicts are wrong, and how soon they are right: ours, a peeked z test, and Kayenta's judge.

    python benchmarks/canary_error_rates.py --canaries 2000

Simulated canaries of 60 minutes with a look every minute and 10 % of the requests; load drifts over the hour, and both
errors and latencies have noise that the arms share and noise of their own. Every tool sees the same canaries.
Kayenta's judge is looked at every five minutes, and on fewer canaries: it is slow.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta, norm

from meshlab.questions.canary.durations import Durations
from meshlab.questions.canary.error_rate import error_rate
from meshlab.questions.canary.kayenta import Classification, judge_metric
from meshlab.questions.canary.latency import latency
from meshlab.questions.canary.multiple_testing import failing_metrics
from meshlab.questions.canary.outcomes import Outcomes
from meshlab.questions.canary.settings import CanarySettings
from meshlab.questions.canary.slow import slow
from meshlab.stats.blocks import Blocks

Floats = NDArray[np.float64]

MINUTES, SHARE, BASE = 60, 0.10, 0.01
EDGES = np.array([1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, np.inf])
SETTINGS = CanarySettings(block_s=60)
STAKES = SETTINGS.stakes.parts()
KAYENTA_EVERY, KAYENTA_PART = 5, 10


@dataclass(frozen=True)
class Design:
    """A kind of canary.

    Parameters
    ----------
    per_minute : int
        Requests of both arms together.
    errors : float
        The canary's error rate over the baseline's.
    slower : float
        The canary's service time over the baseline's.
    """

    per_minute: int
    errors: float = 1.0
    slower: float = 1.0


@dataclass(frozen=True)
class Seen:
    """When each tool first said that a canary is bad, or good, in minutes; inf for never."""

    fail: float
    passed: float
    z_test: float
    kayenta: float


def simulated(design: Design, rng: np.random.Generator) -> tuple[Blocks, Floats, Floats]:
    """Requests and errors by minute, and requests by duration of both arms."""
    wave = 1 + 0.4 * np.sin(2 * np.pi * (np.arange(MINUTES) / MINUTES + rng.random()))
    totals = [rng.poisson(design.per_minute * part * wave) for part in (1 - SHARE, SHARE)]
    shared = np.exp(_walk(rng, 0.25) - 0.25**2 / 2)
    own = [np.exp(rng.normal(0, 0.1, MINUTES)) for _ in range(2)]
    shares = [
        np.minimum(BASE * ratio * shared * noise, 1) for ratio, noise in zip((1, design.errors), own, strict=True)
    ]
    events = [rng.binomial(total, share) for total, share in zip(totals, shares, strict=True)]
    slow = _walk(rng, 0.15)
    buckets = [
        _durations(rng, total, math.log(40 * factor) + slow + rng.normal(0, 0.03, MINUTES))
        for total, factor in zip(totals, (1, design.slower), strict=True)
    ]
    return Blocks.of(events[0], totals[0], events[1], totals[1]), buckets[0], buckets[1]


def judged(design: Design, seed: int, *, with_kayenta: bool) -> Seen:
    """What every tool says of one canary, and when first."""
    blocks, baseline, canary = simulated(design, np.random.default_rng(seed))
    index = np.arange(MINUTES)
    time = pd.DatetimeIndex(pd.to_datetime(60 * (index + 1), unit="s", utc=True))
    seen = Durations(EDGES, baseline, canary, time)
    errors = error_rate(Outcomes(blocks, time, MINUTES), SETTINGS).looks
    latency_looks, slow_looks = (
        found.looks.set_index("time").reindex(time) for found in (latency(seen, SETTINGS), slow(seen, SETTINGS))
    )
    # A look without a comparison knows what the one before it knew.
    latency_looks, slow_looks = latency_looks.ffill(), slow_looks.ffill()
    evidence = {
        "errors": np.maximum.accumulate(errors["log_worse"].to_numpy()),
        "latency": latency_looks["log_worse"].fillna(0.0).to_numpy(),
        "slow": slow_looks["log_worse"].fillna(0.0).to_numpy(),
    }
    pass_from = math.log(1 / SETTINGS.alpha)
    tolerated = {
        "errors": errors["log_below"].to_numpy() >= pass_from,
        "latency": (latency_looks["upper"] < 0.5 + SETTINGS.latency_margin).to_numpy(),
        "slow": slow_looks["log_below"].fillna(0.0).to_numpy() >= pass_from,
    }
    fails = [
        failing_metrics({name: logs[at] for name, logs in evidence.items()}, STAKES, SETTINGS.alpha) for at in index
    ]
    bad = np.array([any(not tolerated[name][at] for name in fails[at]) for at in index])
    good = np.logical_and.reduce(list(tolerated.values()))
    return Seen(
        fail=_first(bad),
        passed=_first(good & ~bad),
        z_test=_first(_z(blocks) > norm.isf(SETTINGS.alpha)),
        kayenta=_kayenta(blocks, baseline, canary) if with_kayenta else math.nan,
    )


def _walk(rng: np.random.Generator, spread: float, memory: float = 0.8) -> Floats:
    """A stationary AR(1) process."""
    steps = rng.normal(0, spread * math.sqrt(1 - memory**2), MINUTES)
    walk = [rng.normal(0, spread)]
    for step in steps[1:]:
        walk.append(memory * walk[-1] + step)
    return np.array(walk)


def _durations(rng: np.random.Generator, totals: NDArray[np.int64], location: Floats) -> Floats:
    upper = norm.cdf((np.log(EDGES)[None, :] - location[:, None]) / 0.5)
    return rng.multinomial(totals, np.diff(upper, axis=1, prepend=0.0)).astype(float)


def _z(blocks: Blocks) -> Floats:
    """The two-proportion z statistic of all that was seen so far."""
    eb, nb, ec, nc = (np.cumsum(x) for x in (blocks.events_b, blocks.total_b, blocks.events_c, blocks.total_c))
    pooled = (eb + ec) / (nb + nc)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num((ec / nc - eb / nb) / np.sqrt(pooled * (1 - pooled) * (1 / nb + 1 / nc)))


def _kayenta(blocks: Blocks, baseline: Floats, canary: Floats) -> float:
    """When the series of error shares or of mean durations are High first, over a window that grows."""
    with np.errstate(invalid="ignore"):
        errors = blocks.events_b / blocks.total_b, blocks.events_c / blocks.total_c
        middles = np.array([0.5, 3, 7.5, 17.5, 37.5, 75, 175, 375, 750, 1750, 3500])
        means = [(arm * middles).sum(axis=1) / arm.sum(axis=1) for arm in (baseline, canary)]
    for end in range(KAYENTA_EVERY, MINUTES + 1, KAYENTA_EVERY):
        for first, second in (errors, means):
            found = judge_metric(first[:end], second[:end], direction="increase")
            if found.classification is Classification.HIGH:
                return float(end)
    return math.inf


def _first(holds: NDArray[np.bool_]) -> float:
    return float(np.argmax(holds)) + 1 if holds.any() else math.inf


def _many(design: Design, seeds: list[int]) -> list[Seen]:
    return [judged(design, seed, with_kayenta=seed % KAYENTA_PART == 0) for seed in seeds]


def run(design: Design, canaries: int, seed: int, pool: ProcessPoolExecutor) -> pd.DataFrame:
    """All canaries of a kind, a row each."""
    seeds = [seed * 1_000_000 + number for number in range(canaries)]
    parts = [seeds[at::16] for at in range(16)]
    found = pool.map(_many, itertools.repeat(design), parts)
    return pd.DataFrame([asdict(one) for one in itertools.chain(*found)])


def designs() -> Iterator[Design]:
    """What the table shows: alike, worse errors, slower, each at three loads."""
    for per_minute in (2000, 200, 20):
        yield Design(per_minute)
        for ratio in (1.25, 1.5, 2.0, 3.0):
            yield Design(per_minute, errors=ratio)
        for slower in (1.05, 1.15, 1.30):
            yield Design(per_minute, slower=slower)


def upper_bound(count: int, of: int, level: float = 0.99) -> float:
    """Clopper and Pearson's upper bound of a share."""
    return 1.0 if count == of else float(beta.ppf(level, count + 1, of - count))


def main() -> None:
    """Simulate, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--canaries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    print(f"{asked.canaries} canaries a row, {MINUTES} looks, alpha {SETTINGS.alpha}, {SHARE:.0%} of the requests")
    print(
        f"{'requests/min':>12} {'errors':>7} {'slower':>7} {'FAIL':>7} {'PASS':>7} {'none':>7} {'FAIL<20':>8}"
        f" {'minutes':>8} {'z test':>7} {'Kayenta':>8}"
    )
    with ProcessPoolExecutor(asked.processes) as pool:
        for design in designs():
            seen = run(design, asked.canaries, asked.seed, pool)
            fails, passes = np.isfinite(seen["fail"]), np.isfinite(seen["passed"])
            first_pass = passes & (seen["passed"] < seen["fail"])
            kayenta = seen["kayenta"].dropna()
            minutes = seen["fail"][fails].median() if fails.any() else math.nan
            print(
                f"{design.per_minute:12,} {design.errors:6g}x {design.slower:6g}x {fails.mean():7.1%}"
                f" {first_pass.mean():7.1%} {(~fails & ~passes).mean():7.1%} {(seen['fail'] <= 20).mean():8.1%}"
                f" {minutes:8.0f} {np.isfinite(seen['z_test']).mean():7.1%} {np.isfinite(kayenta).mean():8.1%}",
                flush=True,
            )
            if design.errors == design.slower == 1:
                bound = upper_bound(int(fails.sum()), len(seen))
                print(f"{'':12} the same: false FAIL at most {bound:.2%} at 99 % confidence", flush=True)


if __name__ == "__main__":
    main()
