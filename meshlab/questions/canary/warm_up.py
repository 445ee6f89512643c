"""What a new version does in its first minute is not what it will do: those blocks are left out."""

from __future__ import annotations

import math
from dataclasses import replace

from meshlab.questions.canary.arms import ARMS, ArmFrames
from meshlab.questions.canary.settings import CanarySettings, Mode

__all__ = ["warmed_up"]


def warmed_up(arms: ArmFrames, settings: CanarySettings) -> ArmFrames:
    """Leave out the blocks before both arms are warm."""
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
