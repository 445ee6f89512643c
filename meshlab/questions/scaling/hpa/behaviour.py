"""How fast an autoscaler may go which way: stabilisation windows and rate policies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from meshlab.questions.scaling.hpa.reasons import Reason
from meshlab.questions.scaling.hpa.spec import HpaSpec, Kind, Rules, Select

__all__ = ["Event", "History", "limited", "stabilised"]


@dataclass(frozen=True, slots=True)
class Event:
    """Replicas that were added (positive) or taken away (negative), or wanted, at a moment in unix seconds."""

    at_s: float
    replicas: int


@dataclass(frozen=True, slots=True)
class History:
    """What an autoscaler remembers.

    Parameters
    ----------
    recommendations : tuple of Event
        What the metrics alone asked for, not what was applied.
    changes : tuple of Event
        What was applied.
    """

    recommendations: tuple[Event, ...] = ()
    changes: tuple[Event, ...] = ()

    def remember(self, spec: HpaSpec, now_s: float, recommended: int, change: int) -> History:
        """The history with one more sync period; what no window and no policy looks back to is forgotten."""
        behaviour = spec.behaviour
        windows = [spec.down_window_s] if behaviour is None else [behaviour.up.window_s, behaviour.down.window_s]
        periods = [0.0]
        if behaviour is not None:
            periods += [policy.period_s for rules in (behaviour.up, behaviour.down) for policy in rules.policies]
        found = replace(
            self,
            recommendations=_since(self.recommendations, now_s - max(windows)),
            changes=_since(self.changes, now_s - max(periods)),
        )
        return History((*found.recommendations, Event(now_s, recommended)), found.changes).changed(change, now_s)

    def begun(self, current: int, now_s: float) -> History:
        """The history of an autoscaler that has seen what there is: at its first period that is its recommendation."""
        return self if self.recommendations else replace(self, recommendations=(Event(now_s, current),))

    def changed(self, change: int, now_s: float) -> History:
        """The history with a change of replicas; none is none."""
        return replace(self, changes=(*self.changes, Event(now_s, change))) if change else self


def stabilised(spec: HpaSpec, history: History, current: int, desired: int, now_s: float) -> int:
    """The most careful recommendation of the windows."""
    past = history.recommendations
    if spec.behaviour is None:
        return max([desired, *(one.replicas for one in past if one.at_s >= now_s - spec.down_window_s)])
    up = [one.replicas for one in past if one.at_s > now_s - spec.behaviour.up.window_s]
    down = [one.replicas for one in past if one.at_s > now_s - spec.behaviour.down.window_s]
    return min(max(current, min([desired, *up])), max([desired, *down]))


def limited(spec: HpaSpec, history: History, current: int, desired: int, now_s: float) -> tuple[int, Reason | None]:
    """What of a change the policies and the bounds let through, and which of them held it back."""
    behaviour = spec.behaviour
    if behaviour is None:
        # Without a behaviour one step up goes at most to twice the replicas, or to four.
        return _within(spec, desired, -1, max(2 * current, 4))
    if desired > current:
        return _within(spec, desired, -1, max(current, _up_limit(behaviour.up, history, current, now_s)))
    if desired < current:
        floor = min(current, _down_limit(behaviour.down, history, current, now_s))
        return _within(spec, desired, floor, spec.most + 1)
    return desired, None


def _within(spec: HpaSpec, desired: int, floor: int, ceiling: int) -> tuple[int, Reason | None]:
    """The bound that lies nearer is the one that holds; where both are the same it is the autoscaler's own."""
    lowest, below = (floor, Reason.LIMITED_DOWN) if floor > spec.least else (spec.least, Reason.LEAST)
    highest, above = (ceiling, Reason.LIMITED_UP) if ceiling < spec.most else (spec.most, Reason.MOST)
    if desired < lowest:
        return lowest, below
    return (highest, above) if desired > highest else (desired, None)


def _up_limit(rules: Rules, history: History, current: int, now_s: float) -> int:
    if rules.select is Select.DISABLED:
        return current
    proposed = []
    for policy in rules.policies:
        begin = current - _change(history, policy.period_s, now_s)
        grown = begin + policy.value if policy.kind is Kind.PODS else math.ceil(begin * (1 + policy.value / 100))
        proposed.append(grown)
    return min(proposed) if rules.select is Select.MIN else max(proposed)


def _down_limit(rules: Rules, history: History, current: int, now_s: float) -> int:
    if rules.select is Select.DISABLED:
        return current
    proposed = []
    for policy in rules.policies:
        begin = current - _change(history, policy.period_s, now_s)
        shrunk = begin - policy.value if policy.kind is Kind.PODS else int(begin * (1 - policy.value / 100))
        proposed.append(shrunk)
    # The largest change is the smallest number of replicas.
    return max(proposed) if rules.select is Select.MIN else min(proposed)


def _change(history: History, period_s: float, now_s: float) -> int:
    """Replicas added less those taken away within a period."""
    return sum(one.replicas for one in history.changes if one.at_s > now_s - period_s)


def _since(events: tuple[Event, ...], start_s: float) -> tuple[Event, ...]:
    return tuple(one for one in events if one.at_s >= start_s)
