"""How fast an autoscaler may scale: stabilization windows and policies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from meshlab.questions.scaling.hpa.reasons import Reason
from meshlab.questions.scaling.hpa.spec import HpaSpec, PolicyType, ScalingRules, SelectPolicy

__all__ = ["Event", "History", "limited", "stabilised"]


@dataclass(frozen=True, slots=True)
class Event:
    """Replicas added (positive), removed (negative) or recommended at a moment in unix seconds."""

    at_s: float
    replicas: int


@dataclass(frozen=True, slots=True)
class History:
    """What the controller remembers of an autoscaler."""

    recommendations: tuple[Event, ...] = ()
    """What the metrics alone asked for."""
    changes: tuple[Event, ...] = ()
    """The changes that were applied."""

    def remember(self, spec: HpaSpec, now_s: float, recommended: int, change: int) -> History:
        """The history with one more sync period; what no window and no policy looks back to is dropped."""
        behaviour = spec.behaviour
        both = (behaviour.up, behaviour.down) if behaviour else ()
        windows = [rules.window_s for rules in both] or [spec.down_window_s]
        periods = [0.0, *(policy.period_s for rules in both for policy in rules.policies)]
        recommendations = (*_since(self.recommendations, now_s - max(windows)), Event(now_s, recommended))
        return History(recommendations, _since(self.changes, now_s - max(periods))).changed(change, now_s)

    def started(self, current: int, now_s: float) -> History:
        """The history with the current replicas as the recommendation of the first period."""
        return self if self.recommendations else replace(self, recommendations=(Event(now_s, current),))

    def changed(self, change: int, now_s: float) -> History:
        """The history with a change of replicas; 0 is no change."""
        return replace(self, changes=(*self.changes, Event(now_s, change))) if change else self


def stabilised(spec: HpaSpec, history: History, current: int, desired: int, now_s: float) -> int:
    """The most conservative recommendation of the windows."""
    past = history.recommendations
    if spec.behaviour is None:
        return max([desired, *(event.replicas for event in past if event.at_s >= now_s - spec.down_window_s)])
    up, down = (
        [event.replicas for event in past if event.at_s > now_s - rules.window_s]
        for rules in (spec.behaviour.up, spec.behaviour.down)
    )
    return min(max(current, min([desired, *up])), max([desired, *down]))


def limited(spec: HpaSpec, history: History, current: int, desired: int, now_s: float) -> tuple[int, Reason | None]:
    """The part of a change that policies and bounds allow, and which of them limited it."""
    behaviour = spec.behaviour
    if behaviour is None:
        # Without a behaviour one step up goes at most to twice the replicas, or to four.
        return _within(spec, desired, -1, max(2 * current, 4))
    if desired > current:
        return _within(spec, desired, -1, max(current, _reach(behaviour.up, history, current, now_s, up=True)))
    if desired < current:
        floor = min(current, _reach(behaviour.down, history, current, now_s, up=False))
        return _within(spec, desired, floor, spec.max_replicas + 1)
    return desired, None


def _within(spec: HpaSpec, desired: int, floor: int, ceiling: int) -> tuple[int, Reason | None]:
    """Apply the nearer bound; where both are the same it is the autoscaler's own."""
    lowest, highest = max(floor, spec.min_replicas), min(ceiling, spec.max_replicas)
    below = Reason.LIMITED_DOWN if floor > spec.min_replicas else Reason.MIN_REPLICAS
    above = Reason.LIMITED_UP if ceiling < spec.max_replicas else Reason.MAX_REPLICAS
    if desired < lowest:
        return lowest, below
    return (highest, above) if desired > highest else (desired, None)


def _reach(rules: ScalingRules, history: History, current: int, now_s: float, *, up: bool) -> int:
    """How far the policies let the replicas go in one direction."""
    if rules.select is SelectPolicy.DISABLED:
        return current
    proposed = []
    for policy in rules.policies:
        start = current - sum(event.replicas for event in history.changes if event.at_s > now_s - policy.period_s)
        change = policy.value if up else -policy.value
        if policy.kind is PolicyType.PODS:
            proposed.append(start + change)
        else:
            proposed.append((math.ceil if up else int)(start * (1 + change / 100)))
    # The largest change is the most replicas when scaling up, and the fewest when scaling down.
    return max(proposed) if (rules.select is not SelectPolicy.MIN) == up else min(proposed)


def _since(events: tuple[Event, ...], start_s: float) -> tuple[Event, ...]:
    return tuple(event for event in events if event.at_s >= start_s)
