"""Are more of the canary's requests too slow? Shares above bucket edges, which are exact: nothing is interpolated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.results import Finding, Verdict
from meshlab.questions.canary.arms import Durations
from meshlab.questions.canary.multiple_testing import judged
from meshlab.questions.canary.settings import Policy
from meshlab.stats.blocks import Blocks
from meshlab.stats.buckets import share_above
from meshlab.stats.paired import log_evidence_above, mean_interval
from meshlab.stats.ratios import log_ratio_above
from meshlab.stats.scatter import at_every_look, deflation
from meshlab.stats.shares import log_evidence_below

__all__ = ["Slow", "slow", "slow_finding"]

Floats = NDArray[np.float64]

_TAIL: Final = 0.5
"""Edges that more than this share of the baseline's requests exceed say nothing of slow requests."""


@dataclass(frozen=True, slots=True, eq=False)
class Slow:
    """The comparison of the shares of slow requests.

    Parameters
    ----------
    edges : DataFrame
        One row a bucket edge that requests reach: ``edge_ms``, ``guarded`` (whether the verdict rests on it),
        ``above_baseline, above_canary`` (share of requests), ``difference, lower, upper`` (percentage points: pooled,
        and the interval of the paired blocks' mean, its level shared by the edges; NaN while it is not bounded),
        ``margin`` (points), ``log_worse, log_below`` (natural logs of the evidence; NaN where it is not guarded).
    looks : DataFrame
        One row a block: ``time``, ``log_worse`` ("worse at one edge at least"; the edges share the stake) and
        ``log_below`` ("tolerable at every edge").
    asked_ms : tuple of (float, float)
        Objectives of the policy that are no edges, each with the edge that stands for it.
    """

    edges: pd.DataFrame
    looks: pd.DataFrame
    asked_ms: tuple[tuple[float, float], ...] = ()

    @property
    def guarded(self) -> pd.DataFrame:
        """Rows on which the verdict rests."""
        return self.edges[self.edges["guarded"]]

    @property
    def log_worse(self) -> float:
        """At the last look."""
        return float(self.looks["log_worse"].iloc[-1]) if len(self.looks) else 0.0

    @property
    def log_below(self) -> float:
        """At the last look."""
        return float(self.looks["log_below"].iloc[-1]) if len(self.looks) else 0.0


_COLUMNS: Final = (
    "edge_ms",
    "guarded",
    "above_baseline",
    "above_canary",
    "difference",
    "lower",
    "upper",
    "margin",
    "log_worse",
    "log_below",
)


def slow(durations: Durations, policy: Policy) -> Slow:
    """Compare the shares of requests above edges.

    Counts above an edge are compared as errors are. Where they come in bursts, so that counts say too little of their
    scatter, the paired differences of the blocks must show it as well.
    """
    edges = durations.edges[:-1]
    both = (durations.baseline.sum(axis=1) > 0) & (durations.canary.sum(axis=1) > 0)
    arms = durations.baseline[both], durations.canary[both]
    if not len(edges) or not both.any():
        nothing = {name: pd.Series(dtype=bool if name == "guarded" else float) for name in _COLUMNS}
        return Slow(pd.DataFrame(nothing), pd.DataFrame(columns=["time", "log_worse", "log_below"]))
    totals = [arm.sum(axis=1) for arm in arms]
    per_block = [share_above(arm) for arm in arms]
    pooled = [share_above(arm.sum(axis=0)) for arm in arms]
    reached = pooled[0] + pooled[1] > 0
    guarded, asked = _guarded(edges, pooled[0], reached, policy)
    shown = (reached & (pooled[0] + pooled[1] < 2)) | guarded
    level = policy.alpha / max(int(shown.sum()), 1)
    rows, worse, below = [], [], []
    for at in np.flatnonzero(shown):
        base, other = (shares[:, at] for shares in per_block)
        _, lower, upper = mean_interval(other - base, level)
        ends = [100 * float(end[-1]) if math.isfinite(end[-1]) else math.nan for end in (lower, upper)]
        logs = [math.nan, math.nan]
        if guarded[at]:
            blocks = Blocks(np.round(base * totals[0]), totals[0], np.round(other * totals[1]), totals[1])
            worse.append(_worse(blocks, base, other, policy))
            below.append(_below(blocks, policy))
            logs = [float(worse[-1][-1]), float(below[-1][-1])]
        share_b, share_c = float(pooled[0][at]), float(pooled[1][at])
        told = (share_b, share_c, 100 * (share_c - share_b), *ends, 100 * policy.slow_margin.of(share_b))
        rows.append((float(edges[at]), bool(guarded[at]), *told, *logs))
    looks = pd.DataFrame({"time": durations.time[both], "log_worse": 0.0, "log_below": 0.0})
    if worse:
        looks["log_worse"] = np.maximum(np.max(worse, axis=0) - math.log(len(worse)), 0.0)
        looks["log_below"] = np.min(below, axis=0)
    return Slow(pd.DataFrame(rows, columns=list(_COLUMNS)), looks, asked)


