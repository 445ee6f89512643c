"""Findings on what a copy carries: ML-SCA-001 to 003 and 009 to 011."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.core.sanitize import plain
from meshlab.questions.scaling.capacity import Capacity
from meshlab.questions.scaling.samples import Samples
from meshlab.questions.scaling.settings import Policy
from meshlab.questions.scaling.usl import Comparison, Reason

__all__ = ["cost", "little", "objective", "operating_point", "sustained", "versions"]

Queries = Mapping[str, str]

_MISMATCH = 0.15

_EACH = {"copy": "a copy", "replica": "a ready replica in the mean", "service": "the whole service"}
# Why no knee is stated, and it is none: the curve is straight as far as it was seen.
_STRAIGHT = frozenset({Reason.NO_BEND, Reason.SMALLER_MODEL})


def operating_point(
    one: Capacity | None, points: Samples, evidence: Evidence, subject: str, policy: Policy, queries: Queries
) -> Finding:
    """ML-SCA-001: how long copies had more in flight than at the knee."""
    code, query = "ML-SCA-001", queries.get("durations", "")
    for name in ("counts", "durations"):
        if name in evidence.missing:
            lack = evidence.missing[name]
            return Finding(
                code=code,
                verdict=Verdict.INCONCLUSIVE,
                subject=subject,
                statement=f"not exported: {lack.what}",
                action=lack.remedy,
                query=query,
            )
    broken = [name for name in ("counts", "durations") if evidence.queries[name].failed]
    if one is None or broken:
        said = f"{', '.join(broken)} came back in part only" if broken else "no requests were measured in the window"
        return Finding(
            code=code,
            verdict=Verdict.INCONCLUSIVE,
            subject=subject,
            statement=said,
            action="ask again, or move the window to where there was traffic",
            query=query,
        )
    blocks = int(one.fit.counts.sum())
    reach = float(one.fit.concurrency[-1]) if len(one.fit.concurrency) else 0.0
    knee = one.knee.answer
    if knee.estimate is None:
        refusal = knee.refusal
        assert refusal is not None
        straight = refusal.reason in _STRAIGHT
        return Finding(
            code=code,
            verdict=Verdict.PASS if straight else Verdict.INCONCLUSIVE,
            subject=subject,
            statement=(
                f"no knee up to {reach:.3g} requests in flight in {_EACH[points.each]}: {refusal.sentence}"
                if straight
                else f"the knee is not known: {plain(refusal.sentence)}"
            ),
            value=None,
            unit="in flight",
            action="" if straight else "look at a window with more load, or run a load test that rises past the knee",
            query=query,
        )
    at = knee.estimate
    verdict = (
        Verdict.FAIL
        if one.beyond > policy.beyond_fail
        else Verdict.WARN
        if one.beyond > policy.beyond_warn
        else Verdict.PASS
    )
    return Finding(
        code=code,
        verdict=verdict,
        subject=subject,
        statement=(
            f"{_EACH[points.each]} of {plain(one.version) or 'the service'} was beyond its knee "
            f"({at.value:.3g} requests in flight, candidates {at.low:.3g} to {at.high:.3g}) in {one.beyond:.1%} of "
            f"{blocks:,} blocks"
        ),
        value=at.value,
        interval=(at.low, at.high),
        unit="in flight",
        action=""
        if verdict is Verdict.PASS
        else "more copies, or earlier: from here on most of an added request waits",
        query=query,
    )


def sustained(one: Capacity | None, subject: str, policy: Policy, queries: Queries) -> Finding:
    """ML-SCA-002: requests a second that one copy sustained."""
    code, query = "ML-SCA-002", queries.get("counts", "")
    top = one.sustained if one is not None else None
    if one is None or top is None or top.estimate is None:
        refusal = top.refusal.sentence if top is not None and top.refusal else "no requests were measured"
        return Finding(
            code=code, verdict=None, required=False, subject=subject, statement=plain(refusal), unit="1/s", query=query
        )
    model = one.fit.choice.sentence if one.fit.choice else ""
    return Finding(
        code=code,
        verdict=Verdict.PASS,
        required=False,
        subject=subject,
        statement=f"a saturated copy gets {top.estimate.value:.3g} requests a second done; {model}",
        value=top.estimate.value,
        interval=(top.estimate.low, top.estimate.high),
        level=policy.level,
        unit="1/s",
        query=query,
    )


def objective(one: Capacity | None, subject: str, policy: Policy, queries: Queries) -> list[Finding]:
    """ML-SCA-003: up to how much in flight the p99 holds the objective; nothing where there is none."""
    if not policy.slo_ms:
        return []
    code, query = "ML-SCA-003", queries.get("buckets", "")
    answer = one.slo if one is not None else None
    if answer is None or answer.estimate is None:
        reason = answer.refusal if answer is not None else None
        held = reason is not None and reason.reason is Reason.OUT_OF_REACH
        never = reason is not None and reason.reason is Reason.NEVER_HELD
        said = reason.sentence if reason else "there are no durations by bucket"
        return [
            Finding(
                code=code,
                verdict=Verdict.PASS if held else Verdict.WARN if never else None,
                required=False,
                subject=subject,
                statement=f"p99 within {policy.slo_ms:g} ms: {plain(said)}",
                threshold=policy.slo_ms,
                unit="ms",
                query=query,
            )
        ]
    at = answer.estimate
    return [
        Finding(
            code=code,
            verdict=Verdict.PASS,
            required=False,
            subject=subject,
            statement=f"the p99 holds {policy.slo_ms:g} ms up to {at.value:.3g} requests in flight in a copy",
            value=at.value,
            interval=(at.low, at.high),
            level=policy.level,
            unit="in flight",
            query=query,
        )
    ]


def versions(found: tuple[str, str, Comparison] | None, subject: str) -> Finding:
    """ML-SCA-009: whether another version changed what a copy carries."""
    code = "ML-SCA-009"
    if found is None:
        return Finding(
            code=code, verdict=None, required=False, subject=subject, statement="there is one version in the window"
        )
    first, second, compared = found
    change = compared.change
    if change is None:
        return Finding(
            code=code, verdict=None, required=False, subject=subject, statement=plain(compared.sentence), unit="share"
        )
    worse = compared.differs and change.value < 0
    return Finding(
        code=code,
        verdict=Verdict.WARN if worse else Verdict.PASS,
        required=False,
        subject=subject,
        statement=f"{plain(second)} against {plain(first)}: {plain(compared.sentence)}",
        value=change.value,
        interval=(change.low, change.high),
        unit="share",
        action=f"find out what {plain(second)} does for each request that {plain(first)} does not" if worse else "",
    )


def cost(table: pd.DataFrame, one: Capacity | None, evidence: Evidence, subject: str, queries: Queries) -> Finding:
    """ML-SCA-010: processor time of the sidecar, idle and for a thousand requests."""
    code, query = "ML-SCA-010", queries.get("cpu", "")
    mine = table[(table["container"] == "sidecar") & np.isfinite(table["idle_millicores"].astype(np.float64))]
    if one is not None and len(mine) and one.version in set(mine["version"]):
        mine = mine[mine["version"] == one.version]
    if mine.empty:
        lack = evidence.missing.get("cpu")
        return Finding(
            code=code,
            verdict=None,
            required=False,
            subject=subject,
            statement=f"not exported: {lack.what}"
            if lack
            else "too few blocks, or one rate only, to tell the sidecar's cost",
            action=lack.remedy if lack else "",
            query=query,
        )
    row = mine.iloc[0]
    return Finding(
        code=code,
        verdict=Verdict.PASS,
        required=False,
        subject=subject,
        statement=(
            f"the sidecar takes {row['idle_millicores']:.3g} millicores idle and {row['seconds_per_1000']:.3g} "
            f"processor seconds for a thousand requests: {row['share']:.0%} of the pod's processor time"
        ),
        value=float(row["seconds_per_1000"]),
        interval=(float(row["low"]), float(row["high"])),
        unit="s/1000",
        query=query,
    )


def little(flow: pd.DataFrame, evidence: Evidence, subject: str, queries: Queries) -> Finding:
    """ML-SCA-011: whether a gauge of requests in flight tells the same as their durations."""
    code, query = "ML-SCA-011", queries.get("gauge", "")
    gauge = evidence.frames.get("gauge")
    if gauge is None or gauge.empty or flow.empty:
        return Finding(
            code=code,
            verdict=None,
            required=False,
            subject=subject,
            statement="there is no gauge of requests in flight to check the durations with",
            action=lack.remedy if (lack := evidence.missing.get("gauge")) else "",
            query=query,
        )
    begin, end = evidence.window.start, evidence.window.end
    inside = gauge[(gauge["time"] > begin) & (gauge["time"] <= end)]
    # Each proxy is scraped at its own moment: means over time are added, and not single scrapes.
    seen = float(inside.groupby(["instance", "upstream"])["value"].mean().sum())
    told = float(flow["concurrency"].mean())
    apart = abs(seen - told) / seen if seen > 0 else float("inf") if told > 0 else 0.0
    warn = apart > _MISMATCH
    return Finding(
        code=code,
        verdict=Verdict.WARN if warn else Verdict.PASS,
        required=False,
        subject=subject,
        statement=f"in flight in the mean: {told:.3g} by durations, {seen:.3g} by the callers' gauges",
        value=told / seen if seen > 0 else None,
        threshold=_MISMATCH,
        unit="share",
        action="retries, local replies or callers outside the mesh: do not trust the knee" if warn else "",
        query=query,
    )
