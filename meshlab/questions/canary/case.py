"""One canary to be judged: its evidence, its arms and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.core.subject import Subject
from meshlab.questions.canary.arm_selection import ArmSelection
from meshlab.questions.canary.multiple_testing import metric_verdict
from meshlab.questions.canary.scope import Mode
from meshlab.questions.canary.settings import Policy

__all__ = ["Case"]

_CONCLUSIONS: Final = {
    Verdict.FAIL: "This is a statistically significant regression (tolerated: {}).",
    Verdict.WARN: "This is a statistically significant regression within the tolerated {}.",
    Verdict.PASS: "This is within the tolerated {}.",
    Verdict.INCONCLUSIVE: "Whether this stays within the tolerated {} is not decided yet.",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One canary.

    Parameters
    ----------
    evidence : Evidence
    subject : Subject
    settings : Policy
    arms : ArmSelection
    mode : Mode
    """

    evidence: Evidence
    subject: Subject
    settings: Policy
    arms: ArmSelection
    mode: Mode

    def finding(
        self, code: str, key: str, verdict: Verdict | None, statement: str, *, frame: str = "", **more: Any
    ) -> Finding:
        """A finding on this case; `frame` names the frame whose query proves it."""
        query = self.evidence.queries[frame].promql if frame in self.evidence.queries else ""
        code, subject = f"ML-CAN-{code}", str(self.subject)
        return Finding(
            code=code,
            key=f"canary.{key}",
            verdict=verdict,
            subject=subject,
            statement=statement,
            query=query,
            **more,
        )

    def metric(
        self,
        code: str,
        topic: str,
        statement: str,
        *,
        failing: bool,
        tolerated: bool,
        limit: str,
        wait: str,
        **more: Any,
    ) -> Finding:
        """A required finding on a metric: what was measured, what that concludes, and what to do.

        Parameters
        ----------
        code, topic : str
        statement : str
            What was measured: sentences.
        failing, tolerated : bool
            Whether a regression is shown, and whether it is shown to be tolerable.
        limit : str
            What is tolerated, in words.
        wait : str
            What would settle it.
        **more
            As of `finding`.
        """
        verdict = metric_verdict(failing=failing, tolerated=tolerated)
        action = {Verdict.FAIL: self.roll_back, Verdict.INCONCLUSIVE: wait, Verdict.PASS: ""}
        action[Verdict.WARN] = f"Decide whether {self.arms.canary} is worth a regression within the margins."
        statement = f"{statement} {_CONCLUSIONS[verdict].format(limit)}"
        return self.finding(code, f"{topic}.{verdict.lower()}", verdict, statement, action=action[verdict], **more)

    @property
    def roll_back(self) -> str:
        """What to do with a bad version."""
        if self.mode is Mode.MIRROR:
            return f"Send no live traffic to {self.arms.canary} of {self.subject.service}."
        return f"Roll back {self.arms.canary} of {self.subject.service}: set its traffic weight to 0."
