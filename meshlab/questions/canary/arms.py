"""The requests of the two arms: cut out once, so that nothing behind it asks whose row it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.subject import Subject
from meshlab.questions.canary.arm_selection import ArmSelection

__all__ = ["ARMS", "BASELINE", "CANARY", "ArmFrames", "Floats", "block_ends"]

Floats = NDArray[np.float64]

BASELINE: Final = "baseline"
CANARY: Final = "canary"
ARMS: Final = (BASELINE, CANARY)


@dataclass(frozen=True, slots=True)
class ArmFrames:
    """Rows of the two arms of one subject.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        ``source``, ``destination`` and ``latency`` of the evidence; ``arm`` is `BASELINE` or `CANARY`.
    possible : int
        Blocks of time that could be compared.
    after_s : float or None
        How long before the canary's blocks the baseline's were; None where they are the same moments.
    late : str
        The arm that started last inside the window; empty when both were there from the start.
    started_s : float
        Seconds from the window's start to the late arm's first requests.
    """

    frames: Mapping[str, pd.DataFrame]
    possible: int
    after_s: float | None = None
    late: str = ""
    started_s: float = 0.0

    @classmethod
    def of(cls, frames: Mapping[str, pd.DataFrame], subject: Subject, arms: ArmSelection, possible: int) -> ArmFrames:
        """Cut the arms out of the evidence's frames."""
        roles, cut = dict(zip(arms.names, ARMS, strict=True)), {}
        for name in ("source", "destination", "latency"):
            rows = frames[name][subject.mask(frames[name]) & frames[name]["arm"].isin(list(roles))]
            cut[name] = rows.assign(arm=rows["arm"].map(roles))
        return cls(cut, possible)

    def served(self, arm: str) -> pd.Index[int]:
        """The blocks in which an arm got requests, at either side."""
        sides = (self.frames[name] for name in ("source", "destination"))
        blocks = [side.loc[(side["arm"] == arm) & (side["count"] > 0), "block"] for side in sides]
        numbers: pd.Index[int] = pd.Index(np.unique(np.concatenate(blocks)).tolist(), dtype="int64")
        return numbers


def block_ends(frame: pd.DataFrame, blocks: pd.Index[int]) -> pd.DatetimeIndex:
    """The times at which blocks end, as the frame has them."""
    return pd.DatetimeIndex(frame.drop_duplicates("block").set_index("block")["time"].reindex(blocks))
