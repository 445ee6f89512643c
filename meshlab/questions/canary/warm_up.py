"""What a new version does in its first minute is not what it will do: those blocks are left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from meshlab.questions.canary.arms import BASELINE, CANARY, served
from meshlab.questions.canary.modes import Aligned
from meshlab.questions.canary.settings import CanarySettings, Mode

__all__ = ["Warm", "warmed_up"]


@dataclass(frozen=True, slots=True)
class Warm:
    """Frames without the blocks before both arms were warm.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        As of `arm_frames`.
    possible : int
        Blocks that could be compared.
    late : str
        The arm that started last inside the window; empty when both were there from the start.
    started_s : float
        Seconds from the window's start to the late arm's first requests.
    """

    frames: Mapping[str, pd.DataFrame]
    possible: int
    late: str = ""
    started_s: float = 0.0


def warmed_up(aligned: Aligned, mode: str, settings: CanarySettings) -> Warm:
    """Leave out the blocks before both arms are warm.

    Parameters
    ----------
    aligned : Aligned
    mode : Mode
    settings : CanarySettings
        Sets the length of the warm-up.
    """
    frames, possible = aligned.frames, aligned.possible
    first = {arm: int(blocks[0]) for arm in (BASELINE, CANARY) if len(blocks := served(frames, arm))}
    # The first block of a window has no counter of a pod that starts in it: one block is no late start.
    late = max(first, key=lambda arm: first[arm]) if first else ""
    if not late or first[late] <= 1:
        return Warm(frames, possible)
    begin = first[late] + math.ceil(settings.warm_up_s / settings.block_s)
    lost = begin - first[late] if mode == Mode.BLUE_GREEN else begin
    kept = {name: frame[frame["block"] >= begin] for name, frame in frames.items()}
    return Warm(kept, max(possible - lost, 0), late, float(first[late]) * settings.block_s)
