"""Three ways to try a version: beside the old one, after it, or with copies of its requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.core.subject import Subject
from meshlab.questions.canary.arms import Outcomes
from meshlab.questions.canary.scope import Mode, Scope
from meshlab.questions.canary.warm_up import served

__all__ = ["Aligned", "aligned", "mode_finding"]

_TOGETHER: Final = 0.5
"""With this share of its blocks in common with the old version, the new one is compared at the same moments."""
_LIVE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Aligned:
    """Frames in which both arms stand in the same blocks.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        As in the evidence.
    possible : int
        Blocks that could be compared.
    after_s : float or None
        How long before the new version's blocks the old one's are; None where they are the same moments.
    """

    frames: Mapping[str, pd.DataFrame]
    possible: int
    after_s: float | None


def aligned(
    frames: Mapping[str, pd.DataFrame], subject: Subject, scope: Scope, possible: int, block_ms: int
) -> Aligned:
    """Put the arms into the same blocks.

    A canary and a mirror live through the same moments as the baseline. Green serves after blue: each of its blocks,
    from the switch on, is paired with one of blue's last, in the order of time.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        ``source``, ``destination``, ``latency``.
    subject : Subject
    scope : Scope
        With both arms.
    possible : int
        Blocks of the window.
    block_ms : int
    """
    if scope.mode is not Mode.BLUE_GREEN:
        return Aligned(frames, possible, None)
    blocks_of = {arm: served(frames, subject, arm) for arm in (scope.baseline, scope.canary)}
    blue, green = blocks_of[scope.baseline], blocks_of[scope.canary]
    both = blue.intersection(green)
    if not len(green) or not len(blue) or len(both) >= _TOGETHER * len(green):
        return Aligned(frames, possible, None)
    # The blocks of the switch itself belong to neither.
    before, after = blue.difference(green), green.difference(blue)
    before = before[before < after.min()]
    count = min(len(before), len(after))
    onto = dict(zip(before[len(before) - count :], after[:count], strict=True))
    moved = {name: _moved(frame, scope, onto) for name, frame in frames.items()}
    gap = float(after[0] - before[len(before) - count]) * block_ms / 1000 if count else 0.0
    return Aligned(MappingProxyType(moved), len(after), gap)


def mode_finding(found: Aligned, source: Outcomes, destination: Outcomes, scope: Scope, subject: str) -> Finding | None:
    """ML-CAN-007: what the way of trying means for the verdict; none for a plain canary."""
    code = "ML-CAN-007"
    if scope.mode is Mode.MIRROR:
        return _mirror_finding(code, source, destination, scope, subject)
    if scope.mode is Mode.BLUE_GREEN:
        if found.after_s is None:
            text = f"{scope.baseline} and {scope.canary} served at the same time, and are compared moment by moment"
            return Finding(code=code, verdict=Verdict.PASS, required=False, subject=subject, statement=text)
        return Finding(
            code=code,
            verdict=None,
            required=False,
            subject=subject,
            statement=(
                f"{scope.canary} served after {scope.baseline}: each moment is compared with one "
                f"{found.after_s / 60:.1f} minutes earlier, so whatever else changed in between counts as well"
            ),
            action="for a comparison at the same moments, let both serve for a while",
        )
    return None


def _mirror_finding(code: str, source: Outcomes, destination: Outcomes, scope: Scope, subject: str) -> Finding:
    live, (own, copies) = source.requests[1], destination.requests
    share = copies / own if own else 0.0
    mixed = live > _LIVE * max(copies, 1)
    return Finding(
        code=code,
        verdict=Verdict.WARN if mixed else Verdict.PASS,
        required=False,
        subject=subject,
        statement=f"{scope.canary} got copies of {100 * share:.1f} % of the requests of {scope.baseline}"
        + (f", and {live:,} live ones, which users felt" if mixed else ", and no live one: users felt nothing of it"),
        value=share,
        unit="share",
        action="take it out of the split, or judge it as a canary" if mixed else "",
    )


def _moved(frame: pd.DataFrame, scope: Scope, onto: Mapping[int, int]) -> pd.DataFrame:
    """The baseline's blocks under the numbers and times of the canary's."""
    if frame.empty:
        return frame
    column = frame["arm"] if "arm" in frame else frame["destination_version"]
    times = frame[column == scope.canary].drop_duplicates("block").set_index("block")["time"]
    blue = frame[column == scope.baseline]
    blue = blue.assign(block=blue["block"].map(onto)).dropna(subset=["block"]).astype({"block": frame["block"].dtype})
    blue = blue[blue["block"].isin(times.index)]
    blue = blue.assign(time=times.reindex(blue["block"]).to_numpy())
    green = frame[(column == scope.canary) & frame["block"].isin(list(onto.values()))]
    return pd.concat([blue.astype({"time": frame["time"].dtype}), green], ignore_index=True)
