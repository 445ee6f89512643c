"""Findings ML-SEC-004 to 006: certificates, and who renews them."""

from __future__ import annotations

import pandas as pd

from meshlab.escape import plain
from meshlab.evidence import Evidence
from meshlab.questions.security.rows import MOST, each_row
from meshlab.results import Finding, Verdict

__all__ = ["renewals"]


def renewals(ends: pd.DataFrame, life: float, evidence: Evidence, about: str, asked: dict[str, str]) -> list[Finding]:
    """ML-SEC-004 to 006: who is not renewed, what expires if nobody is, and the authorities."""
    query = asked.get("certificates", "")
    if ends.empty:
        lacking = evidence.missing.get("certificates")
        remedy = lacking.remedy if lacking else ""
        statement = "ends of certificates are not exported"
        return [
            Finding(code=c, verdict=None, subject=about, required=False, statement=statement, advice=remedy)
            for c in ("ML-SEC-004", "ML-SEC-005")
        ]
    leaf, root = ends[ends["kind"] == "leaf"], ends[ends["kind"] == "authority"]
    bad = leaf[leaf["state"].isin(["overdue", "expired"])].sort_values("overdue_s", ascending=False)
    out = []
    for row in each_row(bad.head(MOST)):
        due = pd.to_datetime(row.due, unit="s", utc=True) if row.due == row.due else None
        end = pd.to_datetime(row.not_after, unit="s", utc=True)
        ended = "ended" if row.state == "expired" else "ends"
        should = f" and should have been renewed at {due:%H:%M:%S} UTC" if due is not None else ""
        name = plain(f"{row.cluster or '-'}/{row.namespace or '-'}/{row.workload}")
        out.append(
            Finding(
                code="ML-SEC-004",
                verdict=Verdict.FAIL,
                subject=name,
                statement=f"the certificate of {name} ({plain(row.pod)}) {ended} {end:%Y-%m-%d %H:%M:%S} UTC{should}",
                value=float(row.overdue_s),
                unit="s",
                threshold=0.0,
                advice="look at the agent's log and its way to the certificate authority; restarting the pod renews it",
                query=query,
            )
        )
    if bad.empty:
        unknown = int((leaf["state"] == "unknown").sum())
        blind = unknown > 0 or leaf.empty
        statement = f"none of {len(leaf)} workloads' certificates has ended"
        out.append(
            Finding(
                code="ML-SEC-004",
                verdict=None if blind else Verdict.PASS,
                subject=about,
                required=not blind,
                statement=f"{statement}; no rotation was seen, so whether {unknown} are overdue is not known"
                if blind
                else f"{statement} or is overdue",
                advice="give lifetime_s, or ask about a window longer than half of a certificate's life"
                if blind
                else "",
                query=query,
            )
        )
    if len(leaf):
        last = float(leaf["not_after"].max())
        horizon = last if life != life else min(last, evidence.window.end_ms / 1000 + life)
        soon = int((leaf["not_after"] <= horizon).sum())
        when = pd.to_datetime(horizon, unit="s", utc=True)
        out.append(
            Finding(
                code="ML-SEC-005",
                verdict=Verdict.PASS if bad.empty else Verdict.WARN,
                subject=about,
                required=False,
                statement=f"{soon} identities expire before {when:%Y-%m-%d %H:%M:%S} UTC if rotation stays stopped",
                value=float(soon),
                query=query,
            )
        )
    if len(root):
        first = float(root["not_after"].min())
        day = pd.to_datetime(first, unit="s", utc=True)
        gone = first <= evidence.window.end_ms / 1000
        out.append(
            Finding(
                code="ML-SEC-006",
                verdict=Verdict.WARN if gone else Verdict.PASS,
                subject=about,
                required=False,
                statement=f"the first authority's certificate ends {day:%Y-%m-%d}",
                advice="renew the authority's certificate: every identity hangs on it" if gone else "",
                query=query,
            )
        )
    return out
