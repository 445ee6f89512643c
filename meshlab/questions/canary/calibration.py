"""How often does this judge fail a canary that is none? Measured on the service's own traffic: an A/A test.

The baseline is compared with itself: some of its pods play the canary, or (where it has few pods) some of the blocks of
time from before the canary. Load, bursts and differences between pods that nobody modelled are in it.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import beta

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.core.subject import Subject
from meshlab.core.window import Window
from meshlab.questions.canary.arm_selection import Chosen
from meshlab.questions.canary.judge import judge
from meshlab.questions.canary.scope import Mode, Scope
from meshlab.questions.canary.settings import Policy
from meshlab.questions.canary.warm_up import served

__all__ = ["Calibration", "calibrate"]

_FEWEST_PODS: Final = 6
_FEWEST_BLOCKS: Final = 30
_BASE, _OTHER = "baseline", "the same"


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the judge said of the baseline against itself.

    Parameters
    ----------
    way : str
        ``pods``, ``blocks``, or empty: not measured.
    verdicts : mapping of str to int
        How often each verdict came out.
    finding : Finding
        ML-CAN-011; informs.
    """

    way: str
    verdicts: MappingProxyType[str, int]
    finding: Finding

    def __repr__(self) -> str:
        return f"A/A: {self.finding.statement}"


def calibrate(
    evidence: Evidence, scope: Scope, *, policy: Policy | None = None, splits: int = 40, seed: int = 1
) -> Calibration:
    """Judge the baseline against itself, again and again.

    Parameters
    ----------
    evidence : Evidence
        What `collect` returned, for one service.
    scope : Scope
    policy : Policy, optional
    splits : int
        How often it is cut in two, at most; every cut once.
    seed : int
        Of the cuts.

    Returns
    -------
    Calibration
        Not measured where the baseline has fewer than 6 pods and fewer than 30 blocks come before the canary's first.
    """
    policy = policy or Policy()
    if isinstance(evidence.chosen, Chosen):
        chosen = evidence.chosen
        scope = dataclasses.replace(scope, baseline=chosen.baseline, canary=chosen.canary, arm_by=chosen.arm_by)
    (subject,) = evidence.subjects
    rng = np.random.default_rng(seed)
    measured = {name: evidence.frames[name] for name in ("source", "destination", "latency")}
    pods = _pods(measured["destination"], subject, scope)
    before = _before(measured, subject, scope)
    if len(pods) >= _FEWEST_PODS:
        way, drawn = (
            "pods",
            [_by_pods(measured, subject, scope, cut) for cut in _cuts(pods, scope, measured, splits, rng)],
        )
    elif len(before) >= _FEWEST_BLOCKS:
        way, drawn = "blocks", [_by_blocks(measured, subject, scope, before, rng) for _ in range(splits)]
    else:
        return _not_measured(len(pods), len(before), str(subject))
    alike = Scope(service=scope.service, namespace=scope.namespace, baseline=_BASE, canary=_OTHER, arm_by="version")
    quiet = dataclasses.replace(policy, canary_weight=0.0)
    window = evidence.window
    if way == "blocks":
        length = timedelta(milliseconds=len(before) // 2 * policy.block_ms)
        window = Window.aligned(window.start, window.start + length, policy.block_ms)
    counts = {str(verdict): 0 for verdict in Verdict}
    for frames in drawn:
        told = dataclasses.replace(evidence, frames=MappingProxyType(frames), window=window, chosen=None)
        counts[str(judge(told, alike, policy=quiet, subject=subject).verdict)] += 1
    return Calibration(way, MappingProxyType(counts), _finding(way, counts, policy, str(subject)))


def _finding(way: str, counts: dict[str, int], policy: Policy, subject: str) -> Finding:
    tried, failed = sum(counts.values()), counts[Verdict.FAIL]
    low = float(beta.ppf(0.025, failed, tried - failed + 1)) if failed else 0.0
    high = float(beta.ppf(0.975, failed + 1, tried - failed)) if failed < tried else 1.0
    often = low > policy.alpha
    others = ", ".join(f"{count} {word}" for word, count in counts.items() if count and word != Verdict.FAIL)
    return Finding(
        code="ML-CAN-011",
        verdict=Verdict.WARN if often else Verdict.PASS,
        required=False,
        subject=subject,
        statement=(
            f"the baseline against itself, cut in two by {way} {tried} times: {failed} false FAIL "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %; promised are at most {100 * policy.alpha:g} %)"
            + (f", {others}" if others else "")
        ),
        value=failed / tried,
        interval=(low, high),
        level=0.95,
        threshold=policy.alpha,
        unit="share",
        action="do not trust a FAIL here before you know how the baseline's pods differ" if often else "",
    )


