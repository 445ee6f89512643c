"""What Kayenta's judge would have concluded from the same evidence, and where that is one of its known defects."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.questions.canary.arms import Floats
from meshlab.questions.canary.comparable import comparable
from meshlab.questions.canary.durations import durations
from meshlab.questions.canary.kayenta.metric import MetricResult, judge_metric
from meshlab.questions.canary.question import Canary
from meshlab.questions.canary.settings import CanarySettings

__all__ = ["compare_with_kayenta"]

_FEW: Final = 50
"""Kayenta's maintainers ask for so many points; the judge itself does not."""
_BOUND: Final = 3
_ALIKE: Final = 0.5
"""Correlation of neighbouring points from which they are no independent points."""
_SMALL: Final = 0.05
_COARSE: Final = 1e-3
_COLUMNS: Final = ["metric", "classification", "ratio", "lower", "upper", "points", "caution"]


def compare_with_kayenta(evidence: Evidence, settings: CanarySettings) -> pd.DataFrame:
    """Kayenta's classification of the error rate and of the mean duration, block by block, at its own settings.

    Parameters
    ----------
    evidence : Evidence
        What `meshlab.questions.canary.collect` returned, for one service.
    settings : CanarySettings
        Sets the length of the blocks and of the warm-up.

    Returns
    -------
    DataFrame
        ``metric, classification, ratio, lower, upper`` (of the location shift, in the metric's unit), ``points`` and
        ``caution``: what of its behaviour to know here; empty where nothing.
    """
    data = comparable(Canary().case_of(evidence, settings))
    blocks, times = data.counted.blocks, durations(data.arms.frames["latency"])
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = 100 * blocks.events_b / blocks.total_b, 100 * blocks.events_c / blocks.total_c
        means = [_mean(times.edges, counts) for counts in (times.baseline, times.canary)]
    return pd.DataFrame([_row("error rate (%)", *errors), _row("mean duration (ms)", *means)], columns=_COLUMNS)


def _row(name: str, control: Floats, experiment: Floats) -> tuple[object, ...]:
    result = judge_metric(control, experiment, direction="increase")
    low, high = result.interval or (math.nan, math.nan)
    points = int(np.isfinite(experiment).sum())
    cautions = "; ".join(_cautions(result, control, experiment))
    return name, result.classification.value, result.ratio, low, high, points, cautions


def _cautions(result: MetricResult, control: Floats, experiment: Floats) -> list[str]:
    """What canaries of this kind are known to do to this judge."""
    points = int(min(np.isfinite(control).sum(), np.isfinite(experiment).sum()))
    cautions = []
    if not points:
        return ["no data; where half of all metrics have data the canary would pass all the same"]
    if points <= _BOUND:
        cautions.append(f"{points} points cannot reject anything, and it classifies all the same")
    elif points < _FEW:
        cautions.append(f"{points} points: its maintainers ask for {_FEW}, it does not")
    if max(_autocorrelation(control), _autocorrelation(experiment)) > _ALIKE:
        cautions.append("neighbouring points are correlated, which it does not allow for: High comes too easily")
    if math.isnan(result.ratio) and np.nansum(experiment) > 0:
        cautions.append("the baseline is zero, so it asks for no effect size: any count is High")
    elif result.shift is not None and abs(result.ratio - 1) < _SMALL and result.classification.value in ("High", "Low"):
        cautions.append("it has no margin: a difference of a few per cent is High as well")
    if np.nanmax(np.abs(np.r_[control, experiment])) < _COARSE:
        cautions.append("values this small are below the precision of its root finder")
    cautions.append("a point of one request weighs as much as one of ten thousand, and every look adds false alarms")
    return cautions


def _autocorrelation(series: Floats) -> float:
    known = series[np.isfinite(series)]
    if len(known) < 4 or np.std(known) == 0:
        return 0.0
    return float(np.corrcoef(known[:-1], known[1:])[0, 1]) if np.std(known[:-1]) and np.std(known[1:]) else 0.0


def _mean(edges: Floats, counts: Floats) -> Floats:
    """Mean duration of each block, with every request in the middle of its bucket."""
    if not len(edges):
        return np.empty(0)
    lower = np.r_[0.0, edges[:-1]]
    middle = np.where(np.isfinite(edges), (lower + edges) / 2, lower)
    mean: Floats = (counts * middle).sum(axis=1) / counts.sum(axis=1)
    return mean
