"""The part of the evidence in which both arms can be compared: the same blocks, without the first minute."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import ARMS, ArmFrames
from meshlab.questions.canary.modes import aligned
from meshlab.questions.canary.outcomes import Outcomes, outcomes
from meshlab.questions.canary.settings import CanarySettings, Mode

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
    arms = _warmed_up(aligned(whole, settings), settings)
    sides = {side: outcomes(arms.frames[side], arms.possible) for side in ("source", "destination")}
    # No source proxy counts a mirrored request: only the destination's does.
    at_source = settings.mode is not Mode.MIRROR and any(sides["source"].requests)
    return Comparable(whole, arms, sides, "source" if at_source else "destination")


def _warmed_up(arms: ArmFrames, settings: CanarySettings) -> ArmFrames:
    """Leave out the blocks before both arms are warm: a first minute is not what a version will do."""
    first = {arm: int(blocks[0]) for arm in ARMS if len(blocks := arms.served(arm))}
    # The first block of a window has no counter of a pod that starts in it: one block is no late start.
    late = max(first, key=lambda arm: first[arm]) if first else ""
    if not late or first[late] <= 1:
        return arms
    begin = first[late] + math.ceil(settings.warm_up_s / settings.block_s)
    lost = begin - first[late] if settings.mode is Mode.BLUE_GREEN else begin
    kept = {name: frame[frame["block"] >= begin] for name, frame in arms.frames.items()}
    started_s = float(first[late]) * settings.block_s
    return replace(arms, frames=kept, possible=max(arms.possible - lost, 0), late=late, started_s=started_s)
