"""Three ways to try a version: beside the old one, after it, or with copies of its requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import duration, percent
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.arms import BASELINE, CANARY, ArmFrames
from meshlab.questions.canary.outcomes import Outcomes
from meshlab.questions.canary.settings import CanarySettings, Mode

__all__ = ["aligned", "mode_finding"]

_TOGETHER: Final = 0.5
"""With this share of its blocks in common with the old version, the new one is compared at the same moments."""
_LIVE: Final = 0.01


def aligned(arms: ArmFrames, settings: CanarySettings) -> ArmFrames:
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


def mode_finding(case: Case, after_s: float | None, source: Outcomes, destination: Outcomes) -> Iterator[Finding]:
    """ML-CAN-007: what the way of trying means for the verdict; none for a plain canary."""
    baseline, canary = arms_of(case).names
    if case.settings.mode is Mode.MIRROR:
        yield _mirror_finding(case, source, destination)
    elif after_s is not None:
        statement = (
            f"{canary} served after {baseline}: each moment is compared with one {duration(after_s)} earlier, "
            "so whatever else changed in between counts as well."
        )
        action = "Let both versions serve together for a while to compare them at the same moments."
        yield case.finding("007", "mode.after", None, statement, action=action)
    elif case.settings.mode is Mode.BLUE_GREEN:
        statement = f"{baseline} and {canary} served at the same time and are compared moment by moment."
        yield case.finding("007", "mode.together", Verdict.PASS, statement)


def _mirror_finding(case: Case, source: Outcomes, destination: Outcomes) -> Finding:
    baseline, canary = arms_of(case).names
    live, (own, mirrored) = source.requests[1], destination.requests
    share = mirrored / own if own else 0.0
    statement = f"{percent(share)} of the requests to {baseline} were mirrored to {canary}."
    if live <= _LIVE * max(mirrored, 1):
        statement += " No live request reached it."
        return case.finding("007", "mode.mirror", Verdict.PASS, statement, value=share, unit="share")
    statement += f" It also served {live:,} live requests of users."
    action = f"Take {canary} out of the traffic split, or judge it with mode canary."
    return case.finding("007", "mode.live_traffic", Verdict.WARN, statement, value=share, unit="share", action=action)


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
