"""What a new version does in its first minute is not what it will do: those blocks are left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from meshlab.core.subject import Subject
from meshlab.questions.canary.scope import Mode, Scope
from meshlab.questions.canary.settings import Policy

__all__ = ["Warm", "served", "warmed_up"]


@dataclass(frozen=True, slots=True)
class Warm:
    """Frames without the first blocks of an arm that started inside the window.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        As in the evidence.
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


def warmed_up(
    frames: Mapping[str, pd.DataFrame], subject: Subject, scope: Scope, possible: int, policy: Policy
) -> Warm:
    """Leave out the blocks before both arms are warm.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        ``source``, ``destination``, ``latency``.
    subject : Subject
    scope : Scope
        With both arms.
    possible : int
        Blocks that could be compared before.
    policy : Policy
        Sets the length of the warm-up.
    """
    first = {arm: found.min() for arm in (scope.baseline, scope.canary) if len(found := served(frames, subject, arm))}
    # The first block of a window has no counter of a pod that starts in it: one block is no late start.
    late = max(first, key=lambda arm: first[arm]) if first else ""
    if not late or first[late] <= 1:
        return Warm(frames, possible)
    begin = int(first[late]) + math.ceil(policy.warm_up_s / policy.block_s)
    lost = begin - int(first[late]) if scope.mode is Mode.BLUE_GREEN else begin
    kept = {name: frame[frame["block"] >= begin] if len(frame) else frame for name, frame in frames.items()}
    started_s = float(first[late]) * policy.block_s
    return Warm(MappingProxyType(kept), max(possible - lost, 0), late, started_s)


def served(frames: Mapping[str, pd.DataFrame], subject: Subject, arm: str) -> pd.Index[int]:
    """The blocks in which an arm got requests, by either side."""
    blocks: set[int] = set()
    for name in ("source", "destination"):
        frame = frames[name]
        if len(frame):
            column = frame["arm"] if "arm" in frame else frame["destination_version"]
            mine = frame[subject.mask(frame) & (column == arm) & (frame["count"] > 0)]
            blocks.update(int(block) for block in mine["block"].unique())
    return pd.Index(sorted(blocks), dtype="int64")
