"""One sync period of the controller: from the metrics' proposals to a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meshlab.questions.scaling.hpa.behaviour import History, limited, stabilised
from meshlab.questions.scaling.hpa.reasons import Reason
from meshlab.questions.scaling.hpa.spec import HpaSpec

__all__ = ["Decision", "decide"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of one sync period."""

    replicas: int
    """To be applied."""
    recommended: int | None
    """What the metrics alone ask for; None where they were not read or are missing."""
    reason: Reason
    """What had the last word."""
    history: History
    """For the next period."""


def decide(spec: HpaSpec, history: History, current: int, proposals: Sequence[int | None], now_s: float) -> Decision:
    """One sync period.

    Parameters
    ----------
    spec : HpaSpec
    history : History
    current : int
        Replicas now.
    proposals : sequence of int or None
        What each metric asks for, by the functions of `calculator`; None where a metric is missing.
    now_s : float
        Unix seconds.

    Returns
    -------
    Decision
    """
    # The controller starts with the replicas it finds: the scale-down window holds them in the first period.
    history = history.started(current, now_s)
    if current == 0 and spec.min_replicas > 0:
        return Decision(0, None, Reason.DISABLED, history)
    # Bounds come before any metric is read.
    if current > spec.max_replicas or current < spec.min_replicas:
        bound = spec.max_replicas if current > spec.max_replicas else spec.min_replicas
        reason = Reason.MAX_REPLICAS if current > spec.max_replicas else Reason.MIN_REPLICAS
        return Decision(bound, None, reason, history.changed(bound - current, now_s))
    known = [proposal for proposal in proposals if proposal is not None]
    if not known or (len(known) < len(proposals) and max(known) < current):
        return Decision(current, None, Reason.NO_METRIC, history)
    recommended = max(known)
    stable = stabilised(spec, history, current, recommended, now_s)
    replicas, limit = limited(spec, history, current, stable, now_s)
    if limit is not None:
        reason = limit
    elif stable != recommended:
        reason = Reason.STABILISED_UP if stable < recommended else Reason.STABILISED_DOWN
    else:
        reason = Reason.NO_CHANGE if recommended == current else Reason.AS_WANTED
    return Decision(replicas, recommended, reason, history.remember(spec, now_s, recommended, replicas - current))
