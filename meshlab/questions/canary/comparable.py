"""The part of the evidence in which both arms can be compared: the same blocks, without the first minute."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import pandas as pd

from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import ARMS, BASELINE, CANARY, ArmFrames
from meshlab.questions.canary.outcomes import Outcomes, outcomes
from meshlab.questions.canary.settings import CanarySettings, Mode

__all__ = ["Comparable", "comparable"]

_TOGETHER: Final = 0.5
"""With this share of its blocks in common with the old version, the new one is compared at the same moments."""


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
    arms = _warmed_up(_aligned(whole, settings), settings)
    counts = partial(outcomes, possible=arms.possible, error_codes=settings.error_codes)
    sides = {side: counts(arms.frames[side]) for side in ("source", "destination")}
    # No source proxy counts a mirrored request: only the destination's does.
    at_source = settings.mode is not Mode.MIRROR and any(sides["source"].requests)
    return Comparable(whole, arms, sides, "source" if at_source else "destination")


def _aligned(arms: ArmFrames, settings: CanarySettings) -> ArmFrames:
    """Put the arms into the same blocks.

    A canary and a mirror live through the same moments as the baseline. Green serves after blue: each of its blocks,
    from the switch on, is paired with one of blue's last, in the order of time.
    """
    if settings.mode is not Mode.BLUE_GREEN:
        return arms
    blue, green = arms.served(BASELINE), arms.served(CANARY)
    if not len(green) or not len(blue) or len(blue.intersection(green)) >= _TOGETHER * len(green):
        return arms
    # The blocks of the switch itself belong to neither.
    before, after = blue.difference(green), green.difference(blue)
    before = before[before < after.min()]
    count = min(len(before), len(after))
    onto = dict(zip(before[len(before) - count :], after[:count], strict=True))
    gap_s = float(after[0] - before[len(before) - count]) * settings.block_s if count else 0.0
    moved = {name: _moved(frame, onto) for name, frame in arms.frames.items()}
    return replace(arms, frames=moved, possible=len(after), after_s=gap_s)


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


def _moved(frame: pd.DataFrame, onto: Mapping[int, int]) -> pd.DataFrame:
    """The baseline's blocks under the numbers and times of the canary's."""
    if frame.empty:
        return frame
    green = frame[frame["arm"] == CANARY]
    times = green.drop_duplicates("block").set_index("block")["time"]
    blue = frame[frame["arm"] == BASELINE]
    blue = blue.assign(block=blue["block"].map(onto)).dropna(subset=["block"]).astype({"block": frame["block"].dtype})
    blue = blue[blue["block"].isin(times.index)]
    blue = blue.assign(time=times.reindex(blue["block"]).to_numpy())
    green = green[green["block"].isin(list(onto.values()))]
    return pd.concat([blue.astype({"time": frame["time"].dtype}), green], ignore_index=True)
