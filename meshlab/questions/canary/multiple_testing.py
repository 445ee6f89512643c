"""Which of several metrics fail, so that one false alarm in all of them stays as rare as promised."""

from __future__ import annotations

import math
from collections.abc import Mapping

from meshlab.core.results import Verdict

__all__ = ["failing_metrics", "metric_verdict"]


def failing_metrics(evidence: Mapping[str, float], stakes: Mapping[str, float], alpha: float) -> frozenset[str]:
    """The metrics whose "not worse" is refuted, family-wise at a level.

    Holm's step-down with weights: the metric with the most evidence for its stake goes first; when it falls, its stake
    goes to those that are left. An e-process gives a p-value that holds at every look: one over its largest value.

    Parameters
    ----------
    evidence : mapping of str to float
        Natural logarithm of the e-process against "not worse", by metric.
    stakes : mapping of str to float
        Parts of alpha.
    alpha : float

    Returns
    -------
    frozenset of str

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979), section 4 for
    weights.
    """
    left, fallen = dict(evidence), set[str]()
    while left:
        shared = sum(stakes[name] for name in left)
        name = max(left, key=lambda metric: left[metric] + math.log(stakes[metric]))
        if left[name] + math.log(stakes[name] / shared) < math.log(1.0 / alpha):
            break
        fallen.add(name)
        del left[name]
    return frozenset(fallen)


def metric_verdict(*, failing: bool, tolerated: bool) -> Verdict:
    """One metric's verdict: a significant regression, shown to be tolerable, both (a warning), or neither."""
    if failing:
        return Verdict.WARN if tolerated else Verdict.FAIL
    return Verdict.PASS if tolerated else Verdict.INCONCLUSIVE
