"""The policies that people reach for, in the words of those who configure them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from meshlab.questions.retries.simulate.policy import Concurrency, Ratio, RetryPolicy, Tokens

__all__ = ["alternatives"]

_BUDGET: Final = Concurrency(least=3, percent=20)


def alternatives(force: RetryPolicy) -> list[RetryPolicy]:
    """The policy in force, and what could be in its place.

    Parameters
    ----------
    force : RetryPolicy
    """
    policies = [force, force.each("no retries", retries=0)]
    if max(hop.retries for hop in force.hops) > 1:
        policies.append(force.each("1 retry", retries=1))
    if len(force.hops) > 1:
        policies += [
            force.only("at the last hop only", -1),
            force.only("at the first hop only", 0),
            force.only("", -1).each("budget of 20 %, at the last hop only", limit=_BUDGET),
        ]
    policies += [
        force.each("budget of 20 %", limit=_BUDGET),
        force.each("budget of 10 %", limit=Concurrency(least=1, percent=10)),
        force.each("max_retries 3", limit=Concurrency(least=3)),
        force.each("Linkerd's budget of 20 %", limit=Ratio(0.2)),
        force.each("bucket of 10 tokens", limit=Tokens()),
    ]
    if any(hop.per_try_s for hop in force.hops):
        policies += [
            _times(force, "timeouts of tries doubled", per_try_s=2.0),
            _times(force, "timeouts of tries halved", per_try_s=0.5),
        ]
    return [*policies, _times(force, "back-off ten times as long", back_off_s=10.0)]


def _times(force: RetryPolicy, name: str, **factors: float) -> RetryPolicy:
    """The same with times multiplied at every hop."""
    hops = (replace(hop, **{key: getattr(hop, key) * by for key, by in factors.items()}) for hop in force.hops)
    return RetryPolicy(name, tuple(hops))
