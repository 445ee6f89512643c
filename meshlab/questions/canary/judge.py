"""From evidence to a verdict: promote, hold, or roll back."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Result, Verdict, overall
from meshlab.core.subject import Subject
from meshlab.errors import ContractError
from meshlab.questions.canary.arm_selection import Chosen
from meshlab.questions.canary.arms import Outcomes, durations, outcomes
from meshlab.questions.canary.bayesian import beliefs
from meshlab.questions.canary.codes import codes
from meshlab.questions.canary.error_rate import ErrorRate, burst_finding, error_finding, error_rate
from meshlab.questions.canary.latency import Latency, latency, latency_finding
from meshlab.questions.canary.modes import aligned, mode_finding
from meshlab.questions.canary.multiple_testing import failing
from meshlab.questions.canary.pods import pods, pods_finding
from meshlab.questions.canary.power import power, power_finding
from meshlab.questions.canary.quality import coverage_finding, reporters_finding, split_finding
from meshlab.questions.canary.scope import Mode, Scope
from meshlab.questions.canary.segments import segment_finding, segments
from meshlab.questions.canary.settings import Policy
from meshlab.questions.canary.slow import slow, slow_finding
from meshlab.questions.canary.warm_up import warmed_up

__all__ = ["judge"]


def judge(evidence: Evidence, scope: Scope, *, policy: Policy | None = None, subject: Subject | None = None) -> Result:
    """Judge one canary.

    Errors are counted as the callers' proxies saw them (every request once, retries and time-outs as the caller met
    them), durations as the service's own did; where a side does not tell the arms apart, the other counts. FAIL and
    PASS hold at every look: the same window may be judged again and again while it grows, with at most
    ``policy.alpha`` false alarms in all.

    Parameters
    ----------
    evidence : Evidence
        What `collect` returned.
    scope : Scope
        The two arms; those that were found by itself come with the evidence.
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
    policy = policy or Policy()
    if isinstance(evidence.chosen, Chosen):
        chosen = evidence.chosen
        scope = dataclasses.replace(scope, baseline=chosen.baseline, canary=chosen.canary, arm_by=chosen.arm_by)
    if not scope.baseline:
        raise ContractError("the evidence does not say which arms are compared, nor does the scope")
    if subject is None:
        if len(evidence.subjects) != 1:
            raise ContractError("the evidence is about several services, and none was named")
        (subject,) = evidence.subjects
    about, window = str(subject), evidence.window
    possible = (window.end_ms - window.start_ms) // policy.block_ms
    measured = {name: evidence.frames[name] for name in ("source", "destination", "latency")}
    pairs = aligned(measured, subject, scope, possible, policy.block_ms)
    warm = warmed_up(pairs.frames, subject, scope, pairs.possible, policy)
    frames = warm.frames
    seen = {side: outcomes(frames[side], subject, scope, warm.possible) for side in ("source", "destination")}
    # No caller's proxy counts a copy: only the service's own does.
    side = "source" if sum(seen["source"].requests) and scope.mode is not Mode.MIRROR else "destination"
    counted = seen[side]
    rate = error_rate(counted, policy)
    times = durations(frames["latency"], subject, scope)
    later, tail = latency(times, policy), slow(times, policy)
    parts = segments(frames[side], subject, scope, warm.possible, policy)
    evidences = {"errors": rate.log_worse, "latency": later.log_worse, "slow": tail.log_worse}
    if len(parts.parts):
        # What is not measured has no stake: the others share it.
        evidences["segments"] = parts.log_worse
    fails = failing(evidences, policy.stakes, policy.alpha)
    smallest = power(counted, times, rate.phi, policy)
    running = pods(measured["destination"], evidence.frames.get("restarts", pd.DataFrame()), subject, scope)
    queries = {name: query.promql for name, query in evidence.queries.items()}
    findings = [
        error_finding(rate, counted, about, policy, queries.get(side, ""), failing="errors" in fails),
        latency_finding(
            later,
            evidence.missing.get("latency"),
            about,
            policy,
            queries.get("latency", ""),
            evidence.notes.get("latency", ""),
            failing="latency" in fails,
        ),
        slow_finding(tail, about, policy, queries.get("latency", ""), failing="slow" in fails),
        segment_finding(parts, rate.difference, rate.margin, about, queries.get(side, ""), failing="segments" in fails),
        coverage_finding(evidence, counted, about, policy),
    ]
    if scope.mode is Mode.CANARY:
        findings.append(split_finding(counted, about, policy))
    if scope.mode is not Mode.MIRROR:
        findings.append(reporters_finding(evidence, seen["source"], seen["destination"], scope, about, policy))
    findings.append(burst_finding(rate, about))
    findings.append(pods_finding(running, warm, scope, about, policy))
    findings.append(power_finding(smallest, about, policy))
    tried = mode_finding(pairs, seen["source"], seen["destination"], scope, about)
    if tried is not None:
        findings.append(tried)
    verdict = _verdict(findings)
    return Result(
        question="canary",
        subject=about,
        verdict=verdict,
        headline=_headline(verdict, findings, rate, counted, later, scope, policy),
        findings=findings,
        window=str(window),
        source=evidence.source,
        tables=MappingProxyType(
            {
                "arms": _arms(seen, scope),
                "codes": codes(frames[side], subject, scope),
                "error_looks": rate.looks,
                "error_beliefs": beliefs(counted, rate.phi, policy),
                "latency_looks": later.looks,
                "latency_edges": tail.edges,
                "latency_quantiles": later.quantiles,
                "segments": parts.parts_beside(rate.share_baseline, rate.share_canary, counted.requests),
                "mixes": parts.mixes_beside(rate.difference),
                "pods": running,
                "power": smallest,
            }
        ),
    )


