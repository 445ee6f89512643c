"""What other policies would have done in this incident, and what ends it now: the simulator, fed by the evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.display.numbers import percent
from meshlab.questions.retries.cells import by_block, ratio
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.effective_policy import EffectivePolicy, effective_policy
from meshlab.questions.retries.goodput import failed
from meshlab.questions.retries.routes import EdgePolicy
from meshlab.questions.retries.settings import RetriesSettings
from meshlab.questions.retries.simulate import (
    Blocks,
    Calibrated,
    Mitigation,
    NotCalibrated,
    RetryPolicy,
    alternatives,
    calibrate,
    cuts,
    recover,
    simulate,
)
from meshlab.questions.retries.storm import State, Storm
from meshlab.questions.retries.tables import TABLES

__all__ = ["WhatIf", "what_if"]

_BEFORE_S: Final = 60
_AFTER_S: Final = 90
_CALM_S: Final = 20
_HELP_AFTER_S: Final = 30
_WITHIN_S: Final = 60
_CUTS: Final = (0.75, 0.5, 0.25, 0.1, 0.05)

# The gentlest first: what keeps most retries in good times.
_ADVISED: Final = ("budget of 20 %", "budget of 20 %, at the last hop only", "at the last hop only", "no retries")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WhatIf:
    """What the simulator says, or why it does not.

    Attributes
    ----------
    effective : EffectivePolicy or None
        None where no edge is amplified.
    refused : NotCalibrated or None
        Why there is no answer; then all that follows is empty.
    idle : bool
        There is no answer because there is nothing to stop.
    calibrated : Calibrated or None
    policies : DataFrame
        `Runs.frame`, the policy in force first.
    mitigation : Mitigation or None
    mitigations : DataFrame
        As the result's table: of draws of arrivals, those that recover within a minute, and the seconds that the median
        and eight of ten of them take.
    advised : RetryPolicy or None
        The gentlest policy that recovers.
    """

    effective: EffectivePolicy | None = None
    refused: NotCalibrated | None = None
    idle: bool = False
    calibrated: Calibrated | None = None
    policies: pd.DataFrame = field(default_factory=TABLES["policies"].empty)
    mitigation: Mitigation | None = None
    mitigations: pd.DataFrame = field(default_factory=TABLES["mitigations"].empty)
    advised: RetryPolicy | None = None


def what_if(
    evidence: Evidence, edges: Edges, storm: Storm, settings: RetriesSettings, routes: Sequence[EdgePolicy] = ()
) -> WhatIf:
    """Calibrate on calm and trigger, then run other policies against the same load and the same trigger."""
    if storm.state is State.UNKNOWN:
        return WhatIf(refused=NotCalibrated("attempts are not known", "what the first finding asks for"))
    if storm.origin is None:
        return WhatIf(refused=NotCalibrated("no edge is amplified, so there is nothing to stop", "nothing"), idle=True)
    effective = effective_policy(evidence, edges, storm, settings, routes)
    calibrated = _calibrated(evidence, edges, storm, effective, settings.error_codes)
    if isinstance(calibrated, NotCalibrated):
        return WhatIf(effective=effective, refused=calibrated)
    tried = alternatives(effective.chain)
    known = _from(calibrated, calibrated.begin_s - _CALM_S)
    policies = simulate(tried, known.service, known.load_per_s, known.slower, step_s=known.step_s).frame(known.end_s)
    recovered = {policy.name: policy for policy, back in zip(tried, policies["recovered"], strict=True) if back}
    at_s = known.end_s + _HELP_AFTER_S
    mitigation = recover(known, effective.chain, at_s, within_s=_WITHIN_S)
    rng = np.random.default_rng(settings.seed)
    return WhatIf(
        effective=effective,
        calibrated=calibrated,
        policies=policies,
        mitigation=mitigation,
        mitigations=_mitigations(mitigation, cuts(known, effective.chain, at_s, _CUTS, rng=rng, within_s=_WITHIN_S)),
        advised=next((recovered[name] for name in _ADVISED if name in recovered), None),
    )


def _calibrated(
    evidence: Evidence, edges: Edges, storm: Storm, effective: EffectivePolicy, error_codes: str
) -> Calibrated | NotCalibrated:
    """The service at the storm's origin, from the calm minute before the trigger on."""
    if storm.trigger is None:
        return NotCalibrated("no trigger was seen to begin and to end", "a window that holds it, and a minute of calm")
    length = edges.block_s
    # What is amplified or lost before the first bad block belongs to the trigger, not to the calm.
    first = int(np.argmax(storm.timeline["phase"].to_numpy() != "calm"))
    begin, end = min(first, storm.trigger.begin) * length, storm.trigger.end * length
    near = slice(max(0, round((begin - _BEFORE_S) / length)), round((end + _AFTER_S) / length))
    blocks = _blocks(evidence, edges, storm, near, error_codes)
    if len(blocks.time_s) < 3 or not blocks.time_s[0] <= begin:
        return NotCalibrated("there is no calm before the trigger", "a window that begins earlier")
    return calibrate(
        blocks,
        effective.chain,
        begin_s=begin,
        end_s=end,
        deadline_s=min(effective.deadline_s, max(map(_longest_s, alternatives(effective.chain)))),
        step_s=_step_s(effective.chain, length),
    )


