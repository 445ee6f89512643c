"""One metric of two arms, classified as Kayenta does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from meshlab.errors import ParameterError
from meshlab.questions.canary.kayenta.shift import Shift, location_shift

__all__ = [
    "Classification",
    "Direction",
    "EffectSize",
    "Measure",
    "MetricResult",
    "NanStrategy",
    "Outliers",
    "judge_metric",
]

_LEVEL: Final = 0.98
_TOLERANCE: Final = 0.25
"""Both are fixed in Kayenta's judge."""
_JITTER: Final = 1e-5

_Values = NDArray[np.float64]


class Classification(StrEnum):
    """What a metric is."""

    PASS = "Pass"
    HIGH = "High"
    LOW = "Low"
    NODATA = "Nodata"
    NODATA_FAIL = "NodataFailMetric"
    ERROR = "Error"


class Direction(StrEnum):
    """Which changes are bad."""

    INCREASE = "increase"
    DECREASE = "decrease"
    EITHER = "either"


class NanStrategy(StrEnum):
    """What becomes of missing values."""

    REMOVE = "remove"
    REPLACE = "replace"


class Outliers(StrEnum):
    """What becomes of values far from the others."""

    KEEP = "keep"
    REMOVE = "remove"


class Measure(StrEnum):
    """How large a difference is."""

    MEAN_RATIO = "meanRatio"
    CLES = "cles"


@dataclass(frozen=True, slots=True)
class EffectSize:
    """How large a difference must be to count.

    Parameters
    ----------
    measure : Measure
        The ratio of the means, or the probability that a value of the experiment is larger.
    allowed_increase, allowed_decrease : float, optional
        Smaller ones do not classify; 1 for the ratio and 0.5 for the probability when not given.
    critical_increase, critical_decrease : float, optional
        From these on a critical metric fails the whole canary; the same defaults.
    """

    measure: Measure = Measure.MEAN_RATIO
    allowed_increase: float | None = None
    allowed_decrease: float | None = None
    critical_increase: float | None = None
    critical_decrease: float | None = None

    def of(self, bound: float | None) -> float:
        """A bound, or its default."""
        if bound is not None:
            return bound
        return 1.0 if self.measure is Measure.MEAN_RATIO else 0.5


@dataclass(frozen=True, slots=True)
class MetricResult:
    """What came of one metric.

    Parameters
    ----------
    classification : Classification
    ratio : float
        Mean of the experiment over the mean of the control; NaN where one of them is 0.
    effect : float
        The measure that the effect size names.
    shift : Shift or None
        The interval behind the classification, which Kayenta does not show; None where no test was made.
    critical : bool
        Whether it fails the whole canary.
    reason : str
        In words.
    """

    classification: Classification
    ratio: float
    effect: float
    shift: Shift | None
    critical: bool
    reason: str

    @property
    def interval(self) -> tuple[float, float] | None:
        """The shift's interval at 98 %."""
        return None if self.shift is None else (self.shift.lower, self.shift.upper)


def judge_metric(
    control: ArrayLike,
    experiment: ArrayLike,
    *,
    direction: Direction | str = Direction.EITHER,
    nan_strategy: NanStrategy | str = NanStrategy.REMOVE,
    critical: bool = False,
    must_have_data: bool = False,
    effect_size: EffectSize | None = None,
    outliers: Outliers | str = Outliers.KEEP,
    outlier_factor: float = 3.0,
    seed: int = 0,
) -> MetricResult:
    """Classify a metric of two arms.

    Parameters
    ----------
    control, experiment : array_like of float, shape (n,) and (m,)
        Values of the two arms, a point of time each; NaN where there is none.
    direction : Direction
        Which changes are bad.
    nan_strategy : NanStrategy
        ``replace`` puts zeros in place of missing values. Two arms without any data then pass: Kayenta's defect, kept.
    critical, must_have_data : bool
        As in Kayenta's configuration.
    effect_size : EffectSize, optional
        With a mean of zero on one side the ratio is NaN, and every difference that is found counts as large.
    outliers : Outliers
        ``remove`` drops what lies outside of the quartiles by `outlier_factor` times their distance, but nothing inside
        of the 1st and 99th percentile.
    seed : int
        Two arms that are constant and different get a little noise, to break the ties.

    Returns
    -------
    MetricResult

    Raises
    ------
    ParameterError
        A strategy or direction of another name, or values that are no numbers.
    """
    towards, missing, far = (
        _chosen(kind, value)
        for kind, value in ((Direction, direction), (NanStrategy, nan_strategy), (Outliers, outliers))
    )
    size = effect_size or EffectSize()
    arms = [_cleaned(values, str(missing), str(far), outlier_factor) for values in (control, experiment)]
    before, after = arms
    if not len(before) or not len(after):
        return _without_data(before, after, missing is NanStrategy.REPLACE, critical, must_have_data)
    ratio = _mean_ratio(before, after)
    if len(before) == len(after) and (np.sort(before) == np.sort(after)).all():
        return MetricResult(Classification.PASS, 1.0, 1.0, None, False, "the arms are identical")
    if len(np.unique(np.concatenate(arms))) == 1:
        return MetricResult(Classification.PASS, 1.0, 1.0, None, False, "the arms have one value, and it is the same")
    effect = ratio if size.measure is Measure.MEAN_RATIO else _superiority(before, after)
    if len(np.unique(before)) == len(np.unique(after)) == 1:
        noise = np.random.default_rng(seed)
        before, after = (arm + noise.normal(0.0, abs(_JITTER * arm[0]), len(arm)) for arm in (before, after))
    try:
        shift = location_shift(before, after, _LEVEL)
    except ParameterError as error:
        return MetricResult(Classification.ERROR, ratio, effect, None, False, error.what)
    return _classified(shift, ratio, effect, size, str(towards), critical)


