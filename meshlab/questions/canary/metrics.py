"""What is said of a metric that may fail the canary: whether it regressed, and whether that is tolerable."""

from __future__ import annotations

from typing import Any, Final

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import duration, interval, percent
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.multiple_testing import metric_verdict
from meshlab.questions.canary.settings import Mode

__all__ = ["at_level", "metric_finding", "wait_for"]

_CONCLUSIONS: Final = {
    Verdict.FAIL: "This is a statistically significant regression (tolerated: {}).",
    Verdict.WARN: "This is a statistically significant regression within the tolerated {}.",
    Verdict.PASS: "This is within the tolerated {}.",
    Verdict.INCONCLUSIVE: "Whether this stays within the tolerated {} is not decided yet.",
}


def metric_finding(
    case: Case,
    number: str,
    topic: str,
    measured: str,
    *,
    failing: bool,
    tolerated: bool,
    limit: str,
    wait: str,
    **more: Any,
) -> Finding:
    """A required finding: what was measured, what that concludes, and what to do.

    Parameters
    ----------
    case : Case
    number, topic : str
        Of its code and of its key.
    measured : str
        Sentences.
    failing, tolerated : bool
        Whether a regression is shown, and whether it is shown to be tolerable.
    limit : str
        What is tolerated, in words.
    wait : str
        What would settle it.
    **more
        As of `Case.finding`.
    """
    canary = arms_of(case).canary
    verdict = metric_verdict(failing=failing, tolerated=tolerated)
    service = case.subject.service if case.subject else ""
    action = {
        Verdict.FAIL: f"Roll back {canary} of {service}: set its traffic weight to 0.",
        Verdict.WARN: f"Decide whether {canary} is worth a regression within the margins.",
        Verdict.PASS: "",
        Verdict.INCONCLUSIVE: wait,
    }[verdict]
    if verdict is Verdict.FAIL and case.settings.mode is Mode.MIRROR:
        action = f"Send no live traffic to {canary} of {service}."
    statement = f"{measured} {_CONCLUSIONS[verdict].format(limit)}"
    return case.finding(number, f"{topic}.{verdict.lower()}", verdict, statement, required=True, action=action, **more)


def at_level(case: Case, ends: tuple[float, float]) -> str:
    """An interval with its level, such as ``98 % interval 0.1 to 0.8``."""
    return f"{percent(case.settings.level)} interval {interval(*ends)}"


def wait_for(what: str, seconds: float) -> str:
    """What to wait for, and about how long that takes at today's rate."""
    return f"Wait for {what} (about {duration(seconds, 2)})."
