"""One sync period of the controller: what the metrics ask for, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meshlab.questions.scaling.hpa.behaviour import History, limited, stabilised
from meshlab.questions.scaling.hpa.reasons import Reason
from meshlab.questions.scaling.hpa.spec import HpaSpec

__all__ = ["Decision", "decide"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What one sync period decides.

    Parameters
    ----------
    replicas : int
        To be applied.
    recommended : int or None
        What the metrics alone ask for; None where they were not read or are missing.
    reason : Reason
        What had the last word.
    history : History
        For the next period.
    """

    replicas: int
    recommended: int | None
    reason: Reason
    history: History


def decide(spec: HpaSpec, history: History, current: int, proposals: Sequence[int | None], now_s: float) -> Decision:
    """One sync period.

    Parameters
    ----------
    spec : HpaSpec
    history : History
    current : int
        Replicas that there are.
    proposals : sequence of int or None
        What each metric asks for, by the functions of `calculator`; None where a metric is missing.
    now_s : float
        Unix seconds.

    Returns
    -------
    Decision
    """
    # The controller begins with what there is: the first period is held by the window on the way down.
    history = history.begun(current, now_s)
    if current == 0 and spec.least > 0:
        return Decision(0, None, Reason.DISABLED, history)
    # Bounds come before any metric is read.
    if current > spec.most or current < spec.least:
        bound = spec.most if current > spec.most else spec.least
        reason = Reason.MOST if current > spec.most else Reason.LEAST
        return Decision(bound, None, reason, history.changed(bound - current, now_s))
    known = [proposal for proposal in proposals if proposal is not None]
    if not known or (len(known) < len(proposals) and max(known) < current):
        return Decision(current, None, Reason.NO_METRIC, history)
    wanted = max(known)
    calm = stabilised(spec, history, current, wanted, now_s)
    replicas, held = limited(spec, history, current, calm, now_s)
    return Decision(
        replicas,
        wanted,
        held or _reason(current, wanted, calm),
        history.remember(spec, now_s, wanted, replicas - current),
    )


def _reason(current: int, wanted: int, calm: int) -> Reason:
    if calm != wanted:
        return Reason.STABILISED_UP if calm < wanted else Reason.STABILISED_DOWN
    return Reason.NO_CHANGE if wanted == current else Reason.AS_WANTED
