"""How sure a canary experiment can be of its verdict, before it runs.

Two questions about error shares, each with a margin: *can a canary that is identical pass* (its share is shown to lie
under baseline + margin), and *does a canary as bad as this one fail* (its share is shown to lie over baseline +
margin)? Each is answered for a test that looks once, at the end, and for an anytime-valid one, which may look whenever
it likes and needs more data for that. The anytime-valid figures count the look at the end alone: they are lower bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Design", "margin", "power"]

_LEAST_MARGIN: Final = 0.005
_RELATIVE_MARGIN: Final = 0.5
_PRIOR_WEIGHT: Final = 100.0

_Floats = NDArray[np.float64]


def margin(error_share: float) -> float:
    """How much worse a canary may be: half a percentage point, or half the baseline's share if that is more."""
    return max(_LEAST_MARGIN, _RELATIVE_MARGIN * error_share)


@dataclass(frozen=True, slots=True)
class Design:
    """A canary experiment."""

    baseline_error_share: float
    canary_error_share: float
    """True error shares, 0..1."""
    canary_share: float
    """Share of the requests that the canary gets, 0..1 exclusive."""
    requests: float
    """Expected requests of both together: rate times duration."""
    alpha: float
    """Allowed chance of a wrong verdict, one-sided."""

    @property
    def canary_requests(self) -> float:
        """Expected requests of the canary."""
        return self.requests * self.canary_share

    @property
    def bound(self) -> float:
        """The canary's error share at which it is too bad: the baseline's plus the margin."""
        return self.baseline_error_share + margin(self.baseline_error_share)


def power(design: Design) -> dict[str, Any]:
    """The power of a design, as it is written into a recording's truth.

    Returns
    -------
    dict
        ``pass_when_identical`` and ``fail_as_set``, each with ``fixed`` (one look at the end) and ``anytime``. The
        second is None where the canary, as set, is not worse than the margin: it ought not to fail. ``anytime`` is None
        where the baseline has no errors: the test compares shares of errors.
    """
    identical = replace(design, canary_error_share=design.baseline_error_share)
    worse = design.canary_error_share > design.bound
    return {
        "baseline_error_share": design.baseline_error_share,
        "canary_error_share": design.canary_error_share,
        "margin": margin(design.baseline_error_share),
        "alpha": design.alpha,
        "canary_share": design.canary_share,
        "requests": round(design.requests),
        "canary_requests": round(design.canary_requests),
        "pass_when_identical": _both(identical),
        "fail_as_set": _both(design) if worse else None,
    }


def _both(design: Design) -> dict[str, float | None]:
    anytime = _anytime(design)
    return {"fixed": round(_fixed(design), 4), "anytime": None if anytime is None else round(anytime, 4)}


def _fixed(design: Design) -> float:
    """Power of the one-sided z-test of two proportions against the bound, with unpooled variance."""
    from scipy.stats import norm
    from statsmodels.stats.power import normal_power_het

    baseline, canary = design.baseline_error_share, design.canary_error_share
    n = design.canary_requests
    ratio = design.canary_share / (1 - design.canary_share)
    under_null = math.sqrt(design.bound * (1 - design.bound) + ratio * baseline * (1 - baseline))
    as_set = math.sqrt(canary * (1 - canary) + ratio * baseline * (1 - baseline))
    distance = abs(design.bound - canary)
    if as_set == 0:
        # Without errors on either side chance has no say: the test decides the same way every time.
        return float(distance * math.sqrt(n) > norm.isf(design.alpha) * under_null)
    found = normal_power_het(
        distance, n, design.alpha, std_null=under_null, std_alternative=as_set, alternative="larger"
    )
    return float(found)


def _anytime(design: Design) -> float | None:
    """Chance that the mixture e-value crosses 1/alpha at the end, on the right side; None where it says nothing.

    Of all n errors the canary's number k is binomial, with a share that follows from the split and the two error
    shares. The e-value of k against the share w at the bound, mixed over a Beta prior, is B(k + a, n - k + b) /
    (B(a, b) w^k (1 - w)^(n - k)): the conditional idea of Lindon and Malek (arXiv 2011.03567). The chance is averaged
    over the Poisson distribution of n.
    """
    from scipy.stats import binom, poisson

    if not 0 < design.baseline_error_share <= design.bound < 1:
        return None
    share = design.canary_share
    null = _share_of_errors(share, design.bound, design.baseline_error_share)
    true = _share_of_errors(share, design.canary_error_share, design.baseline_error_share)
    mean = design.requests * (share * design.canary_error_share + (1 - share) * design.baseline_error_share)
    spread = 5 * math.sqrt(mean) + 5
    errors = np.unique(np.linspace(max(0.0, mean - spread), mean + spread, 201).round())
    weights = poisson.pmf(errors, mean)
    chances = [_crossing(n, true, null, design.alpha, binom) for n in errors]
    return min(1.0, float(np.average(chances, weights=weights)))


def _crossing(n: float, true: float, null: float, alpha: float, binom: Any) -> float:
    k: _Floats = np.arange(n + 1, dtype=np.float64)
    right_side = k < n * null if true < null else k > n * null
    decided = right_side & (_log_e_value(k, n, null) >= math.log(1 / alpha))
    return float(binom.pmf(k, n, true)[decided].sum())


def _log_e_value(k: _Floats, n: float, null: float) -> _Floats:
    from scipy.special import betaln

    a, b = _PRIOR_WEIGHT * null, _PRIOR_WEIGHT * (1 - null)
    mixed = betaln(k + a, n - k + b) - betaln(a, b)
    return np.asarray(mixed - k * math.log(null) - (n - k) * math.log1p(-null), dtype=np.float64)


def _share_of_errors(canary_share: float, canary: float, baseline: float) -> float:
    """Share of all errors which the canary makes."""
    made = canary_share * canary
    return made / (made + (1 - canary_share) * baseline)