def _verdict(findings: list[Finding]) -> Verdict:
    """A wrong split settles nothing, not even a failure: the arms are not comparable."""
    if any(f.verdict is Verdict.INCONCLUSIVE for f in findings if f.code == "ML-CAN-004"):
        return Verdict.INCONCLUSIVE
    return overall(findings)


def _headline(
    verdict: Verdict,
    findings: list[Finding],
    rate: ErrorRate,
    counted: Outcomes,
    slow: Latency,
    scope: Scope,
    policy: Policy,
) -> str:
    errors, times, tail, parts, *_ = findings
    level = f"{100 * policy.level:g} %"
    arms = f"{scope.canary} against {scope.baseline}"
    failing = (
        f"fails {100 * rate.share_canary:.2f} % of {counted.requests[1]:,} requests against "
        f"{100 * rate.share_baseline:.2f} % ({100 * rate.difference:+.2f} points, {level} interval "
        f"{100 * rate.lower:+.2f} to {100 * rate.upper:+.2f})"
    )
    slower = f"is slower with probability {slow.slower:.3f} ({level} interval {slow.lower:.3f} to {slow.upper:.3f})"
    if verdict is Verdict.FAIL:
        told = ((failing, errors), (slower, times), (f"has more slow requests ({tail.statement})", tail))
        reasons = [text for text, finding in told if finding.verdict is Verdict.FAIL]
        # What one number says well enough is not said twice.
        reasons = reasons[:2] or [f"is worse for a part of the traffic ({parts.statement})"]
        do = "Do not launch" if scope.mode is Mode.MIRROR else "Roll back"
        return f"{do} {scope.canary}: it {' and '.join(reasons)}, worse beyond doubt"
    if verdict is Verdict.INCONCLUSIVE:
        # Whether the data can carry a verdict comes before what they say.
        first = next(f for f in (*findings[4:], *findings[:4]) if f.verdict is Verdict.INCONCLUSIVE)
        return f"No verdict yet on {arms}: {first.statement}; {first.action}"
    do = {Mode.CANARY: "Promote", Mode.BLUE_GREEN: "Keep", Mode.MIRROR: "Ready for live traffic"}[Mode(scope.mode)]
    caution = f"{do} with care" if verdict is Verdict.WARN else do
    return f"{caution}: {scope.canary} {failing} and {slower}, both within the margins"


def _arms(seen: dict[str, Outcomes], scope: Scope) -> pd.DataFrame:
    rows = []
    for at, (arm, name) in enumerate((("baseline", scope.baseline), ("canary", scope.canary))):
        for side, counted in seen.items():
            n, k = counted.requests[at], counted.errors[at]
            rows.append((arm, name, side, n, k, 100 * k / n if n else float("nan")))
    return pd.DataFrame(rows, columns=["arm", "version", "reporter", "requests", "errors", "error_percent"])
