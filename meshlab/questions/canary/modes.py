"""Three ways to try a version: beside the old one, after it, or with copies of its requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import BASELINE, CANARY, served
from meshlab.questions.canary.outcomes import Outcomes
from meshlab.questions.canary.settings import Mode
from meshlab.questions.canary.text import percent

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
        As of `arm_frames`.
    possible : int
        Blocks that could be compared.
    after_s : float or None
        How long before the new version's blocks the old one's are; None where they are the same moments.
    """

    frames: Mapping[str, pd.DataFrame]
    possible: int
    after_s: float | None = None


def aligned(frames: Mapping[str, pd.DataFrame], mode: str, possible: int, block_ms: int) -> Aligned:
    """Put the arms into the same blocks.

    A canary and a mirror live through the same moments as the baseline. Green serves after blue: each of its blocks,
    from the switch on, is paired with one of blue's last, in the order of time.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Of `arm_frames`.
    mode : Mode
    possible : int
        Blocks of the window.
    block_ms : int
    """
    if mode != Mode.BLUE_GREEN:
        return Aligned(frames, possible)
    blue, green = served(frames, BASELINE), served(frames, CANARY)
    if not len(green) or not len(blue) or len(blue.intersection(green)) >= _TOGETHER * len(green):
        return Aligned(frames, possible)
    # The blocks of the switch itself belong to neither.
    before, after = blue.difference(green), green.difference(blue)
    before = before[before < after.min()]
    count = min(len(before), len(after))
    onto = dict(zip(before[len(before) - count :], after[:count], strict=True))
    gap_s = float(after[0] - before[len(before) - count]) * block_ms / 1000 if count else 0.0
    return Aligned({name: _moved(frame, onto) for name, frame in frames.items()}, len(after), gap_s)


def mode_finding(case: Case, found: Aligned, source: Outcomes, destination: Outcomes) -> Iterator[Finding]:
    """ML-CAN-007: what the way of trying means for the verdict; none for a plain canary."""
    baseline, canary = arms_of(case).names
    if case.settings.mode is Mode.MIRROR:
        yield _mirror_finding(case, source, destination)
    elif case.settings.mode is Mode.BLUE_GREEN and found.after_s is None:
        statement = f"{baseline} and {canary} served at the same time and are compared moment by moment."
        yield case.finding("007", "mode.together", Verdict.PASS, statement)
    elif found.after_s is not None:
        yield case.finding(
            "007",
            "mode.after",
            None,
            f"{canary} served after {baseline}: each moment is compared with one {found.after_s / 60:.1f} minutes "
            "earlier, so whatever else changed in between counts as well.",
            action="Let both versions serve together for a while to compare them at the same moments.",
        )


def _mirror_finding(case: Case, source: Outcomes, destination: Outcomes) -> Finding:
    baseline, canary = arms_of(case).names
    live, (own, mirrored) = source.requests[1], destination.requests
    share = mirrored / own if own else 0.0
    mixed = live > _LIVE * max(mirrored, 1)
    reached = f"It also served {live:,} live requests of users" if mixed else "No live request reached it"
    return case.finding(
        "007",
        "mode.live_traffic" if mixed else "mode.mirror",
        Verdict.WARN if mixed else Verdict.PASS,
        f"{percent(share)} of the requests to {baseline} were mirrored to {canary}. {reached}.",
        value=share,
        unit="share",
        action=f"Take {canary} out of the traffic split, or judge it with mode canary." if mixed else "",
    )


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
