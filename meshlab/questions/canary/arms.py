"""The requests of the two arms: cut out once, so that nothing behind it asks whose row it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.subject import Subject

__all__ = ["ARMS", "BASELINE", "CANARY", "Floats", "arm_frames", "block_ends", "served"]

Floats = NDArray[np.float64]

BASELINE: Final = "baseline"
CANARY: Final = "canary"
ARMS: Final = (BASELINE, CANARY)
_MEASURED: Final = ("source", "destination", "latency")


def arm_frames(
    frames: Mapping[str, pd.DataFrame], subject: Subject, baseline: str, canary: str
) -> dict[str, pd.DataFrame]:
    """Rows of the two arms of one subject; ``arm`` is `BASELINE` or `CANARY` in place of the arm's name.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Of the evidence: ``source``, ``destination`` and ``latency`` are cut, others left out.
    subject : Subject
    baseline, canary : str
        The arms' names.
    """
    roles = {baseline: BASELINE, canary: CANARY}
    cut = {}
    for name in _MEASURED:
        frame = frames[name]
        rows = frame[subject.mask(frame) & frame["arm"].isin(list(roles))]
        cut[name] = rows.assign(arm=rows["arm"].map(roles))
    return cut


def served(frames: Mapping[str, pd.DataFrame], arm: str) -> pd.Index[int]:
    """The blocks in which an arm got requests, at either side."""
    sides = (frames[name] for name in ("source", "destination"))
    blocks = [side.loc[(side["arm"] == arm) & (side["count"] > 0), "block"] for side in sides]
    found: pd.Index[int] = pd.Index(np.unique(np.concatenate(blocks)).tolist(), dtype="int64")
    return found


def block_ends(frame: pd.DataFrame, blocks: pd.Index[int]) -> pd.DatetimeIndex:
    """The times at which blocks end, as the frame has them."""
    return pd.DatetimeIndex(frame.drop_duplicates("block").set_index("block")["time"].reindex(blocks))
