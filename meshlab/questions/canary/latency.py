"""Is the canary slower?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Missing
from meshlab.core.results import Finding, Verdict
from meshlab.questions.canary.arms import Durations
from meshlab.questions.canary.multiple_testing import judged
from meshlab.questions.canary.settings import Policy
from meshlab.stats.buckets import quantile_bucket, superiority
from meshlab.stats.paired import log_evidence_above, mean_interval

__all__ = ["Latency", "latency", "latency_finding"]

_FEWEST: Final = 20
"""Requests that a block needs in each arm to be compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Latency:
    """The comparison of the arms' durations.

    Parameters
    ----------
    slower : float
        Probability that a canary request is slower than a baseline request of the same block, ties counting half.
    lower, upper : float
        Its interval at the policy's level, valid at every look.
    pairs : int
        Blocks compared.
    looks : DataFrame
        One row a compared block: ``time, in_block, slower, lower, upper, log_worse``.
    log_worse : float
        Natural log of the evidence for "slower than the margin", at the last look.
    quantiles : DataFrame
        ``quantile, baseline_ms, canary_ms``: the bucket that holds it, as text; "not measured" where too few lie
        beyond.
    """

    slower: float
    lower: float
    upper: float
    pairs: int
    log_worse: float
    looks: pd.DataFrame
    quantiles: pd.DataFrame


def latency(durations: Durations, policy: Policy) -> Latency:
    """Compare durations on the buckets, block by block; see `meshlab.stats.paired` for the interval."""
    enough = (durations.baseline.sum(axis=1) >= _FEWEST) & (durations.canary.sum(axis=1) >= _FEWEST)
    baseline, canary = durations.baseline[enough], durations.canary[enough]
    in_block = superiority(baseline, canary)
    mean, lower, upper = mean_interval(in_block, policy.alpha)
    looks = pd.DataFrame(
        {
            "time": durations.time[enough],
            "in_block": in_block,
            "slower": mean,
            "lower": lower,
            "upper": upper,
            "log_worse": log_evidence_above(in_block, 0.5 + policy.latency_margin),
        }
    )
    any_block = bool(len(mean))
    return Latency(
        slower=float(mean[-1]) if any_block else math.nan,
        lower=max(0.0, float(lower[-1])) if any_block else 0.0,
        upper=min(1.0, float(upper[-1])) if any_block else 1.0,
        pairs=len(mean),
        log_worse=float(looks["log_worse"].iloc[-1]) if any_block else 0.0,
        looks=looks,
        quantiles=_quantiles(durations.edges, durations.baseline.sum(axis=0), durations.canary.sum(axis=0)),
    )


def latency_finding(
    found: Latency, missing: Missing | None, subject: str, policy: Policy, query: str, note: str = "", *, failing: bool
) -> Finding:
    """ML-CAN-002: whether the canary is slower by more than the margin; `note` says where it was measured instead."""
    code, threshold = "ML-CAN-002", 0.5 + policy.latency_margin
    if not math.isfinite(found.slower):
        remedy = (
            missing.remedy if missing else "send at least 20 requests a block to both versions, or lengthen block_s"
        )
        what = missing.what if missing else "block has 20 requests of both versions"
        return Finding(
            code=code,
            verdict=Verdict.INCONCLUSIVE,
            subject=subject,
            statement=f"latency cannot be compared: no {what}",
            threshold=threshold,
            unit="probability",
            action=remedy,
            query=query,
        )
    bounded = math.isfinite(found.upper - found.lower) and found.upper - found.lower < 1.0
    verdict = judged(failing=failing, tolerated=bounded and found.upper < threshold)
    return Finding(
        code=code,
        verdict=verdict,
        subject=subject,
        statement=(
            f"a canary request is slower than a baseline request with probability {found.slower:.3f} "
            f"({100 * policy.level:g} % interval {found.lower:.3f} to {found.upper:.3f}, {found.pairs} blocks, "
            f"at every look); allowed is {threshold:.3f}{f'; {note}' if note else ''}"
        ),
        value=found.slower,
        interval=(found.lower, found.upper),
        level=policy.level,
        threshold=threshold,
        unit="probability",
        action={
            Verdict.FAIL: "roll the canary back, or find out where its time goes",
            Verdict.WARN: "",
            Verdict.PASS: "",
            Verdict.INCONCLUSIVE: _more_blocks(found, policy),
        }[verdict],
        query=query,
    )


def _more_blocks(found: Latency, policy: Policy) -> str:
    spread = float(found.looks["in_block"].std())
    distance = abs(found.slower - 0.5 - policy.latency_margin)
    if not math.isfinite(spread) or spread == 0 or distance == 0:
        return "needs more blocks of time with traffic to both versions"
    # The interval's half-width falls about as sqrt(2 log(n / alpha) / n): three rounds of fixed-point settle it.
    blocks = float(found.pairs)
    for _ in range(3):
        blocks = max(2.0 * (spread / distance) ** 2 * math.log(max(blocks, 2.0) / policy.alpha), 8.0)
    more = max(math.ceil(blocks - found.pairs), math.ceil(0.1 * found.pairs), 1)
    minutes = math.ceil(more * policy.block_s / 60)
    return f"needs about {more:,} more blocks of {policy.block_s} s: about {minutes:,} minutes"


def _quantiles(
    edges: np.ndarray[tuple[int], np.dtype[np.float64]],
    baseline: np.ndarray[tuple[int], np.dtype[np.float64]],
    canary: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> pd.DataFrame:
    rows = []
    for q in (0.5, 0.9, 0.95, 0.99):
        cells = []
        for counts in (baseline, canary):
            bucket = quantile_bucket(edges, counts, q)
            cells.append("not measured" if bucket is None else f"{bucket.lower:g} to {bucket.upper:g}")
        rows.append((f"p{100 * q:g}", *cells))
    return pd.DataFrame(rows, columns=["quantile", "baseline_ms", "canary_ms"])
