"""Is the canary slower?"""

from __future__ import annotations

import math
from typing import Any, Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import percent, plural
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import ARMS
from meshlab.questions.canary.durations import Durations
from meshlab.questions.canary.metrics import at_level, metric_finding, wait_for
from meshlab.questions.canary.settings import CanarySettings
from meshlab.questions.canary.tables import TABLES
from meshlab.stats.buckets import quantile_bucket, superiority
from meshlab.stats.paired import log_evidence_above, mean_interval

__all__ = ["latency", "latency_finding", "quantiles"]

_FEWEST: Final = 20
"""Requests that a block needs in each arm to be compared."""


def latency(durations: Durations, settings: CanarySettings) -> pd.DataFrame:
    """Compare durations on the buckets, block by block: the table ``latency_looks``; ties count half.

    The interval of the mean is at the settings' level and valid at every look: see `meshlab.stats.paired`.
    """
    enough = (durations.baseline.sum(axis=1) >= _FEWEST) & (durations.canary.sum(axis=1) >= _FEWEST)
    in_block = superiority(durations.baseline[enough], durations.canary[enough])
    mean, lower, upper = mean_interval(in_block, settings.alpha)
    worse = log_evidence_above(in_block, 0.5 + settings.latency_margin)
    columns = {"in_block": in_block, "slower": mean, "lower": lower, "upper": upper, "log_worse": worse}
    return pd.DataFrame({"time": durations.time[enough], **columns})


def quantiles(durations: Durations) -> pd.DataFrame:
    """The buckets that hold quantiles, "not measured" where too few requests lie beyond: ``latency_quantiles``."""
    rows = []
    for q in (0.5, 0.9, 0.95, 0.99):
        pooled = (counts.sum(axis=0) for counts in (durations.baseline, durations.canary))
        buckets = (quantile_bucket(durations.edges, counts, q) for counts in pooled)
        cells = ("not measured" if bucket is None else f"{bucket.lower:g} to {bucket.upper:g}" for bucket in buckets)
        rows.append((f"p{100 * q:g}", *cells))
    return TABLES["latency_quantiles"].of(rows)


def latency_finding(case: Case, looks: pd.DataFrame, edges: pd.DataFrame, *, failing: bool) -> Finding:
    """ML-CAN-002: whether the canary is slower by more than the margin; `slow`'s edges say by how much."""
    arms, settings, threshold = arms_of(case), case.settings, 0.5 + case.settings.latency_margin
    numbers: dict[str, Any] = {"threshold": threshold, "unit": "probability", "query": "latency"}
    if looks.empty:
        lack = case.missing("latency")
        why = f"{lack.what} are missing" if lack else f"no block has {_FEWEST} requests of both versions"
        action = lack.remedy if lack else f"Send {_FEWEST} requests a block to both versions, or raise `block_s`."
        key = "latency.not_exported" if lack else "latency.few_requests"
        statement = f"Latency cannot be compared: {why}."
        return case.finding("002", key, Verdict.INCONCLUSIVE, statement, required=True, action=action, **numbers)
    slower, lower, upper = (float(looks[column].iloc[-1]) for column in ("slower", "lower", "upper"))
    lower, upper = max(0.0, lower), min(1.0, upper)
    statement = (
        f"In {plural(len(looks), 'block')} a {arms.canary} request is slower with probability {slower:.3f} "
        f"({at_level(case, (lower, upper))})."
    )
    if len(edges):
        edge = edges.iloc[int(edges["difference"].abs().argmax())]
        above = [f"{percent(edge[f'above_{arm}'])} of {name}" for arm, name in zip(ARMS, arms.names, strict=True)]
        statement = f"{above[1]} requests and {above[0]} requests took over {edge['edge_ms']:g} ms. {statement}"
    if case.evidence.facts and case.evidence.facts.latency_reporter == "source":
        statement += " Measured at the source: the service's own proxies export no durations."
    numbers |= {"value": slower, "interval": (lower, upper), "level": settings.level}
    numbers |= {"limit": f"probability of {threshold:.3f}", "wait": _more_blocks(looks, settings)}
    tolerated = upper - lower < 1.0 and upper < threshold
    return metric_finding(case, "002", "latency", statement, failing=failing, tolerated=tolerated, **numbers)


def _more_blocks(looks: pd.DataFrame, settings: CanarySettings) -> str:
    pairs, spread = len(looks), float(looks["in_block"].std())
    distance = abs(float(looks["slower"].iloc[-1]) - 0.5 - settings.latency_margin)
    if not math.isfinite(spread) or spread == 0 or distance == 0:
        return "Wait for more blocks of time with traffic to both versions."
    # The interval's half-width falls about as sqrt(2 log(n / alpha) / n): three rounds of fixed-point settle it.
    blocks = float(pairs)
    for _ in range(3):
        blocks = max(2.0 * (spread / distance) ** 2 * math.log(max(blocks, 2.0) / settings.alpha), 8.0)
    more = max(math.ceil(blocks - pairs), math.ceil(0.1 * pairs), 1)
    return wait_for(f"about {plural(more, 'more block')} of {settings.block_s} s", more * settings.block_s)
