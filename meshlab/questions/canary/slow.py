"""Are more of the canary's requests too slow? Shares above bucket edges, which are exact: nothing is interpolated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import difference, percent
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import Floats
from meshlab.questions.canary.count_evidence import CountEvidence
from meshlab.questions.canary.durations import Durations
from meshlab.questions.canary.metrics import at_level, metric_finding
from meshlab.questions.canary.settings import CanarySettings
from meshlab.questions.canary.tables import TABLES
from meshlab.stats.blocks import Blocks
from meshlab.stats.buckets import share_above
from meshlab.stats.paired import log_evidence_above, mean_interval

__all__ = ["Slow", "slow", "slow_finding"]

_TAIL: Final = 0.5
"""Edges that more than this share of the baseline's requests exceed say nothing of slow requests."""


@dataclass(frozen=True, slots=True, eq=False)
class Slow:
    """The comparison of the shares of slow requests.

    Parameters
    ----------
    edges : DataFrame
        The table ``latency_edges``: one row a bucket edge that requests reach. The interval of the paired blocks' mean
        has its level shared by the edges, and is NaN while it is not bounded; evidence is NaN where the verdict does
        not rest on the edge (``guarded``).
    looks : DataFrame
        One row a block: ``time``, ``log_worse`` ("worse at one edge at least"; the edges share the stake) and
        ``log_below`` ("tolerable at every edge"): natural logs of the evidence.
    """

    edges: pd.DataFrame
    looks: pd.DataFrame

    def log_evidence(self, column: str) -> float:
        """At the last look."""
        return float(self.looks[column].iloc[-1]) if len(self.looks) else 0.0


def slow(durations: Durations, settings: CanarySettings) -> Slow:
    """Compare the shares of requests above edges.

    Counts above an edge are compared as errors are. Where they come in bursts, so that counts say too little of their
    scatter, the paired differences of the blocks must show it as well.
    """
    edges = durations.edges[:-1]
    both = (durations.baseline.sum(axis=1) > 0) & (durations.canary.sum(axis=1) > 0)
    arms = durations.baseline[both], durations.canary[both]
    looks = pd.DataFrame({"time": durations.time[both], "log_worse": 0.0, "log_below": 0.0})
    if not len(edges) or not both.any():
        return Slow(TABLES["latency_edges"].empty(), looks)
    total_b, total_c = (arm.sum(axis=1) for arm in arms)
    per_block = [share_above(arm) for arm in arms]
    pooled = [share_above(arm.sum(axis=0)) for arm in arms]
    reached = pooled[0] + pooled[1] > 0
    guarded = _guarded(edges, pooled[0], reached, settings)
    shown = (reached & (pooled[0] + pooled[1] < 2)) | guarded
    level = settings.alpha / max(int(shown.sum()), 1)
    rows, worse, below = [], [], []
    for at in np.flatnonzero(shown):
        base, other = (shares[:, at] for shares in per_block)
        _, lower, upper = mean_interval(other - base, level)
        ends = [100 * float(end[-1]) if math.isfinite(end[-1]) else math.nan for end in (lower, upper)]
        logs = [math.nan, math.nan]
        if guarded[at]:
            evidence = CountEvidence.of(Blocks(np.round(base * total_b), total_b, np.round(other * total_c), total_c))
            worse.append(_worse(evidence, base, other, settings))
            below.append(evidence.below(settings.slow_margin))
            logs = [float(worse[-1][-1]), float(below[-1][-1])]
        share_b, share_c = float(pooled[0][at]), float(pooled[1][at])
        shares = (share_b, share_c, 100 * (share_c - share_b), *ends, 100 * settings.slow_margin.of(share_b))
        rows.append((float(edges[at]), bool(guarded[at]), *shares, *logs))
    if worse:
        looks["log_worse"] = np.maximum(np.max(worse, axis=0) - math.log(len(worse)), 0.0)
        looks["log_below"] = np.min(below, axis=0)
    return Slow(TABLES["latency_edges"].of(rows), looks)


def slow_finding(case: Case, found: Slow, *, failing: bool) -> Finding:
    """ML-CAN-008: whether the share of slow requests stays within the margin at every guarded edge."""
    rows = found.edges[found.edges["guarded"]]
    more: dict[str, Any] = {"unit": "points", "query": "latency"}
    if rows.empty:
        statement = "Slow requests cannot be compared: no bucket edge lies above the baseline's median."
        more |= {"required": True, "action": "Export finer buckets."}
        return case.finding("008", "slow.no_edge", Verdict.INCONCLUSIVE, statement, **more)
    arms, settings = arms_of(case), case.settings
    # The edge that is most surely worse, or (where none is) least surely tolerable.
    column = "log_worse" if failing else "log_below"
    worst = rows.sort_values([column, "difference"], ascending=[not failing, False]).iloc[0]
    interval = (float(worst["lower"]), float(worst["upper"])) if math.isfinite(worst["lower"]) else None
    measured = (
        f"{percent(worst['above_canary'], 2)} of {arms.canary} requests and {percent(worst['above_baseline'], 2)} of "
        f"{arms.baseline} requests took over {worst['edge_ms']:g} ms: {difference(worst['difference'])} points"
        f"{f' ({at_level(case, interval)})' if interval else ''}."
    )
    if not failing:
        measured = f"Of {len(rows)} bucket edges this is the least certain. {measured}"
    for objective in settings.edges_ms:
        edge = rows["edge_ms"].iloc[_place(rows["edge_ms"].to_numpy(), objective)]
        if not math.isclose(edge, objective):
            measured += f" The edge of {edge:g} ms stands for {objective:g} ms."
    more |= {"value": float(worst["difference"]), "interval": interval, "threshold": float(worst["margin"])}
    more |= {"level": settings.level if interval else None, "limit": f"{difference(worst['margin'])} points"}
    more["wait"] = "Wait for more requests, or set `slo_ms` to judge at fewer edges."
    tolerated = found.log_evidence("log_below") >= settings.enough
    return metric_finding(case, "008", "slow", measured, failing=failing, tolerated=tolerated, **more)


def _worse(evidence: CountEvidence, base: Floats, other: Floats, settings: CanarySettings) -> Floats:
    """Evidence at each look; none while the canary's share is not larger by what counts as the same."""
    factor = 1.0 + settings.slow_same_relative
    running_b, running_c = evidence.running()
    larger = running_c > factor * running_b
    if not larger.any():
        return np.zeros(len(base))
    counted = evidence.above(factor)
    bursty = np.minimum(counted, log_evidence_above(other - factor * base))
    return np.where(larger, np.where(evidence.deflations > 1, bursty, counted), 0.0)


def _guarded(edges: Floats, above: Floats, reached: NDArray[np.bool_], settings: CanarySettings) -> NDArray[np.bool_]:
    """Edges that the verdict rests on."""
    if not settings.edges_ms:
        # Where nobody is above an edge, nobody is above the next: the first of them speaks for the others.
        return np.asarray((above <= _TAIL) & np.r_[True, reached[:-1]], bool)
    guarded = np.zeros(len(edges), bool)
    guarded[[_place(edges, objective) for objective in settings.edges_ms]] = True
    return guarded


def _place(edges: Floats, objective: float) -> int:
    """The next edge above an objective: what is slower than that is surely slower than the objective."""
    return min(int(np.searchsorted(edges, objective * (1 - 1e-9))), len(edges) - 1)
