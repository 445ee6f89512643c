"""How often does this judge fail a canary that is no different? Measured on the service's own traffic: an A/A test.

The baseline is compared with itself: some of its pods play the canary, or (where it has few pods) some of the blocks of
time from before the canary. Load, bursts and differences between pods that nobody modelled are in it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import beta

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.core.window import Window
from meshlab.display.numbers import interval, percent, plural
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import ArmSelection
from meshlab.questions.canary.arms import BASELINE, CANARY, ArmFrames
from meshlab.questions.canary.comparable import comparable
from meshlab.questions.canary.question import Canary, Facts
from meshlab.questions.canary.settings import CanarySettings, Mode

__all__ = ["Calibration", "calibrate"]

_FEWEST_PODS: Final = 6
_FEWEST_BLOCKS: Final = 30
_ALIKE: Final = ArmSelection("version", "", BASELINE, CANARY, "both of them the baseline")


@dataclass(frozen=True, slots=True)
class Calibration:
    """The verdicts on the baseline against itself.

    Parameters
    ----------
    method : str
        ``pods``, ``blocks``, or empty: not measured.
    verdicts : mapping of str to int
        How often each verdict came out.
    finding : Finding
        ML-CAN-011; informs.
    """

    method: str
    verdicts: Mapping[str, int]
    finding: Finding

    def __repr__(self) -> str:
        return f"A/A: {self.finding.statement}"


def calibrate(evidence: Evidence, settings: CanarySettings, *, splits: int = 40, seed: int = 1) -> Calibration:
    """Judge the baseline against itself, again and again.

    Parameters
    ----------
    evidence : Evidence
        What `collect` returned, for one service.
    settings : CanarySettings
    splits : int
        How often it is cut in two, at most; every cut once.
    seed : int
        Of the cuts.

    Returns
    -------
    Calibration
        Not measured where the baseline has fewer than 6 pods and fewer than 30 blocks come before the canary's first.
    """
    question = Canary()
    case = question.case_of(evidence, settings)
    settings = case.settings
    rng, window, arms = np.random.default_rng(seed), evidence.window, comparable(case).whole
    own = {name: frame[frame["arm"] == BASELINE] for name, frame in arms.frames.items()}
    pods, before = _pods(own["destination"]), _before(arms, settings.mode)
    share = _canary_share(arms.frames["destination"])
    if len(pods) >= _FEWEST_PODS:
        method, drawn = "pods", [_by_pods(own, cut) for cut in _cuts(pods, share, splits, rng)]
    elif len(before) >= _FEWEST_BLOCKS:
        method, drawn = "blocks", [_by_blocks(own, before, share, rng) for _ in range(splits)]
        length = timedelta(seconds=len(before) // 2 * settings.block_s)
        window = Window.aligned(window.start, window.start + length, 1000 * settings.block_s)
    else:
        return _not_measured(case, len(pods), len(before))
    quiet = settings.changed(canary_weight=0.0, mode=Mode.CANARY)
    counts = {str(verdict): 0 for verdict in Verdict}
    for cut in drawn:
        halves = dataclasses.replace(evidence, frames=cut, window=window, facts=Facts(_ALIKE))
        counts[str(question.answer(halves, quiet).verdict)] += 1
    return Calibration(method, counts, _finding(case, method, counts))


def _finding(case: Case, method: str, counts: dict[str, int]) -> Finding:
    tried, failed, alpha = sum(counts.values()), counts[Verdict.FAIL], case.settings.alpha
    low = float(beta.ppf(0.025, failed, tried - failed + 1)) if failed else 0.0
    high = float(beta.ppf(0.975, failed + 1, tried - failed)) if failed < tried else 1.0
    others = ", ".join(f"{count} {word}" for word, count in counts.items() if count and word != Verdict.FAIL)
    statement = (
        f"Of {tried} comparisons of the baseline with itself, cut in two by {method}, {failed} were a false FAIL "
        f"({percent(0.95)} interval {interval(low, high, 'share')}; at most {percent(alpha)} are promised)"
        f"{f', and {others}' if others else ''}."
    )
    numbers: dict[str, Any] = {"value": failed / tried, "interval": (low, high), "level": 0.95, "threshold": alpha}
    numbers |= {"unit": "share", "action": "Find out how the baseline's pods differ before you trust a FAIL."}
    return case.warn_if(low > alpha, "011", "calibration.often", statement, **numbers)


def _not_measured(case: Case, pods: int, blocks: int) -> Calibration:
    statement = (
        f"False alarms were not measured: the metrics name {plural(pods, 'pod')} of the baseline ({_FEWEST_PODS} are "
        f"needed), and {plural(blocks, 'block')} come before the canary's first ({_FEWEST_BLOCKS} are needed)."
    )
    action = "Start the window well before the canary."
    return Calibration("", {}, case.not_measured("011", "calibration", statement, action=action))


def _pods(frame: pd.DataFrame) -> list[str]:
    if "destination_instance" not in frame:
        return []
    return sorted(set(frame.loc[frame["count"] > 0, "destination_instance"]) - {""})


def _before(arms: ArmFrames, mode: Mode) -> list[int]:
    """Blocks in which the baseline served before the canary's first."""
    if mode is Mode.MIRROR:
        return []
    canary = arms.served(CANARY)
    return [int(block) for block in arms.served(BASELINE) if not len(canary) or block < canary.min()]


