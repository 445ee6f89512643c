"""The simulator's service from what was measured, or the reason why it is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from meshlab.errors import ParameterError
from meshlab.questions.retries.simulate.policy import RetryPolicy
from meshlab.questions.retries.simulate.run import simulate
from meshlab.questions.retries.simulate.service import Service
from meshlab.questions.retries.simulate.tables import Floats

__all__ = ["Blocks", "Calibrated", "NotCalibrated", "calibrate"]

AS_NEAR: Final = 0.15
"""Share by which the policy in force, simulated, may miss what it did."""
_FULL: Final = 0.05
"""Share of attempts refused from which a queue is called full."""
_ROSE: Final = 1.2
"""How many times the calm load is one that has risen."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """What was measured, in blocks of the same length; NaN where a block has no data.

    Attributes
    ----------
    time_s : ndarray of float64, shape (blocks,)
        Their ends.
    offered_per_s : ndarray of float64, shape (blocks,)
        Requests of clients.
    attempts_per_s, refused_per_s : ndarray of float64, shape (blocks,)
        At the service that saturates, and those of them that it refused at once (503 of its own).
    good_per_s : ndarray of float64, shape (blocks,)
        Requests that clients saw answered with success.
    latency_s : ndarray of float64, shape (blocks,)
        Mean duration at the service.
    """

    time_s: Floats
    offered_per_s: Floats
    attempts_per_s: Floats
    refused_per_s: Floats
    good_per_s: Floats
    latency_s: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """A service that behaves as the measured one did.

    Attributes
    ----------
    service : Service
    load_per_s, slower : ndarray of float64, shape (steps,)
        What to run policies against: the load as measured, and the trigger.
    begin_s, end_s : float
        The trigger, from the first step.
    missed : float
        Largest share by which the policy in force, simulated, misses attempts or good answers.
    step_s : float
    """

    service: Service
    load_per_s: Floats
    slower: Floats
    begin_s: float
    end_s: float
    missed: float
    step_s: float


@dataclass(frozen=True, slots=True)
class NotCalibrated:
    """No what-if can be trusted: why, and what to do."""

    reason: str
    remedy: str


def calibrate(
    blocks: Blocks,
    policy: RetryPolicy,
    *,
    begin_s: float,
    end_s: float,
    deadline_s: float,
    cancels: bool = False,
    step_s: float = 0.1,
) -> Calibrated | NotCalibrated:
    """Find the service's concurrency, time and queue, and check them on calm and trigger.

    What a service takes in is what it was asked less what it refused. Where its queue stays full it takes in what it
    gets done: that is its capacity, whether anybody waits for the answers or not. What it took in beyond that when the
    trigger began has filled the queue. Where nothing is refused, the longest wait times the capacity is the queue.

    Parameters
    ----------
    blocks : Blocks
    policy : RetryPolicy
        The one in force.
    begin_s, end_s : float
        The trigger, on the clock of `blocks`.
    deadline_s : float
        How long clients wait.
    cancels : bool
        Whether the service drops the work of callers that have gone.
    step_s : float

    Raises
    ------
    ParameterError
        The blocks differ in number, are not evenly spaced, or the trigger is not within them.
    """
    time, length = _even(blocks)
    if not time[0] <= begin_s < end_s <= time[-1]:
        raise ParameterError("the trigger is not within what was measured", "give a window that holds it and some calm")
    taken = blocks.attempts_per_s - blocks.refused_per_s
    calm, during, after = time <= begin_s, (time > begin_s + length) & (time <= end_s), time > end_s + length
    full = blocks.refused_per_s > _FULL * np.maximum(blocks.attempts_per_s, 1e-9)
    usual_s = _mean(blocks.latency_s[calm])
    if not np.isfinite(usual_s) or usual_s <= 0 or not np.isfinite(_mean(blocks.offered_per_s[calm])):
        return NotCalibrated("there is no calm before the trigger", "a window that begins earlier")
    if np.any(full & calm):
        return NotCalibrated("the service refused requests before the trigger began", "an earlier begin of the trigger")
    slowed = full & during
    if not np.any(full & (after | during)):
        return NotCalibrated(
            "saturation was never observed: the service refused nothing", "a window in which its queue was full"
        )
    alike, slow = _mean(taken[full & after]), _mean(taken[slowed])
    rose = _mean(blocks.offered_per_s[during]) > _ROSE * _mean(blocks.offered_per_s[calm])
    if rose and slow > _mean(taken[calm]):
        # The trigger is the load: a service that got more done than in calm was not slowed down.
        alike = slow if not np.isfinite(alike) else alike
        slower = 1.0
    elif np.isfinite(alike):
        # A service that got nothing done at all got less than one thing done.
        slow = max(slow, 1.0 / (end_s - begin_s)) if np.isfinite(slow) else alike
        slower = max(alike / slow, 1.0)
    else:
        return NotCalibrated(
            "the service was saturated only while it was slowed down, so its usual capacity is not known",
            "a window in which it was saturated at its usual speed, or a load test",
        )
    filling = (time > begin_s) & (time <= end_s)
    # Attempts are counted when they end: those in flight (Little's law) have been taken in and are not counted yet.
    in_flight = _mean((blocks.attempts_per_s * blocks.latency_s)[slowed]) if np.any(slowed) else 0.0
    queue = max(float(np.nansum((taken[filling] - alike / slower) * length)) + in_flight, 0.0)
    service = Service(alike * usual_s, usual_s, queue, deadline_s, cancels=cancels)
    return _checked(blocks, policy, service, slower, begin_s, end_s, step_s)


def _checked(
    blocks: Blocks, policy: RetryPolicy, service: Service, slower: float, begin_s: float, end_s: float, step_s: float
) -> Calibrated | NotCalibrated:
    """Whether the policy in force, simulated, does in calm and trigger what it did."""
    time, length = _even(blocks)
    per_block = max(round(length / step_s), 1)
    known = np.isfinite(blocks.offered_per_s)
    load = np.repeat(np.interp(time, time[known], blocks.offered_per_s[known]), per_block)
    origin = float(time[0]) - length
    at = origin + np.arange(len(load)) * step_s
    factor = np.where((at >= begin_s) & (at < end_s), slower, 1.0)
    # What came after the trigger is what is asked about: it is not looked at here.
    upto = time <= end_s
    steps = int(upto.sum()) * per_block
    runs = simulate([policy], service, load[:steps], factor[:steps], step_s=step_s)

    # Both ends are scraped at their own moments: in the block in which it changed, some tell of the calm still.
    changed = begin_s + length if end_s - begin_s > 2 * length - 1e-6 else begin_s
    worst, what = 0.0, ""
    for name, simulated, measured_per_s in (
        ("attempts", runs.attempts, blocks.attempts_per_s),
        ("good answers", runs.good, blocks.good_per_s),
    ):
        mine, theirs = simulated[0].reshape(-1, per_block).mean(axis=1), measured_per_s[upto]
        for phase, begin, end in (("calm", -np.inf, begin_s), ("the trigger", changed, end_s)):
            part = (time[upto] > begin) & (time[upto] <= end) & np.isfinite(theirs)
            if not np.any(part):
                return NotCalibrated(f"{name} were not measured in {phase}", "a window in which they were scraped")
            # Nobody is answered in a trigger: what is missed is a share of what was asked then.
            measured = float(theirs[part].sum())
            scale = max(measured, float(np.nansum(blocks.offered_per_s[upto][part])))
            missed = abs(float(mine[part].sum()) - measured) / max(scale, 1e-9)
            if missed > worst:
                worst, what = missed, f"{name} in {phase}"
    if worst > AS_NEAR:
        return NotCalibrated(
            f"the policy in force is not reproduced: {what} are missed by {100 * worst:.0f} %, "
            f"and at most {100 * AS_NEAR:.0f} % may be",
            "the policy as it is configured, the client's deadline, and whether abandoned work is cancelled",
        )
    return Calibrated(service, load, factor, begin_s - origin, end_s - origin, worst, step_s)


def _even(blocks: Blocks) -> tuple[Floats, float]:
    time = np.asarray(blocks.time_s, dtype=np.float64)
    others = (blocks.offered_per_s, blocks.attempts_per_s, blocks.refused_per_s, blocks.good_per_s, blocks.latency_s)
    if len(time) < 3 or any(np.shape(values) != time.shape for values in others):
        raise ParameterError("the measured blocks are fewer than three, or differ in number", "one value a block")
    gaps = np.diff(time)
    if np.ptp(gaps) > 1e-6 * abs(float(gaps.mean())) or gaps[0] <= 0:
        raise ParameterError("the measured blocks are not evenly spaced", "put NaN where a block has no data")
    return time, float(gaps.mean())


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