def _classified(
    shift: Shift, ratio: float, effect: float, size: EffectSize, direction: str, critical: bool
) -> MetricResult:
    # The band is a part of the estimated shift itself, so it is no margin: it only raises the level a little.
    band = _TOLERANCE * abs(shift.estimate)
    unknown = math.isnan(effect)
    rises = direction in (Direction.INCREASE, Direction.EITHER) and shift.lower > band
    falls = direction in (Direction.DECREASE, Direction.EITHER) and shift.upper < -band
    if rises and (unknown or effect >= size.of(size.allowed_increase)):
        fails = critical and (unknown or effect >= size.of(size.critical_increase))
        return MetricResult(Classification.HIGH, ratio, effect, shift, fails, "the experiment lies above the control")
    if falls and (unknown or effect <= size.of(size.allowed_decrease)):
        fails = critical and (unknown or effect <= size.of(size.critical_decrease))
        return MetricResult(Classification.LOW, ratio, effect, shift, fails, "the experiment lies below the control")
    return MetricResult(Classification.PASS, ratio, effect, shift, False, "no difference that counts")


def _without_data(
    before: _Values, after: _Values, replaced: bool, critical: bool, must_have_data: bool
) -> MetricResult:
    if replaced:
        return MetricResult(Classification.PASS, 1.0, 1.0, None, False, "an arm has no values, and none were wanted")
    empty = " and ".join(name for name, arm in (("control", before), ("experiment", after)) if not len(arm))
    kind = Classification.NODATA_FAIL if must_have_data and not critical else Classification.NODATA
    return MetricResult(kind, math.nan, math.nan, None, critical, f"no data for {empty}")


def _cleaned(values: ArrayLike, missing: str, outliers: str, factor: float) -> _Values:
    try:
        found = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise ParameterError(
            "the values of a metric are no numbers", "give a list of floats, NaN for missing"
        ) from error
    found = np.where(np.isnan(found), 0.0, found) if missing == NanStrategy.REPLACE else found[~np.isnan(found)]
    if outliers == Outliers.KEEP or not len(found):
        return found
    p1, q1, q3, p99 = np.quantile(found, (0.01, 0.25, 0.75, 0.99))
    low, high = min(p1, q1 - factor * (q3 - q1)), max(p99, q3 + factor * (q3 - q1))
    kept: _Values = found[(found >= low) & (found <= high)]
    return kept


def _mean_ratio(before: _Values, after: _Values) -> float:
    low, high = float(before.mean()), float(after.mean())
    return high / low if low and high else math.nan


def _superiority(before: _Values, after: _Values) -> float:
    """Probability that a value of the experiment is larger than one of the control; ties count half."""
    n, m = len(after), len(before)
    ranks = rankdata(np.concatenate([after, before]))
    return (2 * float(ranks[:n].sum()) - n * (n + 1)) / (2 * n * m)


def _chosen(kind: type[StrEnum], value: str) -> StrEnum:
    try:
        return kind(value)
    except ValueError:
        names: Sequence[str] = [member.value for member in kind]
        raise ParameterError(f"{value!r} is no {kind.__name__.lower()}", f"choose among {', '.join(names)}") from None
