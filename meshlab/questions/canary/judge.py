"""From evidence to a verdict: promote, hold, or roll back."""

from __future__ import annotations

from types import MappingProxyType

import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Result, Verdict, overall
from meshlab.core.subject import Subject
from meshlab.errors import ContractError
from meshlab.questions.canary.arm_selection import ArmSelection
from meshlab.questions.canary.arms import arm_frames
from meshlab.questions.canary.bayesian import beliefs
from meshlab.questions.canary.case import Case
from meshlab.questions.canary.durations import durations
from meshlab.questions.canary.error_rate import burst_finding, error_finding, error_rate
from meshlab.questions.canary.headline import headline
from meshlab.questions.canary.latency import latency, latency_finding
from meshlab.questions.canary.modes import aligned, mode_finding
from meshlab.questions.canary.multiple_testing import failing_metrics
from meshlab.questions.canary.outcomes import arm_table, code_table, outcomes
from meshlab.questions.canary.pods import pods, pods_finding
from meshlab.questions.canary.power import power, power_finding
from meshlab.questions.canary.quality import coverage_finding, reporters_finding, split_finding
from meshlab.questions.canary.scope import Mode, Scope
from meshlab.questions.canary.segments import segment_finding, segments
from meshlab.questions.canary.settings import Policy
from meshlab.questions.canary.slow import slow, slow_finding
from meshlab.questions.canary.warm_up import warmed_up

__all__ = ["case_of", "judge"]


def case_of(evidence: Evidence, scope: Scope, policy: Policy | None = None, subject: Subject | None = None) -> Case:
    """The canary that evidence, scope and policy make together.

    Raises
    ------
    ContractError
        Neither evidence nor scope say which arms or which subject.
    """
    arms = evidence.chosen
    if not isinstance(arms, ArmSelection):
        if not scope.baseline:
            raise ContractError("the evidence does not say which arms are compared, nor does the scope")
        arms = ArmSelection(scope.arm_by or "version", "", scope.baseline, scope.canary, "as named")
    if subject is None:
        if len(evidence.subjects) != 1:
            raise ContractError("the evidence is about several services, and none was named")
        (subject,) = evidence.subjects
    return Case(evidence, subject, policy or Policy(), arms, Mode(scope.mode))


def judge(evidence: Evidence, scope: Scope, *, policy: Policy | None = None, subject: Subject | None = None) -> Result:
    """Judge one canary.

    Errors are counted at the source reporter (every request once, retries and timeouts as the caller met them),
    durations at the destination reporter; where a side does not tell the arms apart, the other counts. FAIL and PASS
    hold at every look: the same window may be judged again and again while it grows, with at most ``policy.alpha``
    false alarms in all.

    Parameters
    ----------
    evidence : Evidence
        What `collect` returned.
    scope : Scope
        The two arms; those that were found come with the evidence.
    policy : Policy, optional
        Margins and levels; the one that was collected with.
    subject : Subject, optional
        Which service, where the evidence holds several.

    Returns
    -------
    Result
        Tables ``arms``, ``codes``, ``error_looks``, ``error_beliefs``, ``latency_looks``, ``latency_edges``,
        ``latency_quantiles``, ``segments``, ``mixes``, ``pods`` and ``power``.
    """
    case = case_of(evidence, scope, policy, subject)
    settings, mode, window = case.settings, case.mode, evidence.window
    possible = (window.end_ms - window.start_ms) // settings.block_ms
    measured = arm_frames(evidence.frames, case.subject, case.arms.baseline, case.arms.canary)
    pairs = aligned(measured, mode, possible, settings.block_ms)
    warm = warmed_up(pairs, mode, settings)
    sides = {side: outcomes(warm.frames[side], warm.possible) for side in ("source", "destination")}
    source, destination = sides.values()
    # No caller's proxy counts a mirrored request: only the service's own does.
    side = "source" if sum(source.requests) and mode != Mode.MIRROR else "destination"
    counted, rate = sides[side], error_rate(sides[side], settings)
    times = durations(warm.frames["latency"])
    latency_result, slow_result = latency(times, settings), slow(times, settings)
    parts = segments(warm.frames[side], warm.possible, settings)
    evidences = {"errors": rate.log_worse, "latency": latency_result.log_worse, "slow": slow_result.log_worse}
    if len(parts.parts):
        # What is not measured has no stake: the others share it.
        evidences["segments"] = parts.log_worse
    fails = failing_metrics(evidences, settings.stakes, settings.alpha)
    smallest = power(counted, latency_result, rate.phi, settings)
    running = pods(case, measured["destination"], evidence.frames.get("restarts", pd.DataFrame()))
    found = [
        error_finding(case, rate, counted, side, failing="errors" in fails),
        latency_finding(case, latency_result, failing="latency" in fails),
        slow_finding(case, slow_result, failing="slow" in fails),
        segment_finding(case, parts, rate, side, failing="segments" in fails),
        coverage_finding(case, counted),
        split_finding(case, counted) if mode == Mode.CANARY else None,
        reporters_finding(case, source, destination) if mode != Mode.MIRROR else None,
        burst_finding(case, rate),
        pods_finding(case, running, warm),
        power_finding(case, smallest),
        mode_finding(case, pairs, source, destination),
    ]
    findings = [finding for finding in found if finding is not None]
    verdict = _verdict(findings)
    segment_table, mix_table = parts.with_all(rate, counted.requests)
    tables = {
        "arms": arm_table(sides, case.arms.baseline, case.arms.canary),
        "codes": code_table(warm.frames[side]),
        "error_looks": rate.looks,
        "error_beliefs": beliefs(counted, rate.phi, settings),
        "latency_looks": latency_result.looks,
        "latency_edges": slow_result.edges,
        "latency_quantiles": latency_result.quantiles,
        "segments": segment_table,
        "mixes": mix_table,
        "pods": running,
        "power": smallest,
    }
    return Result(
        question="canary",
        subject=str(case.subject),
        verdict=verdict,
        headline=headline(case, verdict, findings, rate, latency_result, slow_result, parts),
        findings=findings,
        window=str(window),
        source=evidence.source,
        tables=MappingProxyType(tables),
    )


def _verdict(findings: list[Finding]) -> Verdict:
    """A wrong split settles nothing, not even a failure: the arms are not comparable."""
    if any(f.verdict is Verdict.INCONCLUSIVE for f in findings if f.code == "ML-CAN-004"):
        return Verdict.INCONCLUSIVE
    return overall(findings)
