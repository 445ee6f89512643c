"""When a curve may not be stated: each rule yields a refusal or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import mannwhitneyu, norm
from scipy.stats import t as student

from meshlab.errors import ParameterError
from meshlab.questions.scaling.usl.models import Choice
from meshlab.questions.scaling.usl.points import checked
from meshlab.questions.scaling.usl.result import Reason, Refusal

__all__ = ["Conditions", "of_conditions", "of_fit", "of_hysteresis", "of_points"]

Floats = NDArray[np.float64]

LEVELS: Final = 6
RANGE: Final = 3.0
_SAME: Final = 0.01
_RARE: Final = 0.01
_EFFICIENCY: Final = 1.05
_THROTTLED: Final = 0.05
_ERRORS: Final = 0.01
_ERRING_WINDOWS: Final = 0.10
_LITTLE: Final = 0.15
# Below this share of the largest throughput, a pattern in the residuals changes no decision.
_MATTERS: Final = 1e-3
_DIFFERENCE: Final = 0.05
_EACH_WAY: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """Other measurements, one a row of concurrency and throughput; None where there are none.

    Attributes
    ----------
    time : array_like
        Seconds; the order in which the load rose and fell.
    throttled : array_like
        Share of CPU periods that were throttled, 0 to 1.
    replicas : array_like
        Ready replicas.
    error_rate : array_like
        Share of requests that failed, 0 to 1.
    gauge : array_like
        Requests in flight as a gauge saw them, in the unit of concurrency.
    """

    time: ArrayLike | None = None
    throttled: ArrayLike | None = None
    replicas: ArrayLike | None = None
    error_rate: ArrayLike | None = None
    gauge: ArrayLike | None = None

    def column(self, name: str, shape: tuple[int, ...]) -> Floats | None:
        """One measurement as an array of this shape, or None.

        Raises
        ------
        ParameterError
            Its shape is not that of concurrency, or it holds impossible values.
        """
        values = getattr(self, name)
        if values is None:
            return None
        column = checked(name, values, shape)
        if name in ("throttled", "error_rate") and np.any(column > 1):
            raise ParameterError(f"{name} holds values above 1", "give shares from 0 to 1, not per cent")
        return column


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
        yield Refusal(
            Reason.PATTERN, f"the law does not follow the data's shape: too few runs of residuals (p = {p:.2g})"
        )
    usl = choice.candidate("usl").aicc
    if choice.chosen != "usl" and np.isfinite(choice.candidate(choice.chosen).aicc):
        less = usl - choice.candidate(choice.chosen).aicc
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


def of_hysteresis(n: Floats, x: Floats, fitted: Floats, time: Floats) -> Iterator[Refusal]:
    """Rising and falling load must show the same curve: garbage collection and cold caches prevent it."""
    order = np.argsort(time, kind="stable")
    step = np.diff(n[order])
    relative = ((x - fitted) / np.maximum(fitted, 1e-300))[order][1:]
    up, down = relative[step > 0], relative[step < 0]
    if min(len(up), len(down)) < _EACH_WAY:
        return
    apart = float(np.median(up) - np.median(down))
    p = float(mannwhitneyu(up, down, method="asymptotic").pvalue)
    if p < _RARE and abs(apart) > _DIFFERENCE:
        sentence = f"throughput at the same concurrency differs by {apart:+.0%} between rising and falling load"
        yield Refusal(Reason.HYSTERESIS, sentence)


def of_conditions(n: Floats, conditions: Conditions) -> Iterator[Refusal]:
    """Rules on the other measurements."""
    throttled = conditions.column("throttled", n.shape)
    if throttled is not None and np.any(np.isfinite(throttled)):
        share = float(np.nanmean(throttled))
        if share > _THROTTLED:
            yield Refusal(Reason.THROTTLED, f"{share:.0%} of CPU periods were throttled: this measures the quota")
    replicas = conditions.column("replicas", n.shape)
    if replicas is not None and len(counts := np.unique(replicas[np.isfinite(replicas)])) > 1:
        sentence = f"ready replicas ranged from {counts[0]:g} to {counts[-1]:g}: fit each number on its own"
        yield Refusal(Reason.REPLICAS_CHANGED, sentence)
    errors = conditions.column("error_rate", n.shape)
    if errors is not None and np.any(known := np.isfinite(errors)):
        share = float(np.mean(errors[known] > _ERRORS))
        if share > _ERRING_WINDOWS:
            yield Refusal(Reason.ERRORS, f"{share:.0%} of the windows had more than {_ERRORS:.0%} errors")
    gauge = conditions.column("gauge", n.shape)
    if gauge is not None and np.any(known := np.isfinite(gauge) & np.isfinite(n) & (gauge > 0)):
        apart = float(np.median(np.abs(gauge[known] - n[known]) / gauge[known]))
        if apart > _LITTLE:
            sentence = f"concurrency by gauge and by Little's law differs by {apart:.0%}: retries or local replies"
            yield Refusal(Reason.LITTLE_MISMATCH, sentence)
