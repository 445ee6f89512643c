"""Did a new version change what one replica can carry?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from meshlab.errors import ParameterError
from meshlab.questions.scaling.usl import curve
from meshlab.questions.scaling.usl.result import Estimate, Fit, Reason, Refusal

__all__ = ["Comparison", "compare"]

# Reasons for which a curve's height is still what it is; only its law is in doubt.
_HARMLESS = frozenset({Reason.SMALLER_MODEL, Reason.PATTERN})


@dataclass(frozen=True, slots=True)
class Comparison:
    """Capacity of the second version against the first.

    Attributes
    ----------
    change : Estimate or None
        Relative change of capacity, -0.12 for -12 %, with its interval. None when one side cannot be compared.
    concurrency : float
        Capacity is the largest throughput up to here: the largest concurrency that both versions have seen.
    differs : bool
        Whether the interval excludes no change.
    refusal : Refusal or None
    sentence : str
    """

    change: Estimate | None
    concurrency: float
    differs: bool
    refusal: Refusal | None
    sentence: str


def compare(before: Fit, after: Fit, *, level: float = 0.95) -> Comparison:
    """Compare the largest throughput of two versions, up to the largest concurrency that both have seen.

    Fit both per ready replica, so that the answer is capacity a replica. The interval is that of a difference of logs
    with Welch's degrees of freedom; where both fits carry a bootstrap, it comes from their refits instead.

    Parameters
    ----------
    before, after : Fit
    level : float
        Of the interval.

    Returns
    -------
    Comparison
        With a refusal when either fit is refused for more than its shape.

    Raises
    ------
    ParameterError
        The level is no share.
    """
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level {level} is no share between 0 and 1", "use 0.95")
    for name, one in (("before", before), ("after", after)):
        for refusal in one.refusals:
            if one.coefficients is None or refusal.reason not in _HARMLESS:
                said = f"the two versions cannot be compared: {name}, {refusal.sentence}"
                return Comparison(None, np.nan, False, Refusal(refusal.reason, said), said)
    reach = float(min(before.concurrency[-1], after.concurrency[-1]))
    start = float(max(before.concurrency[0], after.concurrency[0]))
    if reach < start:
        said = "the two versions cannot be compared: they have no concurrency in common"
        return Comparison(None, np.nan, False, Refusal(Reason.OUT_OF_REACH, said), said)
    (old, old_error), (new, new_error) = (_height(one, reach) for one in (before, after))
    if before.bootstrap is not None and after.bootstrap is not None:
        low, high = _between_refits(before, after, reach, level)
    else:
        error = float(np.hypot(old_error, new_error))
        half = float(student.ppf(0.5 + level / 2, _welch(old_error, before.freedom, new_error, after.freedom))) * error
        low, high = new / old * float(np.exp(-half)) - 1.0, new / old * float(np.exp(half)) - 1.0
    change = Estimate(new / old - 1.0, min(low, new / old - 1.0), max(high, new / old - 1.0))
    differs = not change.low <= 0.0 <= change.high
    said = (
        f"capacity a replica changed by {change.value:+.1%}, {level:.0%} interval {change.low:+.1%} to "
        f"{change.high:+.1%}, up to {reach:.3g} requests in flight" + ("" if differs else ": no difference is shown")
    )
    return Comparison(change, reach, differs, None, said)


def _height(one: Fit, reach: float) -> tuple[float, float]:
    """Largest throughput up to this concurrency, and the standard error of its logarithm."""
    three = one.coefficients
    assert three is not None
    peak = curve.peak_concurrency(three[0], three[1])
    at = reach if peak is None else min(peak, reach)
    x = float(curve.throughput(at, *three))
    slope = curve.gradient([at], *three)[0]
    return x, float(np.sqrt(max(slope @ one.covariance @ slope, 0.0))) / x


def _between_refits(before: Fit, after: Fit, reach: float, level: float) -> tuple[float, float]:
    heights = []
    for one in (before, after):
        assert one.bootstrap is not None
        a, b, single = one.bootstrap.draws.T
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.minimum(np.sqrt((1.0 - a) / b), reach)
        heights.append(curve.throughput(np.where(at > 0, at, reach), a, b, single))
    # Refits of the two sides have nothing to do with each other: any pairing is as good, so take several.
    size = min(len(heights[0]), len(heights[1]))
    ratios = [heights[1][:size] / np.roll(heights[0][:size], k) for k in range(0, size, max(1, size // 20))]
    low, high = np.quantile(np.concatenate(ratios) - 1.0, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def _welch(one: float, free: int, other: float, freed: int) -> float:
    """Degrees of freedom of a difference of two errors of different size (B. Welch, Biometrika 34, 1947)."""
    below = one**4 / max(free, 1) + other**4 / max(freed, 1)
    return float((one**2 + other**2) ** 2 / below) if below > 0 else float(max(min(free, freed), 1))
