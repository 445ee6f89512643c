"""The canary's verdict in one line: what to do, and the one number that says why."""

from __future__ import annotations

from typing import Final

from meshlab.core.results import Finding, Verdict
from meshlab.questions.canary.case import Case
from meshlab.questions.canary.error_rate import ErrorRate
from meshlab.questions.canary.latency import Latency
from meshlab.questions.canary.scope import Mode
from meshlab.questions.canary.segments import Segments
from meshlab.questions.canary.slow import Slow
from meshlab.questions.canary.text import percent

__all__ = ["headline"]

_PROMOTE: Final = {Mode.CANARY: "Promote", Mode.BLUE_GREEN: "Keep", Mode.MIRROR: "Send live traffic to"}
_CONCERNS: Final = {
    "ML-CAN-001": "its error rate rose significantly",
    "ML-CAN-002": "it is significantly slower",
    "ML-CAN-005": "source and destination reporters differ",
    "ML-CAN-006": "errors come in bursts",
    "ML-CAN-007": "it also served live requests",
    "ML-CAN-008": "significantly more requests are slow",
    "ML-CAN-009": "the versions' pods differ",
    "ML-CAN-010": "the arms get different traffic",
}
_DATA: Final = ("ML-CAN-003", "ML-CAN-004")
"""Whether the data can carry a verdict comes before what they say."""


def headline(
    case: Case,
    verdict: Verdict,
    findings: list[Finding],
    rate: ErrorRate,
    latency: Latency,
    slow: Slow,
    segments: Segments,
) -> str:
    """The verdict, and why, in at most 15 words."""
    canary = case.arms.canary
    errors = f"{percent(rate.share_canary)} of requests fail against {percent(rate.share_baseline)}"
    if verdict is Verdict.FAIL:
        do = "Do not launch" if case.mode == Mode.MIRROR else "Roll back"
        return f"{do} {canary}: {_regression(findings, errors, latency, slow, segments)}."
    if verdict is Verdict.INCONCLUSIVE:
        undecided = [finding for finding in findings if finding.verdict is Verdict.INCONCLUSIVE]
        first = min(undecided, key=lambda finding: finding.code not in _DATA)
        settled = first.code in ("ML-CAN-003", "ML-CAN-004", "ML-CAN-010") or first.value is None
        reason = (first.statement if settled else first.action).split(". ")[0].rstrip(".")
        return f"No verdict on {canary} yet: {reason[:1].lower()}{reason[1:]}."
    do = f"{_PROMOTE[case.mode]} {canary}"
    if verdict is Verdict.WARN:
        warning = next(finding for finding in findings if finding.verdict is Verdict.WARN)
        return f"{do} with care: {_CONCERNS[warning.code]}, within the margins."
    return f"{do}: {errors}, and latency is within the margin."


def _regression(findings: list[Finding], errors: str, latency: Latency, slow: Slow, segments: Segments) -> str:
    failed = {finding.code for finding in findings if finding.required and finding.verdict is Verdict.FAIL}
    if "ML-CAN-001" in failed:
        slower = "ML-CAN-002" in failed
        return f"{errors}, and latency regressed significantly" if slower else f"{errors}, a significant regression"
    if "ML-CAN-002" in failed:
        return f"significantly slower, {latency.above_edge}"
    if "ML-CAN-008" in failed:
        worst = slow.worst(failing=True)
        shares = f"{100 * worst['above_canary']:.1f} % over {worst['edge_ms']:g} ms"
        return f"significantly more slow requests, {shares} against {100 * worst['above_baseline']:.1f} %"
    worst = segments.worst
    rates = f"{worst['error_percent_canary']:.2f} % against {worst['error_percent_baseline']:.2f} %"
    return f"significantly more errors for {worst['by']} {worst['segment']}, {rates}"
