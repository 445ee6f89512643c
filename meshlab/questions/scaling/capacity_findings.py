"""Findings on what a replica carries: ML-SCA-001 to 003 and 009 to 011."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import interval, number, percent
from meshlab.questions.base import Case
from meshlab.questions.scaling.analysis import Analysis
from meshlab.questions.scaling.capacity import Capacity
from meshlab.questions.scaling.usl import Reason

__all__ = ["graded", "little", "objective", "saturation", "sentence", "sidecar", "throughput", "versions"]

_MISMATCH: Final = 0.15
_UNITS: Final = {"replica": "per replica", "average": "per ready replica on average", "service": "in the whole service"}
# Reasons for which no knee means no saturation: the curve is straight as far as it was measured.
_STRAIGHT: Final = frozenset({Reason.NO_KNEE, Reason.SMALLER_MODEL})


def graded(value: float, warn: float, fail: float, *, surely: float | None = None) -> Verdict:
    """FAIL above one limit (by what is surely reached, where that is less), WARN above the other, else PASS."""
    if (value if surely is None else surely) > fail:
        return Verdict.FAIL
    return Verdict.WARN if value > warn else Verdict.PASS


def sentence(clause: str) -> str:
    """A clause as a sentence."""
    return f"{clause[:1].upper()}{clause[1:]}."


def saturation(case: Case, about: Analysis) -> Finding:
    """ML-SCA-001: how long replicas ran past their saturation point."""
    parts: dict[str, Any] = {"required": True, "query": "durations"}
    if about.main is None:
        statement, action = "No requests were measured in the window.", "Move the window to where there was traffic."
        return case.finding("001", "saturation.no_traffic", Verdict.INCONCLUSIVE, statement, action=action, **parts)
    capacity, unit = about.main, _UNITS[about.samples.unit]
    knee, settings, parts["unit"] = capacity.knee.answer, case.settings, "in flight"
    if knee.refusal is not None and knee.refusal.reason in _STRAIGHT:
        reach = number(float(capacity.fit.points.concurrency[-1]) if len(capacity.fit.points.concurrency) else 0.0)
        statement = f"No saturation point up to {reach} concurrent requests {unit}: {knee.refusal.sentence}."
        return case.finding("001", "saturation.none", Verdict.PASS, statement, **parts)
    if knee.estimate is None:
        statement = f"The saturation point is unknown: {knee.refusal.sentence if knee.refusal else 'no data'}."
        action = "Analyse a window with more load, or run a load test past the saturation point."
        return case.finding("001", "saturation.unknown", Verdict.INCONCLUSIVE, statement, action=action, **parts)
    at, verdict = knee.estimate, graded(capacity.beyond, settings.beyond_warn, settings.beyond_fail)
    action = f"Scale `{_place(case)}` out earlier: past the saturation point added requests mostly queue."
    return case.finding(
        "001",
        f"saturation.{verdict.lower()}",
        verdict,
        f"{_replicas(capacity, about.samples.unit)} ran past their saturation point ({number(at.value)} concurrent "
        f"requests {unit}, estimates {number(at.low)} to {number(at.high)}) in {percent(capacity.beyond)} of "
        f"{capacity.fit.points.counts.sum():,} intervals.",
        value=at.value,
        interval=(at.low, at.high),
        action="" if verdict is Verdict.PASS else action,
        **parts,
    )


def _replicas(capacity: Capacity, unit: str) -> str:
    replicas = {"replica": "replicas", "average": "ready replicas", "service": "replicas together"}[unit]
    return f"{capacity.version} {replicas}" if capacity.version else sentence(replicas)[:-1]


def _place(case: Case) -> str:
    assert case.subject is not None
    return "/".join(part for part in (case.subject.namespace, case.subject.service) if part)


def throughput(case: Case, about: Analysis) -> Finding:
    """ML-SCA-002: requests a second that a saturated replica sustained."""
    top = about.main.sustained if about.main else None
    if about.main is None or top is None or top.estimate is None:
        reason = top.refusal.sentence if top and top.refusal else "no requests were measured"
        return case.finding("002", "throughput.unknown", None, sentence(reason), query="destination", unit="1/s")
    model = f"; {about.main.fit.choice.sentence}" if about.main.fit.choice else ""
    return case.finding(
        "002",
        "throughput.measured",
        Verdict.PASS,
        f"A saturated replica sustains {number(top.estimate.value)} rps{model}.",
        query="destination",
        value=top.estimate.value,
        interval=(top.estimate.low, top.estimate.high),
        level=case.settings.level,
        unit="1/s",
    )


def objective(case: Case, about: Analysis) -> Iterator[Finding]:
    """ML-SCA-003: up to which concurrency the p99 meets the objective; nothing where there is none."""
    limit_ms = case.settings.slo_ms
    if not limit_ms:
        return
    answer, parts = about.main.slo if about.main else None, dict[str, Any](query="buckets")
    if answer is not None and answer.estimate is not None:
        at = answer.estimate
        reach = f"up to {number(at.value)} concurrent requests per replica"
        statement = f"The p99 stays within {number(limit_ms)} ms {reach}."
        parts |= {"value": at.value, "interval": (at.low, at.high), "level": case.settings.level}
        yield case.finding("003", "objective.measured", Verdict.PASS, statement, unit="in flight", **parts)
        return
    refusal = answer.refusal if answer else None
    outcomes = {Reason.OUT_OF_REACH: ("met", Verdict.PASS), Reason.NEVER_HELD: ("missed", Verdict.WARN)}
    outcome, verdict = outcomes.get(refusal.reason, ("unknown", None)) if refusal else ("unknown", None)
    reason = refusal.sentence if refusal else "there are no latency buckets"
    statement = f"A p99 of {number(limit_ms)} ms: {reason}."
    parts |= {"threshold": limit_ms, "unit": "ms"}
    yield case.finding("003", f"objective.{outcome}", verdict, statement, **parts)


def versions(case: Case, about: Analysis) -> Finding:
    """ML-SCA-009: whether another version changed what a replica carries."""
    if about.comparison is None:
        return case.not_measured("009", "versions", "There is only one version in the window.")
    first, second, compared = about.comparison
    change = compared.change
    if change is None:
        reason = compared.refusal.sentence if compared.refusal else "the versions cannot be compared"
        return case.not_measured("009", "versions", sentence(reason), unit="share")
    worse = compared.differs and change.value < 0
    more = "more" if change.value >= 0 else "less"
    return case.finding(
        "009",
        f"versions.{'regressed' if worse else 'unchanged'}",
        Verdict.WARN if worse else Verdict.PASS,
        f"A replica of {second} carries {percent(abs(change.value))} {more} than one of {first} "
        f"({interval(change.low, change.high, 'share')}), up to {number(compared.concurrency)} concurrent requests"
        f"{'.' if compared.differs else '; the difference is not significant.'}",
        value=change.value,
        interval=(change.low, change.high),
        unit="share",
        action=f"Profile `{second}`: each of its requests costs more than in `{first}`." if worse else "",
    )


def sidecar(case: Case, about: Analysis) -> Finding:
    """ML-SCA-010: CPU time of the sidecar, idle and for a thousand requests."""
    table, main = about.overhead, about.main
    mine = table[(table["container"] == "sidecar") & np.isfinite(table["idle_millicores"])]
    if main is not None and main.version in set(mine["version"]):
        mine = mine[mine["version"] == main.version]
    if mine.empty:
        reason = "There are too few intervals, or too little variation in load, to separate the sidecar's cost."
        return case.not_measured("010", "sidecar", reason, need="cpu", query="cpu")
    row = mine.iloc[0]
    return case.finding(
        "010",
        "sidecar.measured",
        Verdict.PASS,
        f"The sidecar uses {number(row['idle_millicores'])} millicores when idle and {number(row['seconds_per_1000'])} "
        f"CPU seconds per 1,000 requests: {percent(row['share'], 0)} of the pod's CPU time.",
        query="cpu",
        value=float(row["seconds_per_1000"]),
        interval=(float(row["low"]), float(row["high"])),
        unit="s/1000",
    )


def little(case: Case, about: Analysis) -> Finding:
    """ML-SCA-011: whether gauges of concurrency agree with the durations (Little's law)."""
    gauge, window = case.frame("in_flight"), case.evidence.window
    if gauge.empty or about.arrivals.empty:
        reason = "No gauge of requests in flight confirms the durations."
        return case.not_measured("011", "little", reason, need="in_flight", query="in_flight")
    inside = gauge[(gauge["time"] > window.start) & (gauge["time"] <= window.end)]
    # Each proxy is scraped at its own time: their means over time are added, not single scrapes.
    by_gauge = float(inside.groupby(["instance", "upstream"])["value"].mean().sum())
    by_durations = float(about.arrivals["concurrency"].mean())
    apart = abs(by_gauge - by_durations) / by_gauge if by_gauge > 0 else float("inf") if by_durations > 0 else 0.0
    differs = apart > _MISMATCH
    action = "Check for retries, local replies and callers outside the mesh before you rely on the saturation point."
    return case.finding(
        "011",
        f"little.{'differs' if differs else 'agrees'}",
        Verdict.WARN if differs else Verdict.PASS,
        f"Durations and the source proxies' gauges {'disagree' if differs else 'agree'} on the mean concurrency "
        f"({number(by_durations)} and {number(by_gauge)}).",
        query="in_flight",
        value=by_durations / by_gauge if by_gauge > 0 else None,
        threshold=_MISMATCH,
        unit="share",
        action=action if differs else "",
    )
