"""From classified metrics to one score, as Kayenta's weighted sum does it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meshlab.errors import ParameterError
from meshlab.questions.canary.kayenta.metric import Classification, MetricResult

__all__ = ["Group", "Metric", "Score", "Summary", "score"]

_COUNTED: Final = (Classification.PASS, Classification.HIGH, Classification.LOW, Classification.NODATA_FAIL)
_MOST_WITHOUT_DATA: Final = 0.5


class Summary(StrEnum):
    """What the canary is."""

    PASS = "Pass"
    MARGINAL = "Marginal"
    FAIL = "Fail"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric in its groups.

    Parameters
    ----------
    name : str
    result : MetricResult
    groups : tuple of str
        It counts in each.
    muted : bool
        It is shown and not counted.
    """

    name: str
    result: MetricResult
    groups: tuple[str, ...] = ("all",)
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A group's score.

    Parameters
    ----------
    name : str
    score : float
        0 to 100; 0 is shown where nothing counted.
    no_data : bool
        Nothing counted. Kayenta then weighs the group with 100, so that metrics which all end in an error pass: a
        defect, kept.
    """

    name: str
    score: float
    no_data: bool


@dataclass(frozen=True, slots=True)
class Score:
    """What the canary scores.

    Parameters
    ----------
    value : float
        0 to 100.
    summary : Summary
    reason : str
    groups : tuple of Group
        By name.
    """

    value: float
    summary: Summary
    reason: str
    groups: tuple[Group, ...]


def score(
    metrics: Sequence[Metric],
    weights: Mapping[str, float] | None = None,
    *,
    pass_at: float = 95.0,
    marginal_at: float = 75.0,
) -> Score:
    """Add the metrics up.

    Parameters
    ----------
    metrics : sequence of Metric
    weights : mapping of str to float, optional
        Of groups, in per cent; groups without one share the rest. The weight of a group that is absent is lost:
        a defect, kept.
    pass_at, marginal_at : float
        Scores from which the canary passes, and is marginal. Kayenta leaves them to its caller; these are usual.

    Raises
    ------
    ParameterError
        Thresholds that are not in order.
    """
    if not 0 <= marginal_at <= pass_at <= 100:
        raise ParameterError(f"thresholds of {marginal_at:g} and {pass_at:g}", "give 0 <= marginal <= pass <= 100")
    counted = [metric for metric in metrics if not metric.muted]
    groups = _groups(counted)
    failed = [m.name for m in counted if m.result.critical and m.result.classification is not Classification.PASS]
    empty = sum(metric.result.classification is Classification.NODATA for metric in counted)
    if failed:
        return Score(0.0, Summary.FAIL, f"critical: {', '.join(failed)}", groups)
    if counted and empty / len(counted) >= _MOST_WITHOUT_DATA:
        return Score(0.0, Summary.FAIL, f"{empty} of {len(counted)} metrics have no data", groups)
    value = _summed(groups, dict(weights or {}))
    if value >= pass_at:
        return Score(value, Summary.PASS, f"{value:g} is at least {pass_at:g}", groups)
    if value >= marginal_at:
        return Score(value, Summary.MARGINAL, f"{value:g} is at least {marginal_at:g}", groups)
    return Score(value, Summary.FAIL, f"{value:g} is below {marginal_at:g}", groups)


def _groups(metrics: Sequence[Metric]) -> tuple[Group, ...]:
    members: defaultdict[str, list[Classification]] = defaultdict(list)
    for metric in metrics:
        for name in metric.groups:
            members[name].append(metric.result.classification)
    found = []
    for name, kinds in sorted(members.items()):
        counted = sum(kind in _COUNTED for kind in kinds)
        share = kinds.count(Classification.PASS) / counted if counted else 0.0
        found.append(Group(name, 100.0 * share, not counted))
    return tuple(found)


def _summed(groups: Sequence[Group], weights: dict[str, float]) -> float:
    others = [group.name for group in groups if group.name not in weights]
    rest = (100.0 - sum(weights.values())) / len(others) if others else 0.0
    total = sum((100.0 if group.no_data else group.score) * weights.get(group.name, rest) / 100.0 for group in groups)
    return round(total, 2)
