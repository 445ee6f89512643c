"""What a fit states: numbers with intervals, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from meshlab.errors import ParameterError
from meshlab.questions.scaling.usl import curve
from meshlab.questions.scaling.usl.models import Choice
from meshlab.questions.scaling.usl.points import Points

__all__ = ["Answer", "Band", "Estimate", "Fit", "Reason", "Refusal", "refuse"]

Floats = NDArray[np.float64]


class Reason(StrEnum):
    """Why something is not stated."""

    NO_DATA = "no data"
    ONE_LEVEL = "one level"
    FEW_LEVELS = "few levels"
    NARROW_RANGE = "narrow range"
    SMALLER_MODEL = "smaller model"
    PATTERN = "pattern in the residuals"
    ERRORS = "errors"
    SUPERLINEAR = "super-linear"
    OUT_OF_REACH = "out of reach"
    NONE_IN_RANGE = "none in range"
    NO_KNEE = "no knee"
    DISAGREEMENT = "candidates disagree"
    NEVER_HELD = "never held"
    UNRELATED = "unrelated"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason, and a clause with its numbers."""

    reason: Reason
    sentence: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval at the level of the fit; an end may be infinite."""

    value: float
    low: float
    high: float

    @classmethod
    def around(cls, value: float, low: float, high: float) -> Estimate:
        """With ends that never lie on the value's wrong side: rounding and few draws may put them there."""
        return cls(value, min(low, value), max(high, value))


@dataclass(frozen=True, slots=True)
class Answer:
    """An estimate, or the refusal that stands in its place; exactly one is None."""

    estimate: Estimate | None = None
    refusal: Refusal | None = None

    @property
    def stated(self) -> bool:
        """Whether there is an estimate."""
        return self.estimate is not None


def refuse(reason: Reason, sentence: str) -> Answer:
    """No estimate, and why."""
    return Answer(refusal=Refusal(reason, sentence))


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """The predicted curve with its pointwise interval; each array has the shape (points,)."""

    throughput: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The Universal Scalability Law of one service, version or replica."""

    contention: Estimate | None
    """alpha (sigma); None, as the two that follow, when the data are too thin for any fit."""
    coherency: Estimate | None
    """beta (kappa)."""
    single: Estimate | None
    """gamma (lambda)."""
    refusals: tuple[Refusal, ...]
    """Why the curve may not be stated as a finding. The coefficients are still given where they can be computed."""
    peak: Answer
    """Concurrency of the largest throughput."""
    peak_throughput: Answer
    knee: Answer
    """1 / contention: from here on added requests mostly queue."""
    choice: Choice | None
    """Which of the four models the data prefer."""
    covariance: Floats = field(repr=False)
    """Shape (3, 3)."""
    freedom: int
    """Degrees of freedom of the t quantile."""
    level: float
    points: Points = field(repr=False)
    """What was fitted."""

    @property
    def coefficients(self) -> tuple[float, float, float] | None:
        """Contention, coherency and single, without intervals."""
        if self.contention is None or self.coherency is None or self.single is None:
            return None
        return self.contention.value, self.coherency.value, self.single.value

    @property
    def capacity_limit(self) -> tuple[float, float] | None:
        """Concurrency limit and seconds a request, where that model fits best."""
        if self.choice is None or self.choice.chosen != "capacity":
            return None
        known = self.choice.candidate("capacity").parameters
        return known["limit"], known["seconds"]

    def reasons(self) -> tuple[Reason, ...]:
        """The reasons of `refusals`, in their order."""
        return tuple(refusal.reason for refusal in self.refusals)

    def predict(self, concurrency: ArrayLike) -> Band:
        """Throughput at these concurrencies, with the interval of the curve (not of single measurements).

        Raises
        ------
        ParameterError
            A fit without coefficients predicts nothing.
        """
        coefficients = self.coefficients
        if coefficients is None:
            raise ParameterError("this fit has no coefficients to predict with", self.refusals[0].sentence)
        n = np.atleast_1d(np.asarray(concurrency, dtype=np.float64))
        x, error = curve.with_error(n, coefficients, self.covariance)
        half = student.ppf(0.5 + self.level / 2, self.freedom) * error
        return Band(x, np.maximum(x - half, 0.0), x + half)