def _not_measured(pods: int, blocks: int, subject: str) -> Calibration:
    finding = Finding(
        code="ML-CAN-011",
        verdict=None,
        required=False,
        subject=subject,
        statement=(
            f"false alarms were not measured: the baseline has pods that can be told apart: {pods} ({_FEWEST_PODS} are "
            f"needed), and {blocks} blocks come before the canary's first ({_FEWEST_BLOCKS} are needed)"
        ),
        action="start the window well before the canary",
    )
    return Calibration("", MappingProxyType({}), finding)


def _pods(frame: pd.DataFrame, subject: Subject, scope: Scope) -> list[str]:
    if "destination_instance" not in frame or frame.empty:
        return []
    rows = frame[subject.mask(frame) & (frame["arm"] == scope.baseline) & (frame["count"] > 0)]
    return sorted(set(rows["destination_instance"]) - {""})


def _before(frames: dict[str, pd.DataFrame], subject: Subject, scope: Scope) -> list[int]:
    if scope.mode is Mode.MIRROR:
        return []
    canary = served(frames, subject, scope.canary)
    base = served(frames, subject, scope.baseline)
    return [int(block) for block in base if not len(canary) or block < canary.min()]


def _share(frames: dict[str, pd.DataFrame], scope: Scope) -> float:
    """The canary's part of the requests of both arms, at most half; a tenth where it had none."""
    frame = frames["destination"]
    arms = frame.groupby("arm" if "arm" in frame else "destination_version")["count"].sum()
    base, other = (float(arms.get(arm, 0)) for arm in (scope.baseline, scope.canary))
    return min(0.5, other / (base + other)) if other else 0.1


def _cuts(
    pods: list[str], scope: Scope, frames: dict[str, pd.DataFrame], splits: int, rng: np.random.Generator
) -> list[frozenset[str]]:
    size = max(1, round(_share(frames, scope) * len(pods)))
    wanted = min(splits, math.comb(len(pods), size))
    cuts: dict[frozenset[str], None] = {}
    while len(cuts) < wanted:
        cuts[frozenset(rng.choice(pods, size, replace=False).tolist())] = None
    return list(cuts)


def _by_pods(
    frames: dict[str, pd.DataFrame], subject: Subject, scope: Scope, cut: frozenset[str]
) -> dict[str, pd.DataFrame]:
    # The callers' proxies do not know the pod that answered.
    found = {"source": frames["source"].iloc[:0]}
    for name in ("destination", "latency"):
        rows = frames[name]
        rows = rows[subject.mask(rows) & (rows["arm"] == scope.baseline)]
        if "destination_instance" in rows:
            rows = rows[rows["destination_instance"] != ""]
            arm = np.where(rows["destination_instance"].isin(cut), _OTHER, _BASE)
            found[name] = rows.assign(arm=arm)
        else:
            found[name] = rows.iloc[:0]
    return found


def _by_blocks(
    frames: dict[str, pd.DataFrame], subject: Subject, scope: Scope, blocks: list[int], rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Of every two neighbouring blocks one plays the canary, thinned to the canary's part of the traffic."""
    keep = _share(frames, scope)
    pairs = list(zip(blocks[::2], blocks[1::2], strict=False))
    turned = rng.random(len(pairs)) < 0.5
    base, other = {}, {}
    for at, ((first, second), turn) in enumerate(zip(pairs, turned, strict=True)):
        base[first if turn else second] = other[second if turn else first] = at
    thin = keep / (1 - keep)
    found = {}
    for name, frame in frames.items():
        arm = frame["arm" if "arm" in frame else "destination_version"]
        rows = frame[subject.mask(frame) & (arm == scope.baseline)] if len(frame) else frame
        one = rows.assign(arm=_BASE, block=rows["block"].map(base))
        two = rows.assign(arm=_OTHER, block=rows["block"].map(other))
        two = _thinned(two, thin, rng, cumulative=name == "latency")
        both = pd.concat([one, two], ignore_index=True).dropna(subset=["block"])
        found[name] = both.astype({"block": "int64"})
    return found


def _thinned(frame: pd.DataFrame, part: float, rng: np.random.Generator, *, cumulative: bool) -> pd.DataFrame:
    if not cumulative or frame.empty:
        return frame.assign(count=rng.binomial(frame["count"], part) if len(frame) else frame["count"])
    keys = [column for column in frame.columns if column not in ("le", "count")]
    frame = frame.sort_values([*keys, "le"], kind="stable").dropna(subset=["block"])
    groups = frame.groupby(keys, sort=False)["count"]
    single = frame["count"] - groups.shift(fill_value=0)
    drawn = frame.assign(count=rng.binomial(single.clip(lower=0), part))
    return drawn.assign(count=drawn.groupby(keys, sort=False)["count"].cumsum())