def _canary_share(frame: pd.DataFrame) -> float:
    """The canary's part of the requests of both arms, at most half; a tenth where it had none."""
    arms = frame.groupby("arm")["count"].sum()
    base, other = (float(arms.get(arm, 0)) for arm in (BASELINE, CANARY))
    return min(0.5, other / (base + other)) if other else 0.1


def _cuts(pods: list[str], share: float, splits: int, rng: np.random.Generator) -> list[frozenset[str]]:
    size = max(1, round(share * len(pods)))
    wanted = min(splits, math.comb(len(pods), size))
    cuts: dict[frozenset[str], None] = {}
    while len(cuts) < wanted:
        cuts[frozenset(rng.choice(pods, size, replace=False).tolist())] = None
    return list(cuts)


def _by_pods(frames: Mapping[str, pd.DataFrame], cut: frozenset[str]) -> dict[str, pd.DataFrame]:
    # The source reporter does not know the pod that answered.
    halves = {"source": frames["source"].iloc[:0]}
    for name in ("destination", "latency"):
        rows = frames[name]
        named = rows[rows["destination_instance"] != ""] if "destination_instance" in rows else rows.iloc[:0]
        arm = np.where(named["destination_instance"].isin(cut), CANARY, BASELINE) if len(named) else ""
        halves[name] = named.assign(arm=arm)
    return halves


def _by_blocks(
    frames: Mapping[str, pd.DataFrame], blocks: list[int], share: float, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Of every two neighbouring blocks one plays the canary, thinned to the canary's part of the traffic."""
    pairs = list(zip(blocks[::2], blocks[1::2], strict=False))
    turned = rng.random(len(pairs)) < 0.5
    base, other = {}, {}
    for at, ((first, second), turn) in enumerate(zip(pairs, turned, strict=True)):
        base[first if turn else second] = other[second if turn else first] = at
    halves = {}
    for name, rows in frames.items():
        half = rows.assign(arm=CANARY, block=rows["block"].map(other))
        half = _thinned(half, share / (1 - share), rng, cumulative=name == "latency")
        both = pd.concat([rows.assign(block=rows["block"].map(base)), half], ignore_index=True).dropna(subset=["block"])
        halves[name] = both.astype({"block": "int64"})
    return halves


def _thinned(frame: pd.DataFrame, part: float, rng: np.random.Generator, *, cumulative: bool) -> pd.DataFrame:
    if not cumulative or frame.empty:
        return frame.assign(count=rng.binomial(frame["count"], part) if len(frame) else frame["count"])
    keys = [column for column in frame.columns if column not in ("le", "count")]
    frame = frame.sort_values([*keys, "le"], kind="stable").dropna(subset=["block"])
    groups = frame.groupby(keys, sort=False)["count"]
    single = frame["count"] - groups.shift(fill_value=0)
    drawn = frame.assign(count=rng.binomial(single.clip(lower=0), part))
    return drawn.assign(count=drawn.groupby(keys, sort=False)["count"].cumsum())
