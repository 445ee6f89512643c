"""What other policies would have done in this incident, and what ends it now: the simulator, fed by the evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.questions.retries.cube import Floats, long
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.effective_policy import InForce, in_force
from meshlab.questions.retries.lint import EdgePolicy
from meshlab.questions.retries.outcomes import failed
from meshlab.questions.retries.settings import Policy
from meshlab.questions.retries.simulate import (
    Blocks,
    Calibrated,
    Concurrency,
    Cure,
    NotCalibrated,
    Ratio,
    RetryPolicy,
    Tokens,
    calibrate,
    cuts,
    recover,
    simulate,
)
from meshlab.questions.retries.storm import State, Storm

__all__ = ["WhatIf", "what_if"]

_BEFORE_S: Final = 60
_AFTER_S: Final = 90
_CALM_S: Final = 20
_HELP_AFTER_S: Final = 30
_WITHIN_S: Final = 60
_TIMES: Final = {"doubled": 2.0, "halved": 0.5}
_CUTS: Final = (0.75, 0.5, 0.25, 0.1, 0.05)

_POLICIES: Final = ("policy", "recovered", "recovery_s", "answered", "attempts", "peak_per_s", "wasted")

_CURES: Final = ("help", "probability", "recovery_s", "low_s", "high_s")

# The gentlest first: what keeps most retries in good times.
_ADVISED: Final = ("budget of 20 %", "budget of 20 %, at the last hop only", "at the last hop only", "no retries")


@dataclass(frozen=True, slots=True, eq=False)
class WhatIf:
    """What the simulator says, or why it does not.

    Attributes
    ----------
    force : InForce or None
        None where no edge is amplified.
    refused : NotCalibrated or None
        Why there is no answer; then all that follows is empty.
    idle : bool
        There is no answer because there is nothing to stop.
    known : Calibrated or None
    policies : DataFrame
        `Runs.frame`, the policy in force first.
    cure : Cure or None
    cures : DataFrame
        ``help, probability, recovery_s, low_s, high_s``: of draws of arrivals, those that recover within a minute, and
        the seconds that the median and eight of ten of them take.
    advised : simulate.Policy or None
        The gentlest policy that recovers.
    """

    force: InForce | None
    refused: NotCalibrated | None
    idle: bool = False
    known: Calibrated | None = None
    policies: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_POLICIES)))
    cure: Cure | None = None
    cures: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_CURES)))
    advised: RetryPolicy | None = None


def what_if(
    evidence: Evidence, all_edges: Edges, found: Storm, policy: Policy, routes: Sequence[EdgePolicy] = ()
) -> WhatIf:
    """Calibrate on calm and trigger, then run other policies against the same load and the same trigger.

    Parameters
    ----------
    evidence : Evidence
    all_edges : Edges
    found : Storm
    policy : Policy
    routes : sequence of EdgePolicy, optional
        What is configured.
    """
    if found.state is State.UNKNOWN:
        return WhatIf(None, NotCalibrated("attempts are not known", "what the first finding asks for"))
    if found.origin is None:
        return WhatIf(None, NotCalibrated("no edge is amplified, so there is nothing to stop", "nothing"), idle=True)
    force = in_force(evidence, all_edges, found, policy, routes)
    if found.trigger is None:
        return WhatIf(
            force,
            NotCalibrated("no trigger begins and ends", "a window that holds it, and a minute of calm"),
        )
    length = all_edges.block_ms / 1000
    # What is amplified or lost before the first bad block belongs to the trigger, not to the calm.
    first = int(np.argmax(found.timeline["phase"].to_numpy() != "calm"))
    begin, end = min(first, found.trigger[0]) * length, found.trigger[1] * length
    near = slice(max(0, round((begin - _BEFORE_S) / length)), round((end + _AFTER_S) / length))
    blocks = _blocks(evidence, all_edges, found, near)
    if len(blocks.time_s) < 3 or not blocks.time_s[0] <= begin:
        return WhatIf(force, NotCalibrated("there is no calm before the trigger", "a window that begins earlier"))
    tried = _alternatives(force.chain)
    known = calibrate(
        blocks,
        force.chain,
        begin_s=begin,
        end_s=end,
        deadline_s=min(force.deadline_s, max(map(_longest_s, tried))),
        step_s=_step_s(force.chain, length),
    )
    if isinstance(known, NotCalibrated):
        return WhatIf(force, known)
    near_it = _from(known, known.begin_s - _CALM_S)
    runs = simulate(tried, near_it.service, near_it.load_per_s, near_it.slower, step_s=near_it.step_s)
    table = runs.frame(near_it.end_s)
    recovered = dict(zip(table["policy"], table["recovered"], strict=True))
    chosen = next((name for name in _ADVISED if recovered.get(name)), "")
    at_s = near_it.end_s + _HELP_AFTER_S
    cure = recover(near_it, force.chain, at_s, within_s=_WITHIN_S)
    drawn = cuts(near_it, force.chain, at_s, _CUTS, rng=np.random.default_rng(policy.seed), within_s=_WITHIN_S)
    return WhatIf(
        force,
        None,
        known=known,
        policies=table,
        cure=cure,
        cures=_cures(cure, drawn),
        advised=next((one for one in tried if one.name == chosen), None),
    )


def _step_s(chain: RetryPolicy, block_s: float) -> float:
    """Five steps a try and more, a whole number of them in a block."""
    shortest = min((hop.per_try_s for hop in chain.hops if hop.per_try_s), default=1.0)
    return block_s / math.ceil(block_s / min(max(shortest / 5, 0.02), 0.2) - 1e-6)


def _longest_s(chain: RetryPolicy) -> float:
    """How long a request can take at most; what a client that is more patient would do is the same."""
    first = chain.hops[0]
    if not first.per_try_s:
        return float("inf")
    pauses = sum(2 * first.pause_s(k) for k in range(1, first.retries + 1))
    return (first.retries + 1) * first.per_try_s + pauses


def _from(known: Calibrated, begin_s: float) -> Calibrated:
    """The same without most of the calm, in which all policies are alike."""
    first = max(round(begin_s / known.step_s), 0)
    gone_s = first * known.step_s
    return replace(
        known,
        load_per_s=known.load_per_s[first:],
        slower=known.slower[first:],
        begin_s=known.begin_s - gone_s,
        end_s=known.end_s - gone_s,
    )


def _blocks(evidence: Evidence, all_edges: Edges, found: Storm, near: slice) -> Blocks:
    assert found.origin is not None
    row = all_edges.names.iloc[found.origin]
    count, seconds = all_edges.blocks, all_edges.block_ms / 1000

    def summed(frame: pd.DataFrame, value: str) -> Floats:
        """A block without a row was not scraped."""
        sums = frame.groupby("block")[value].sum() if len(frame) else pd.Series(dtype=np.float64)
        return sums.reindex(range(count)).to_numpy(np.float64)

    here = {word: str(row[word]) for word in ("destination_namespace", "destination_service")}
    called = long(evidence.frames["called"], "count", **here)
    arrived = summed(called, "count")
    # Both are counted by the same proxies: two ends are scraped at two moments, and would differ by a request or two.
    at_once = called[failed(called).to_numpy(np.bool_) & (called["code"].astype(str) != "0").to_numpy(np.bool_)]
    refused = np.where(np.isfinite(arrived), np.nan_to_num(summed(at_once, "count")), np.nan)
    took = summed(long(evidence.frames["lasting"], "sum_ms", **here), "sum_ms")
    latency = np.divide(took / 1000, arrived, out=np.full(count, np.nan), where=arrived > 0)
    line = found.timeline
    return Blocks(
        time_s=np.asarray((np.arange(count) + 1.0) * seconds, np.float64)[near],
        offered_per_s=line["load_per_s"].to_numpy(np.float64)[near],
        attempts_per_s=(arrived / seconds)[near],
        refused_per_s=(refused / seconds)[near],
        good_per_s=line["goodput_per_s"].to_numpy(np.float64)[near],
        latency_s=latency[near],
    )


def _alternatives(force: RetryPolicy) -> list[RetryPolicy]:
    """What people reach for, in the words of those who configure it."""
    budget = Concurrency(least=3, percent=20)
    one = [force.each("1 retry", retries=1)] if max(hop.retries for hop in force.hops) > 1 else []
    layers = (
        [
            force.only("at the last hop only", -1),
            force.only("at the first hop only", 0),
            force.only("", -1).each("budget of 20 %, at the last hop only", limit=budget),
        ]
        if len(force.hops) > 1
        else []
    )
    every: list[RetryPolicy] = []
    if any(hop.per_try_s for hop in force.hops):
        every = [_with(force, f"time-outs of tries {word}", per_try_s=by) for word, by in _TIMES.items()]
    return [
        force,
        force.each("no retries", retries=0),
        *one,
        *layers,
        force.each("budget of 20 %", limit=budget),
        force.each("budget of 10 %", limit=Concurrency(least=1, percent=10)),
        force.each("max_retries 3", limit=Concurrency(least=3)),
        force.each("Linkerd's budget of 20 %", limit=Ratio(0.2)),
        force.each("bucket of 10 tokens", limit=Tokens()),
        *every,
        _with(force, "back-off ten times as long", back_off_s=10.0),
    ]


def _with(force: RetryPolicy, name: str, **times: float) -> RetryPolicy:
    """The same with times multiplied at every hop."""
    hops = (replace(hop, **{at: getattr(hop, at) * by for at, by in times.items()}) for hop in force.hops)
    return RetryPolicy(name, tuple(hops))


def _cures(cure: Cure, drawn: pd.DataFrame) -> pd.DataFrame:
    still = [
        ("nothing", float(cure.by_itself), cure.load_share_s if cure.by_itself else np.nan),
        ("retries off", float(cure.retries_off), cure.retries_off_s),
    ]
    table = pd.DataFrame(still, columns=["help", "probability", "recovery_s"])
    cut = drawn.rename(columns={"share": "help"})
    cut["help"] = cut["help"].map("load cut to {:.0%}".format)
    return pd.concat([table, cut], ignore_index=True)[list(_CURES)]
