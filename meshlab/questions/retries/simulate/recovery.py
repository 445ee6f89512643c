"""What ends a storm that is on: how far the load must be cut, or whether switching retries off is enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meshlab.questions.retries.simulate.calibration import Calibrated
from meshlab.questions.retries.simulate.policy import Policy
from meshlab.questions.retries.simulate.run import simulate

__all__ = ["Cure", "chance", "recover"]

Floats = NDArray[np.float64]

_AT_ONCE: Final = 16
_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True)
class Cure:
    """What would end it.

    Attributes
    ----------
    by_itself : bool
        It ends within the time given without any help.
    retries_off : bool
        Retries switched off at every hop end it.
    retries_off_s : float
        ... after so many seconds; NaN where they do not.
    load_share : float
        The largest share of the load that may stay, 0..1; 1 where it ends by itself, 0 where no cut is enough.
    load_share_s : float
        How long that takes; NaN where no cut is enough.
    """

    by_itself: bool
    retries_off: bool
    retries_off_s: float
    load_share: float
    load_share_s: float


def recover(known: Calibrated, policy: Policy, at_s: float, *, within_s: float = 60.0) -> Cure:
    """Find what would end a storm within a time.

    Shares of the load are tried side by side and the interval between the last that cures and the first that does not
    is divided again: a bisection, many points at a time.

    Parameters
    ----------
    known : Calibrated
    policy : Policy
        The one in force.
    at_s : float
        When help comes, seconds from the first step: after the trigger.
    within_s : float
        What takes longer is no cure.
    """
    base = _until(known, at_s, within_s)
    begin = round(at_s / known.step_s)
    off = replace(policy, name="retries off", off_from_s=at_s)
    shares = np.linspace(0.0, 1.0, _AT_ONCE + 2)[1:-1]
    best, best_s, above = 0.0, float("nan"), 1.0
    retries_off_s = itself = float("inf")
    for turn in range(_ROUNDS):
        extra = [off, policy] if not turn else []
        load = np.tile(base, (len(shares) + len(extra), 1))
        load[: len(shares), begin:] *= shares[:, None]
        took = _took(known, [policy] * len(shares) + extra, load, at_s)
        if not turn:
            retries_off_s, itself = took[-2:]
        cured = np.isfinite(took[: len(shares)])
        # Less load cures whatever more load cures: the first that does not is the border.
        count = int(np.argmin(np.append(cured, False)))
        if count:
            best, best_s = float(shares[count - 1]), float(took[count - 1])
        above = float(shares[count]) if count < len(shares) else above
        shares = np.linspace(best, above, _AT_ONCE + 2)[1:-1]
    if np.isfinite(itself):
        best, best_s = 1.0, itself
    return Cure(
        by_itself=bool(np.isfinite(itself)),
        retries_off=bool(np.isfinite(retries_off_s)),
        retries_off_s=float(retries_off_s) if np.isfinite(retries_off_s) else float("nan"),
        load_share=best,
        load_share_s=best_s,
    )


def chance(
    known: Calibrated,
    policy: Policy,
    at_s: float,
    share: float,
    *,
    rng: np.random.Generator,
    within_s: float = 60.0,
    draws: int = 32,
) -> Floats:
    """Seconds until a cut of the load has cured, for many draws of arrivals by chance.

    A few requests a second come in bunches: near the border the same cut cures one day and not another.

    Returns
    -------
    ndarray of float64, shape (draws,)
        Sorted; infinite where it does not cure in time.
    """
    base = _until(known, at_s, within_s)
    begin = round(at_s / known.step_s)
    load = np.tile(base, (draws, 1))
    load[:, begin:] *= share
    load = rng.poisson(load * known.step_s) / known.step_s
    return np.sort(_took(known, [policy] * draws, load, at_s, stays=False))


def _until(known: Calibrated, at_s: float, within_s: float) -> Floats:
    """The load up to the moment, and what it was then on average for as long as a cure may take."""
    begin = round(at_s / known.step_s)
    past = known.load_per_s[:begin]
    usual = float(past[-min(len(past), round(30 / known.step_s)) :].mean())
    return np.concatenate([past, np.full(round(within_s / known.step_s), usual)])


def _took(known: Calibrated, policies: list[Policy], load: Floats, at_s: float, *, stays: bool = True) -> Floats:
    slower = np.ones(load.shape[1])
    part = known.slower[: load.shape[1]]
    slower[: len(part)] = part
    runs = simulate(policies, known.service, load, slower, step_s=known.step_s)
    return runs.recovery_s(at_s, stays=stays)
