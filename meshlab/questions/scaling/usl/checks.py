"""When a curve may not be stated: each rule yields a refusal or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from meshlab.questions.scaling.usl.models import Choice
from meshlab.questions.scaling.usl.result import Reason, Refusal

__all__ = ["of_errors", "of_fit", "of_points"]

Floats = NDArray[np.float64]

LEVELS: Final = 6
RANGE: Final = 3.0
_SAME: Final = 0.01
_RARE: Final = 0.01
_EFFICIENCY: Final = 1.05
_ERRORS: Final = 0.01
_ERRING_WINDOWS: Final = 0.10
# Below this share of the largest throughput, a pattern in the residuals changes no decision.
_MATTERS: Final = 1e-3


def of_points(n: Floats) -> Iterator[Refusal]:
    """Rules on where the points lie."""
    if not len(n):
        yield Refusal(Reason.NO_DATA, "no row has both a concurrency above 0 and a throughput")
        return
    levels = 1 + int(np.sum(np.diff(np.log(np.sort(n))) > np.log1p(_SAME))) if len(n) <= 60 else _spread_levels(n)
    if n.max() <= n.min() * (1 + _SAME):
        yield Refusal(Reason.ONE_LEVEL, f"all rows are at one concurrency ({n[0]:.3g})")
        return
    if levels < LEVELS:
        yield Refusal(Reason.FEW_LEVELS, f"{levels} distinct concurrencies, {LEVELS} are needed")
    if n.max() < RANGE * n.min():
        sentence = f"concurrency ranges from {n.min():.3g} to {n.max():.3g}, a factor of {RANGE:g} is needed"
        yield Refusal(Reason.NARROW_RANGE, sentence)


def _spread_levels(n: Floats) -> int:
    """Distinct levels of many rows: those a hundredth apart, whatever lies between them."""
    return len(np.unique(np.floor(np.log(n) / np.log1p(_SAME))))


def of_fit(n: Floats, x: Floats, w: Floats, fitted: Floats, single: float, choice: Choice) -> Iterator[Refusal]:
    """Rules on how the curve lies among the points (sorted by concurrency)."""
    residual = x - fitted
    matters = float(np.sqrt(np.mean(residual**2))) > _MATTERS * float(x.max(initial=0.0))
    above = n >= 1
    efficiency = np.max(x[above] / (single * n[above]), initial=0.0) if single > 0 else 0.0
    if efficiency > _EFFICIENCY and (trend := _trend(n[above], x[above])) < _RARE:
        sentence = f"throughput grows faster than concurrency (efficiency {efficiency:.2f}, p = {trend:.2g})"
        yield Refusal(Reason.SUPERLINEAR, f"{sentence}: a cache or a change of traffic mix")
    if matters and (p := _runs(n, residual * np.sqrt(w))) < _RARE:
        sentence = f"the law does not follow the data's shape: too few runs of residuals (p = {p:.2g})"
        yield Refusal(Reason.PATTERN, sentence)
    chosen = choice.candidate(choice.chosen).aicc
    if choice.chosen != "usl" and np.isfinite(chosen):
        less = choice.candidate("usl").aicc - chosen
        by = f"by {less:.1f} of AICc" if np.isfinite(less) and less > 0 else "with fewer unknowns"
        yield Refusal(Reason.SMALLER_MODEL, f"the {choice.chosen} model fits as well or better, {by}")


def _trend(n: Floats, x: Floats) -> float:
    """One-sided p that throughput per request in flight does not grow with concurrency."""
    ok = x > 0
    if np.sum(ok) < 4:
        return 1.0
    lnn, lnx = np.log(n[ok]), np.log(x[ok] / n[ok])
    off = lnn - lnn.mean()
    square = float(off @ off)
    if square <= 0:
        return 1.0
    slope = float(off @ lnx) / square
    residual = lnx - lnx.mean() - slope * off
    error = float(np.sqrt(residual @ residual / (len(off) - 2) / square))
    if error <= 1e-12:
        return 0.0 if slope > 1e-6 else 1.0
    return float(student.sf(slope / error, len(off) - 2))


def _runs(n: Floats, residual: Floats) -> float:
    """One-sided p of so few runs of signs over concurrency (A. Wald and J. Wolfowitz, 1940); 1 for too few points."""
    levels, at = np.unique(n, return_inverse=True)
    mean = np.bincount(at, residual) / np.bincount(at) if len(levels) < len(n) else residual
    signs = mean[mean != 0] > 0
    plus, minus = int(np.sum(signs)), int(np.sum(~signs))
    if min(plus, minus) < 4:
        return 1.0
    total = plus + minus
    runs = 1 + int(np.sum(signs[1:] != signs[:-1]))
    expected = 1 + 2 * plus * minus / total
    variance = (expected - 1) * (expected - 2) / (total - 1)
    return float(norm.cdf((runs + 0.5 - expected) / np.sqrt(variance)))


def of_errors(rate: Floats) -> Iterator[Refusal]:
    """The rule on the share of requests that failed in each window; NaN where it is not known."""
    known = rate[np.isfinite(rate)]
    share = float(np.mean(known > _ERRORS)) if len(known) else 0.0
    if share > _ERRING_WINDOWS:
        yield Refusal(Reason.ERRORS, f"{share:.0%} of the windows had more than {_ERRORS:.0%} errors")
