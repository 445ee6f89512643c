"""One metric of two arms, classified as Kayenta does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from meshlab.core.settings import Settings
from meshlab.errors import ParameterError
from meshlab.questions.canary.kayenta.shift import Shift, location_shift

__all__ = ["Classification", "EffectSize", "MetricResult", "MetricSettings", "judge_metric"]

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


_Bound = float | None
_Measure = Literal["meanRatio", "cles"]
_Direction = Literal["increase", "decrease", "either"]


class EffectSize(Settings):
    """How large a difference must be to count; bounds not given are 1 for the ratio, and 0.5 for the probability."""

    measure: Annotated[_Measure, Meta(description="ratio of the means, or probability of being larger")] = "meanRatio"
    allowed_increase: Annotated[_Bound, Meta(description="a smaller one does not classify")] = None
    allowed_decrease: Annotated[_Bound, Meta(description="a smaller one does not classify")] = None
    critical_increase: Annotated[_Bound, Meta(description="from here on a critical metric fails the canary")] = None
    critical_decrease: Annotated[_Bound, Meta(description="from here on a critical metric fails the canary")] = None

    def bound(self, given: float | None) -> float:
        """A bound, or its default."""
        return given if given is not None else 1.0 if self.measure == "meanRatio" else 0.5


class MetricSettings(Settings):
    """How a metric is classified, as in Kayenta's configuration.

    Where missing values are replaced (by 0), two arms without any data pass: Kayenta's defect, kept. With a mean of
    zero in one arm the ratio is NaN, and every difference that is found counts as large.
    """

    direction: Annotated[_Direction, Meta(description="which changes are bad")] = "either"
    nan_strategy: Annotated[Literal["remove", "replace"], Meta(description="what missing values become")] = "remove"
    critical: Annotated[bool, Meta(description="whether it may fail the whole canary")] = False
    must_have_data: Annotated[bool, Meta(description="whether a metric without data fails")] = False
    effect_size: Annotated[EffectSize, Meta(description="how large a difference must be to count")] = EffectSize()
    outliers: Annotated[Literal["keep", "remove"], Meta(description="at most 1 % a side are removed")] = "keep"
    outlier_factor: Annotated[float, Meta(description="how far out, in distances of the quartiles")] = 3.0
    seed: Annotated[int, Meta(description="of the noise that breaks the ties of two constant arms")] = 0


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


def judge_metric(control: ArrayLike, experiment: ArrayLike, **settings: object) -> MetricResult:
    """Classify a metric of two arms.

    Parameters
    ----------
    control, experiment : array_like of float, shape (n,) and (m,)
        Values of the two arms, one per point in time; NaN where there is none.
    **settings
        Those of `MetricSettings`.

    Raises
    ------
    ParameterError
        A setting that does not exist or has another value, or values that are no numbers.
    """
    how = MetricSettings.of(**settings)
    size = how.effect_size
    arms = [_cleaned(values, how) for values in (control, experiment)]
    before, after = arms
    if not len(before) or not len(after):
        return _without_data(before, after, how)
    ratio = _mean_ratio(before, after)
    if len(before) == len(after) and (np.sort(before) == np.sort(after)).all():
        return MetricResult(Classification.PASS, 1.0, 1.0, None, False, "the arms are identical")
    if len(np.unique(np.concatenate(arms))) == 1:
        return MetricResult(Classification.PASS, 1.0, 1.0, None, False, "the arms have one value, and it is the same")
    effect = ratio if size.measure == "meanRatio" else _superiority(before, after)
    if len(np.unique(before)) == len(np.unique(after)) == 1:
        noise = np.random.default_rng(how.seed)
        before, after = (arm + noise.normal(0.0, abs(_JITTER * arm[0]), len(arm)) for arm in (before, after))
    try:
        shift = location_shift(before, after, _LEVEL)
    except ParameterError as error:
        return MetricResult(Classification.ERROR, ratio, effect, None, False, error.what)
    return _classified(shift, ratio, effect, how)


def _classified(shift: Shift, ratio: float, effect: float, how: MetricSettings) -> MetricResult:
    # The band is a part of the estimated shift itself, so it is no margin: it only raises the level a little.
    band = _TOLERANCE * abs(shift.estimate)
    size, unknown = how.effect_size, math.isnan(effect)
    rises = how.direction != "decrease" and shift.lower > band
    falls = how.direction != "increase" and shift.upper < -band
    if rises and (unknown or effect >= size.bound(size.allowed_increase)):
        fails = how.critical and (unknown or effect >= size.bound(size.critical_increase))
        return MetricResult(Classification.HIGH, ratio, effect, shift, fails, "the experiment lies above the control")
    if falls and (unknown or effect <= size.bound(size.allowed_decrease)):
        fails = how.critical and (unknown or effect <= size.bound(size.critical_decrease))
        return MetricResult(Classification.LOW, ratio, effect, shift, fails, "the experiment lies below the control")
    return MetricResult(Classification.PASS, ratio, effect, shift, False, "no difference that counts")


def _without_data(before: _Values, after: _Values, how: MetricSettings) -> MetricResult:
    if how.nan_strategy == "replace":
        return MetricResult(Classification.PASS, 1.0, 1.0, None, False, "an arm has no values, and none were wanted")
    empty = " and ".join(name for name, arm in (("control", before), ("experiment", after)) if not len(arm))
    kind = Classification.NODATA_FAIL if how.must_have_data and not how.critical else Classification.NODATA
    return MetricResult(kind, math.nan, math.nan, None, how.critical, f"no data for {empty}")


def _cleaned(values: ArrayLike, how: MetricSettings) -> _Values:
    try:
        arm = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError) as error:
        hint = "give a list of floats, NaN for missing"
        raise ParameterError("the values of a metric are no numbers", hint) from error
    arm = np.where(np.isnan(arm), 0.0, arm) if how.nan_strategy == "replace" else arm[~np.isnan(arm)]
    if how.outliers == "keep" or not len(arm):
        return arm
    p1, q1, q3, p99 = np.quantile(arm, (0.01, 0.25, 0.75, 0.99))
    far = how.outlier_factor * (q3 - q1)
    kept: _Values = arm[(arm >= min(p1, q1 - far)) & (arm <= max(p99, q3 + far))]
    return kept


def _mean_ratio(before: _Values, after: _Values) -> float:
    low, high = float(before.mean()), float(after.mean())
    return high / low if low and high else math.nan


def _superiority(before: _Values, after: _Values) -> float:
    """Probability that a value of the experiment is larger than one of the control; ties count half."""
    n, m = len(after), len(before)
    ranks = rankdata(np.concatenate([after, before]))
    return (2 * float(ranks[:n].sum()) - n * (n + 1)) / (2 * n * m)
