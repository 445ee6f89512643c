"""The part of the evidence in which both arms can be compared: the same blocks, without the first minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import arm_frames
from meshlab.questions.canary.modes import Aligned, aligned
from meshlab.questions.canary.outcomes import Outcomes, outcomes
from meshlab.questions.canary.settings import Mode
from meshlab.questions.canary.warm_up import Warm, warmed_up

__all__ = ["Comparable", "comparable"]


@dataclass(frozen=True, slots=True)
class Comparable:
    """What can be compared of one canary.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Of `arm_frames`: the whole window.
    aligned : Aligned
        The same with both arms in the same blocks.
    warm : Warm
        The same without the warm-up.
    sides : mapping of str to Outcomes
        Requests and errors by reporter.
    side : str
        The reporter at which errors are counted.
    """

    frames: Mapping[str, pd.DataFrame]
    aligned: Aligned
    warm: Warm
    sides: Mapping[str, Outcomes]
    side: str

    @property
    def counted(self) -> Outcomes:
        """Requests and errors at the side where errors are counted."""
        return self.sides[self.side]


def comparable(case: Case) -> Comparable:
    """Cut the arms out of a case's evidence, align their blocks and leave the warm-up out."""
    arms, settings, window = arms_of(case), case.settings, case.evidence.window
    assert case.subject is not None
    frames = arm_frames(case.evidence.frames, case.subject, arms.baseline, arms.canary)
    block_ms = 1000 * settings.block_s
    pairs = aligned(frames, settings.mode, (window.end_ms - window.start_ms) // block_ms, block_ms)
    warm = warmed_up(pairs, settings.mode, settings)
    sides = {side: outcomes(warm.frames[side], warm.possible) for side in ("source", "destination")}
    # No source proxy counts a mirrored request: only the destination's does.
    at_source = settings.mode is not Mode.MIRROR and any(sides["source"].requests)
    return Comparable(frames, pairs, warm, sides, "source" if at_source else "destination")
