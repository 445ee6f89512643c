"""The part of the evidence in which both arms can be compared: the same blocks, without the first minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import ArmFrames
from meshlab.questions.canary.modes import aligned
from meshlab.questions.canary.outcomes import Outcomes, outcomes
from meshlab.questions.canary.settings import Mode
from meshlab.questions.canary.warm_up import warmed_up

__all__ = ["Comparable", "comparable"]


@dataclass(frozen=True, slots=True)
class Comparable:
    """What can be compared of one canary.

    Parameters
    ----------
    whole : ArmFrames
        Of the whole window.
    arms : ArmFrames
        With both arms in the same blocks, and without the warm-up.
    sides : mapping of str to Outcomes
        Requests and errors by reporter.
    side : str
        The reporter at which errors are counted.
    """

    whole: ArmFrames
    arms: ArmFrames
    sides: Mapping[str, Outcomes]
    side: str

    @property
    def counted(self) -> Outcomes:
        """Requests and errors at the side where errors are counted."""
        return self.sides[self.side]


def comparable(case: Case) -> Comparable:
    """Cut the arms out of a case's evidence, align their blocks and leave the warm-up out."""
    settings, window = case.settings, case.evidence.window
    assert case.subject is not None
    possible = (window.end_ms - window.start_ms) // (1000 * settings.block_s)
    whole = ArmFrames.of(case.evidence.frames, case.subject, arms_of(case), possible)
    arms = warmed_up(aligned(whole, settings), settings)
    sides = {side: outcomes(arms.frames[side], arms.possible) for side in ("source", "destination")}
    # No source proxy counts a mirrored request: only the destination's does.
    at_source = settings.mode is not Mode.MIRROR and any(sides["source"].requests)
    return Comparable(whole, arms, sides, "source" if at_source else "destination")
