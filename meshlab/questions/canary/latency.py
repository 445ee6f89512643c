"""Is the canary slower?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import plural
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import ARMS, Floats
from meshlab.questions.canary.durations import Durations
from meshlab.questions.canary.metrics import metric_finding
from meshlab.questions.canary.settings import CanarySettings
from meshlab.questions.canary.slow import Slow
from meshlab.questions.canary.text import interval_text, wait_text
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
        Its interval at the settings' level, valid at every look.
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


def latency(durations: Durations, settings: CanarySettings) -> Latency:
    """Compare durations on the buckets, block by block; see `meshlab.stats.paired` for the interval."""
    enough = (durations.baseline.sum(axis=1) >= _FEWEST) & (durations.canary.sum(axis=1) >= _FEWEST)
    baseline, canary = durations.baseline[enough], durations.canary[enough]
    in_block = superiority(baseline, canary)
    mean, lower, upper = mean_interval(in_block, settings.alpha)
    looks = pd.DataFrame(
        {
            "time": durations.time[enough],
            "in_block": in_block,
            "slower": mean,
            "lower": lower,
            "upper": upper,
            "log_worse": log_evidence_above(in_block, 0.5 + settings.latency_margin),
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


def latency_finding(case: Case, found: Latency, slow: Slow, *, failing: bool) -> Finding:
    """ML-CAN-002: whether the canary is slower by more than the margin.

    Parameters
    ----------
    case : Case
    found : Latency
    slow : Slow
        Says by how much, in shares of the requests.
    failing : bool
        As `failing_metrics` has it.
    """
    arms, settings, threshold = arms_of(case), case.settings, 0.5 + case.settings.latency_margin
    numbers: dict[str, Any] = {"threshold": threshold, "unit": "probability", "query": "latency"}
    if not math.isfinite(found.slower):
        missing = case.missing("latency")
        why = f"{missing.what} are missing" if missing else f"no block has {_FEWEST} requests of both versions"
        action = missing.remedy if missing else f"Send {_FEWEST} requests a block to both versions, or raise `block_s`."
        key = "latency.not_exported" if missing else "latency.few_requests"
        statement = f"Latency cannot be compared: {why}."
        return case.finding("002", key, Verdict.INCONCLUSIVE, statement, required=True, action=action, **numbers)
    bounded = math.isfinite(found.upper - found.lower) and found.upper - found.lower < 1.0
    statement = (
        f"In {plural(found.pairs, 'block')} a {arms.canary} request is slower with probability {found.slower:.3f} "
        f"({interval_text(settings.level, found.lower, found.upper, '.3f')})."
    )
    if (edge := slow.apart) is not None:
        above = [f"{100 * edge[f'above_{arm}']:.1f} % of {name}" for arm, name in zip(ARMS, arms.names, strict=True)]
        statement = f"{above[1]} requests and {above[0]} requests took over {edge['edge_ms']:g} ms. {statement}"
    if case.evidence.facts and case.evidence.facts.latency_reporter == "source":
        statement += " Measured at the source: the service's own proxies export no durations."
    return metric_finding(
        case,
        "002",
        "latency",
        statement,
        failing=failing,
        tolerated=bounded and found.upper < threshold,
        limit=f"probability of {threshold:.3f}",
        wait=_more_blocks(found, settings),
        value=found.slower,
        interval=(found.lower, found.upper),
        level=settings.level,
        **numbers,
    )


def _more_blocks(found: Latency, settings: CanarySettings) -> str:
    spread = float(found.looks["in_block"].std())
    distance = abs(found.slower - 0.5 - settings.latency_margin)
    if not math.isfinite(spread) or spread == 0 or distance == 0:
        return "Wait for more blocks of time with traffic to both versions."
    # The interval's half-width falls about as sqrt(2 log(n / alpha) / n): three rounds of fixed-point settle it.
    blocks = float(found.pairs)
    for _ in range(3):
        blocks = max(2.0 * (spread / distance) ** 2 * math.log(max(blocks, 2.0) / settings.alpha), 8.0)
    more = max(math.ceil(blocks - found.pairs), math.ceil(0.1 * found.pairs), 1)
    return wait_text(f"about {more:,} more blocks of {settings.block_s} s", math.ceil(more * settings.block_s / 60))


def _quantiles(edges: Floats, baseline: Floats, canary: Floats) -> pd.DataFrame:
    rows = []
    for q in (0.5, 0.9, 0.95, 0.99):
        buckets = (quantile_bucket(edges, counts, q) for counts in (baseline, canary))
        cells = ("not measured" if bucket is None else f"{bucket.lower:g} to {bucket.upper:g}" for bucket in buckets)
        rows.append((f"p{100 * q:g}", *cells))
    return pd.DataFrame(rows, columns=["quantile", "baseline_ms", "canary_ms"])