def slow_finding(found: Slow, subject: str, policy: Policy, query: str, *, failing: bool) -> Finding:
    """ML-CAN-008: whether the share of slow requests stays within the margin at every guarded edge."""
    rows = found.guarded
    code = "ML-CAN-008"
    if rows.empty:
        return Finding(
            code=code,
            verdict=Verdict.INCONCLUSIVE,
            subject=subject,
            statement="slow requests cannot be compared: no bucket edge lies above the baseline's median",
            unit="points",
            action="export finer buckets, or see what ML-CAN-002 asks for",
            query=query,
        )
    tolerated = found.log_below >= math.log(1.0 / policy.alpha)
    verdict = judged(failing=failing, tolerated=tolerated)
    column, largest = ("log_worse", True) if failing else ("log_below", False)
    worst = rows.sort_values([column, "difference"], ascending=[not largest, False]).iloc[0]
    edge = f"{worst['edge_ms']:g} ms"
    instead = "".join(f"; {edge:g} ms stands for {asked:g} ms" for asked, edge in found.asked_ms)
    bounded = math.isfinite(worst["lower"])
    statement = (
        f"above {edge} took {100 * worst['above_canary']:.2f} % of the canary's requests and "
        f"{100 * worst['above_baseline']:.2f} % of the baseline's: {worst['difference']:+.2f} points; tolerated are "
        f"{worst['margin']:+.2f}"
    )
    if not failing:
        statement = (
            f"at {'all' if tolerated else 'not all'} of {len(rows)} bucket edges the share of slower requests is "
            f"{'' if tolerated else 'known to be '}tolerable; least certain: {statement}"
        )
    return Finding(
        code=code,
        verdict=verdict,
        subject=subject,
        statement=statement + instead,
        value=float(worst["difference"]),
        interval=(float(worst["lower"]), float(worst["upper"])) if bounded else None,
        level=policy.level if bounded else None,
        threshold=float(worst["margin"]),
        unit="points",
        action={
            Verdict.FAIL: f"roll the canary back, or find out which of its requests take more than {edge}",
            Verdict.WARN: "more requests are slow beyond doubt, and tolerably many",
            Verdict.PASS: "",
            Verdict.INCONCLUSIVE: "needs more requests, or objectives (slo_ms) in place of every edge",
        }[verdict],
        query=query,
    )


def _worse(blocks: Blocks, base: Floats, other: Floats, policy: Policy) -> Floats:
    """Evidence at each look; none while the canary's share is not larger by what counts as the same."""
    factor = 1.0 + policy.slow_same_relative
    shares = (
        np.cumsum(blocks.events_b) / np.cumsum(blocks.total_b),
        np.cumsum(blocks.events_c) / np.cumsum(blocks.total_c),
    )
    larger = shares[1] > factor * shares[0]
    if not larger.any():
        return np.zeros(len(base))
    deflations = deflation(blocks)
    counted = at_every_look(lambda by: log_ratio_above(blocks, factor, by), deflations)
    bursty = np.minimum(counted, log_evidence_above(other - factor * base))
    return np.where(larger, np.where(deflations > 1, bursty, counted), 0.0)


def _below(blocks: Blocks, policy: Policy) -> Floats:
    return at_every_look(lambda by: log_evidence_below(blocks, policy.slow_margin, by), deflation(blocks))


def _guarded(
    edges: Floats, above: Floats, reached: NDArray[np.bool_], policy: Policy
) -> tuple[NDArray[np.bool_], tuple[tuple[float, float], ...]]:
    """Edges that the verdict rests on, and the objectives that other edges stand for."""
    if not policy.slo_ms:
        # Where nobody is above an edge, nobody is above the next: the first of them speaks for the others.
        return (above <= _TAIL) & np.r_[True, reached[:-1]], ()
    guarded, asked = np.zeros(len(edges), bool), []
    for objective in policy.slo_ms:
        # The next edge above: what is slower than that is slower than the objective beyond doubt.
        at = min(int(np.searchsorted(edges, objective * (1 - 1e-9))), len(edges) - 1)
        guarded[at] = True
        if not math.isclose(edges[at], objective):
            asked.append((objective, float(edges[at])))
    return guarded, tuple(asked)
