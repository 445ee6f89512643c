"""What ends a storm that is on: how far the load must be cut, or whether switching retries off is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from meshlab.questions.retries.simulate.calibration import Calibrated
from meshlab.questions.retries.simulate.policy import RetryPolicy
from meshlab.questions.retries.simulate.run import Runs, reach, simulate
from meshlab.questions.retries.simulate.tables import Floats

__all__ = ["Mitigation", "cuts", "recover"]

# With the two others as many as are simulated together.
_SHARES: Final = 62


@dataclass(frozen=True, slots=True)
class Mitigation:
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


def recover(known: Calibrated, policy: RetryPolicy, at_s: float, *, within_s: float = 60.0) -> Mitigation:
    """Find what would end a storm within a time, were arrivals even.

    Parameters
    ----------
    known : Calibrated
    policy : RetryPolicy
        The one in force.
    at_s : float
        When help comes, seconds from the first step: after the trigger.
    within_s : float
        What takes longer is no mitigation.
    """
    off = replace(policy, name="retries off", off_from_s=at_s)
    shares = np.linspace(0.0, 1.0, _SHARES + 1)[1:]
    usual = _usual(known, at_s)
    load = np.repeat(np.append(shares, 1.0)[:, None] * usual, round(within_s / known.step_s), axis=1)
    took = _after(known, [policy] * len(shares) + [off], load, at_s).recovery_s(0.0)
    retries_off_s, itself = float(took[-1]), float(took[-2])
    # Less load ends whatever more load ends: the first that does not is the border.
    count = int(np.argmin(np.append(np.isfinite(took[:-1]), False)))
    return Mitigation(
        by_itself=bool(np.isfinite(itself)),
        retries_off=bool(np.isfinite(retries_off_s)),
        retries_off_s=retries_off_s if np.isfinite(retries_off_s) else float("nan"),
        load_share=float(shares[count - 1]) if count else 0.0,
        load_share_s=float(took[count - 1]) if count else float("nan"),
    )


def cuts(
    known: Calibrated,
    policy: RetryPolicy,
    at_s: float,
    shares: Sequence[float],
    *,
    rng: np.random.Generator,
    within_s: float = 60.0,
    draws: int = 20,
) -> pd.DataFrame:
    """What each cut of the load comes to: ``share, probability, recovery_s, low_s, high_s``, a row a cut.

    A few requests a second come in bunches: near the border the same cut is enough one day and not another. The
    probability is the share of draws of arrivals in which it ends in time, `recovery_s` the median of those and
    `low_s` to `high_s` hold eight of ten draws; NaN where that is not in time.
    """
    shape = (len(shares) * draws, round(within_s / known.step_s))
    mean = np.repeat(np.asarray(shares, np.float64), draws)[:, None] * _usual(known, at_s) * known.step_s
    load = rng.poisson(np.broadcast_to(mean, shape)) / known.step_s
    # Where a few requests come by chance it need not stay from then on.
    took = _after(known, [policy] * shape[0], load, at_s).recovery_s(0.0, stays=False).reshape(len(shares), draws)
    ended = np.isfinite(took)
    medians = [float(np.median(row[ok])) if ok.any() else float("nan") for row, ok in zip(took, ended, strict=True)]
    low, high = (np.sort(took, axis=1)[:, round(at * (draws - 1))] for at in (0.1, 0.9))
    return pd.DataFrame(
        {
            "share": list(shares),
            "probability": ended.mean(axis=1),
            "recovery_s": medians,
            "low_s": np.where(np.isfinite(low), low, np.nan),
            "high_s": np.where(np.isfinite(high), high, np.nan),
        }
    )


def _usual(known: Calibrated, at_s: float) -> float:
    """The load of the last half minute."""
    begin = round(at_s / known.step_s)
    past = known.load_per_s[:begin]
    return float(past[-min(len(past), round(30 / known.step_s)) :].mean())


def _after(known: Calibrated, policies: list[RetryPolicy], load: Floats, at_s: float) -> Runs:
    """Go on from what the policy in force has come to by then."""
    begin = round(at_s / known.step_s)
    slower = np.ones(begin + load.shape[1])
    part = known.slower[: len(slower)]
    slower[: len(part)] = part
    # What was measured may end before help comes: as much goes on coming as in its last half minute.
    before = np.full(begin, _usual(known, at_s))
    measured = known.load_per_s[:begin]
    before[: len(measured)] = measured
    past = reach(policies[0], known.service, before, slower[:begin], step_s=known.step_s)
    return simulate(policies, known.service, load, slower[begin:], step_s=known.step_s, past=past)
