"""The canary's verdict in one line: what to do, and the one number that says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import percent
from meshlab.questions.base import Case
from meshlab.questions.canary.arm_selection import arms_of
from meshlab.questions.canary.settings import Mode

__all__ = ["decisive", "headline"]

_PROMOTE: Final = {Mode.CANARY: "Promote", Mode.BLUE_GREEN: "Keep", Mode.MIRROR: "Send live traffic to"}
_CONCERNS: Final = {
    "ML-CAN-001": "its error rate rose significantly, within the margin",
    "ML-CAN-002": "it is significantly slower, within the margin",
    "ML-CAN-005": "source and destination reporters differ",
    "ML-CAN-006": "errors come in bursts",
    "ML-CAN-007": "it also served live requests",
    "ML-CAN-008": "significantly more requests are slow, within the margin",
    "ML-CAN-009": "the versions' pods differ",
    "ML-CAN-010": "the versions get different traffic",
}
_DATA: Final = ("ML-CAN-003", "ML-CAN-004", "ML-CAN-013")
"""Whether the data can carry a verdict comes before what they say."""
_METRICS: Final = ("ML-CAN-001", "ML-CAN-002", "ML-CAN-008")


def decisive(verdict: Verdict, findings: Sequence[Finding]) -> Finding:
    """The finding that decides the verdict; a PASS is decided by the first."""
    same = [finding for finding in findings if finding.verdict is verdict]
    return min(same or findings, key=lambda finding: finding.code not in _DATA)


def headline(verdict: Verdict, findings: Sequence[Finding], case: Case) -> str:
    """The verdict, and why, in at most 15 words."""
    canary, finding = arms_of(case).canary, decisive(verdict, findings)
    if verdict is Verdict.FAIL:
        do = "Do not launch" if case.settings.mode is Mode.MIRROR else "Roll back"
        failed = {finding.code for finding in findings if finding.verdict is Verdict.FAIL}
        return f"{do} {canary}: {_regression(failed, case)}."
    if verdict is Verdict.INCONCLUSIVE:
        # Where a metric was measured, what is needed says more than what is not decided.
        needed = finding.code in _METRICS and finding.value is not None
        reason = str(finding.action if needed else finding.statement).split(". ")[0].rstrip(".")
        reason = f"{reason[:1].lower()}{reason[1:]}" if reason.split(" ")[0] != canary else reason
        return f"No verdict on {canary} yet: {reason}."
    do = f"{_PROMOTE[case.settings.mode]} {canary}"
    if verdict is Verdict.WARN:
        return f"{do} with care: {_CONCERNS[finding.code]}."
    return f"{do}: {_error_rates(case)}, and latency is within the margin."


def _regression(failed: set[str], case: Case) -> str:
    if "ML-CAN-001" in failed:
        also = "and latency regressed significantly" if "ML-CAN-002" in failed else "a significant regression"
        return f"{_error_rates(case)}, {also}"
    edges, segments = case.tables["latency_edges"], case.tables["segments"]
    if "ML-CAN-002" in failed:
        return f"significantly slower, {_above(edges.iloc[int(edges['difference'].abs().argmax())])}"
    if "ML-CAN-008" in failed:
        guarded = edges[edges["guarded"]]
        return f"significantly more slow requests, {_above(guarded.iloc[int(guarded['log_worse'].argmax())])}"
    worst = segments.iloc[int(segments["log_worse"].argmax())]
    rates = _against(worst["error_percent_canary"], worst["error_percent_baseline"])
    return f"significantly more errors for {worst['by']} {worst['segment']}, {rates}"


def _error_rates(case: Case) -> str:
    arms = case.tables["arms"]
    source = arms[arms["reporter"] == "source"]
    at_source = case.settings.mode is not Mode.MIRROR and source["requests"].sum()
    side = source if at_source else arms[arms["reporter"] == "destination"]
    table = side.set_index("arm")
    rates, requests = table["error_percent"], table["requests"]
    return _against(rates["canary"], rates["baseline"], f" of {requests['canary']:,} requests fail")


def _above(edge: pd.Series[float]) -> str:
    shares = 100 * edge["above_canary"], 100 * edge["above_baseline"]
    return _against(*shares, f" over {edge['edge_ms']:g} ms")


def _against(canary: float, baseline: float, what: str = "") -> str:
    return f"{percent(canary / 100, 2)}{what} against {percent(baseline / 100, 2)}"
