"""What Kayenta's judge would have said of the same evidence, and where that is one of its known defects."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.questions.canary.arm_selection import Chosen
from meshlab.questions.canary.arms import durations, outcomes
from meshlab.questions.canary.kayenta.metric import MetricResult, judge_metric
from meshlab.questions.canary.modes import aligned
from meshlab.questions.canary.scope import Mode, Scope
from meshlab.questions.canary.settings import Policy
from meshlab.questions.canary.warm_up import warmed_up

__all__ = ["beside"]

_FEW: Final = 50
"""Kayenta's maintainers ask for so many points; the judge itself does not."""
_BOUND: Final = 3
_ALIKE: Final = 0.5
"""Correlation of neighbouring points from which they are no independent points."""
_SMALL: Final = 0.05
_COARSE: Final = 1e-3


def beside(evidence: Evidence, scope: Scope, *, policy: Policy | None = None) -> pd.DataFrame:
    """Kayenta's classification of the error share and of the mean duration, block by block, at its own settings.

    Parameters
    ----------
    evidence : Evidence
        What `meshlab.questions.canary.collect` returned, for one service.
    scope : Scope
    policy : Policy, optional
        Sets the length of the blocks and of the warm-up.

    Returns
    -------
    DataFrame
        ``metric, classification, ratio, lower, upper`` (of the location shift, in the metric's unit), ``points`` and
        ``caution``: what of its behaviour to know here; empty where nothing.
    """
    policy = policy or Policy()
    if isinstance(evidence.chosen, Chosen):
        chosen = evidence.chosen
        scope = dataclasses.replace(scope, baseline=chosen.baseline, canary=chosen.canary, arm_by=chosen.arm_by)
    (subject,) = evidence.subjects
    possible = (evidence.window.end_ms - evidence.window.start_ms) // policy.block_ms
    measured = {name: evidence.frames[name] for name in ("source", "destination", "latency")}
    pairs = aligned(measured, subject, scope, possible, policy.block_ms)
    frames = warmed_up(pairs.frames, subject, scope, pairs.possible, policy).frames
    counted = outcomes(frames["source"], subject, scope, possible)
    if not sum(counted.requests) or scope.mode is Mode.MIRROR:
        counted = outcomes(frames["destination"], subject, scope, possible)
    blocks = counted.blocks
    times = durations(frames["latency"], subject, scope)
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = 100 * blocks.events_b / blocks.total_b, 100 * blocks.events_c / blocks.total_c
        means = [_mean(times.edges, counts) for counts in (times.baseline, times.canary)]
    rows = [_row("error share (%)", *errors), _row("mean duration (ms)", *means)]
    columns = ["metric", "classification", "ratio", "lower", "upper", "points", "caution"]
    return pd.DataFrame(rows, columns=columns)


def _row(name: str, control: NDArray[np.float64], experiment: NDArray[np.float64]) -> tuple[object, ...]:
    found = judge_metric(control, experiment, direction="increase")
    low, high = found.interval or (math.nan, math.nan)
    points = int(np.isfinite(experiment).sum())
    told = (found.classification.value, found.ratio, low, high, points)
    return name, *told, "; ".join(_cautions(found, control, experiment))


def _cautions(found: MetricResult, control: NDArray[np.float64], experiment: NDArray[np.float64]) -> list[str]:
    """What canaries of this kind are known to do to this judge."""
    points = int(min(np.isfinite(control).sum(), np.isfinite(experiment).sum()))
    cautions = []
    if not points:
        return ["it has no data, and says so; where half of all metrics have data it would pass all the same"]
    if points <= _BOUND:
        cautions.append(f"{points} points cannot reject anything, and it classifies all the same")
    elif points < _FEW:
        cautions.append(f"{points} points: its maintainers ask for {_FEW}, it does not")
    if max(_neighbours(control), _neighbours(experiment)) > _ALIKE:
        cautions.append("neighbouring points are alike and it takes them for independent, so High comes too easily")
    if math.isnan(found.ratio) and np.nansum(experiment) > 0:
        cautions.append("the baseline is zero, so it asks for no effect size: any count is High")
    elif found.shift is not None and abs(found.ratio - 1) < _SMALL and found.classification.value in ("High", "Low"):
        cautions.append("it has no margin: a difference of a few per cent is High as well")
    if np.nanmax(np.abs(np.r_[control, experiment])) < _COARSE:
        cautions.append("values this small are below the precision of its root finder")
    cautions.append("it gives a point of one request the weight of a point of ten thousand, and knows no repeated look")
    return cautions


def _neighbours(series: NDArray[np.float64]) -> float:
    known = series[np.isfinite(series)]
    if len(known) < 4 or np.std(known) == 0:
        return 0.0
    return float(np.corrcoef(known[:-1], known[1:])[0, 1]) if np.std(known[:-1]) and np.std(known[1:]) else 0.0


def _mean(edges: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean duration of each block, with every request in the middle of its bucket."""
    if not len(edges):
        return np.empty(0)
    lower = np.r_[0.0, edges[:-1]]
    middle = np.where(np.isfinite(edges), (lower + edges) / 2, lower)
    found: NDArray[np.float64] = (counts * middle).sum(axis=1) / counts.sum(axis=1)
    return found