def _step_s(chain: RetryPolicy, block_s: float) -> float:
    """Five steps a try and more, a whole number of them in a block."""
    shortest = min((hop.per_try_s for hop in chain.hops if hop.per_try_s), default=1.0)
    return block_s / math.ceil(block_s / min(max(shortest / 5, 0.02), 0.2) - 1e-6)


def _longest_s(chain: RetryPolicy) -> float:
    """How long a request can take at most; what a client that is more patient would do is the same."""
    first = chain.hops[0]
    pauses = sum(2 * first.pause_s(k) for k in range(1, first.retries + 1))
    return (first.retries + 1) * first.per_try_s + pauses if first.per_try_s else math.inf


def _from(known: Calibrated, begin_s: float) -> Calibrated:
    """The same without most of the calm, in which all policies are alike."""
    first = max(round(begin_s / known.step_s), 0)
    begin_s, end_s = (moment - first * known.step_s for moment in (known.begin_s, known.end_s))
    load, slower = known.load_per_s[first:], known.slower[first:]
    return replace(known, load_per_s=load, slower=slower, begin_s=begin_s, end_s=end_s)


def _blocks(evidence: Evidence, edges: Edges, storm: Storm, near: slice, error_codes: str) -> Blocks:
    """What was measured at the origin's service, and at the top."""
    count, length, line = edges.blocks, edges.block_s, storm.timeline
    assert storm.origin is not None
    row = edges.names.iloc[storm.origin]
    place = {name: str(row[name]) for name in ("destination_namespace", "destination_service")}
    requests = evidence.counts["destination"].select(None, **place)
    arrived = by_block(requests)
    # Both are counted by the same proxies: two ends are scraped at two moments, and would differ by a request or two.
    at_once = requests.select(failed(requests.labels, error_codes) & (requests.labels["code"] != "0"))
    refused = np.where(np.isfinite(arrived), np.nan_to_num(by_block(at_once)), np.nan)
    took_s = by_block(evidence.counts["durations"].select(None, **place)) / 1000
    return Blocks(
        time_s=np.asarray((np.arange(count) + 1.0) * length, np.float64)[near],
        offered_per_s=line["load_per_s"].to_numpy(np.float64)[near],
        attempts_per_s=(arrived / length)[near],
        refused_per_s=(refused / length)[near],
        good_per_s=line["goodput_per_s"].to_numpy(np.float64)[near],
        latency_s=ratio(took_s, arrived)[near],
    )


def _mitigations(mitigation: Mitigation, drawn: pd.DataFrame) -> pd.DataFrame:
    """What is certain, and then the cuts of the load that were drawn."""
    alone_s = mitigation.load_share_s if mitigation.by_itself else np.nan
    certain = [
        ("nothing", float(mitigation.by_itself), alone_s),
        ("retries off", float(mitigation.retries_off), mitigation.retries_off_s),
    ]
    drawn.insert(0, "mitigation", [f"load cut to {percent(share, 0)}" for share in drawn.pop("share")])
    first = pd.DataFrame(certain, columns=["mitigation", "probability", "recovery_s"])
    return pd.concat([first, drawn], ignore_index=True)
