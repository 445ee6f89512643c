"""Findings ML-SEC-004 to 006, 020 and 022: certificates, who renews them, who signs them, and clocks."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.questions.security.rows import MOST, each_row, shown

__all__ = ["clocks", "renewals", "signed"]

_BROKEN: Final = (
    "the new certificate and its key do not fit: look at what writes them; the proxy's expiration gauge already shows "
    "the refused one"
)

_SKEW_S: Final = 60.0
"""A clock that is further off makes certificates look unborn or dead."""


def renewals(ends: pd.DataFrame, life: float, evidence: Evidence, about: str, asked: dict[str, str]) -> list[Finding]:
    """ML-SEC-004 to 006: who is not renewed, what expires if nobody is, and the authorities."""
    query = asked.get("certificates", "")
    if ends.empty:
        lacking = evidence.missing.get("certificates")
        remedy = lacking.remedy if lacking else ""
        statement = "ends of certificates are not exported"
        return [
            Finding(code=c, verdict=None, subject=about, required=False, statement=statement, action=remedy)
            for c in ("ML-SEC-004", "ML-SEC-005")
        ]
    leaf = ends[ends["kind"] == "leaf"]
    bad = leaf[leaf["state"].isin(["overdue", "expired"])].sort_values("overdue_s", ascending=False)
    out = []
    for row in each_row(bad.head(MOST)):
        due = pd.to_datetime(row.due, unit="s", utc=True) if row.due == row.due else None
        end = pd.to_datetime(row.not_after, unit="s", utc=True)
        ended = "ended" if row.state == "expired" else "ends"
        should = f" and should have been renewed at {due:%H:%M:%S} UTC" if due is not None else ""
        name = _name(row, row.workload)
        out.append(
            Finding(
                code="ML-SEC-004",
                verdict=Verdict.FAIL,
                subject=name,
                statement=f"the certificate of {name} ({shown(row.pod)}) {ended} {end:%Y-%m-%d %H:%M:%S} UTC{should}"
                + (f"; {row.refused} new ones were refused" if row.refused else ""),
                value=float(row.overdue_s),
                unit="s",
                threshold=0.0,
                action=_BROKEN
                if row.refused
                else "look at the agent's log and its way to the certificate authority; restarting the pod renews it",
                query=query,
            )
        )
    kept = leaf[(leaf["refused"] > 0) & ~leaf["state"].isin(["overdue", "expired"])]
    for row in each_row(kept.head(MOST)):
        name = _name(row, row.workload)
        end = pd.to_datetime(row.not_after, unit="s", utc=True)
        out.append(
            Finding(
                code="ML-SEC-004",
                verdict=Verdict.WARN,
                subject=name,
                statement=f"{name} ({shown(row.pod)}) refused {row.refused} new certificates and still serves the old "
                f"one, which ends {end:%Y-%m-%d %H:%M:%S} UTC",
                value=float(row.refused),
                threshold=0.0,
                unit="refused",
                action=_BROKEN,
                query=query,
            )
        )
    if bad.empty and kept.empty:
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
                action="give lifetime_s, or ask about a window longer than half of a certificate's life"
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
        early = float(leaf["not_after"].min())
        first = pd.to_datetime(early, unit="s", utc=True)
        past = "already did, " if early <= evidence.window.end_ms / 1000 else ""
        out.append(
            Finding(
                code="ML-SEC-005",
                verdict=Verdict.PASS if bad.empty else Verdict.WARN,
                subject=about,
                required=False,
                statement=f"{soon} identities expire before {when:%Y-%m-%d %H:%M:%S} UTC if rotation stays stopped, "
                f"the first {past}at {first:%Y-%m-%d %H:%M:%S} UTC",
                value=float(soon),
                query=query,
            )
        )
    for kind in ("root", "intermediate"):
        own = ends[ends["kind"] == kind]
        if own.empty:
            continue
        soonest = float(own["not_after"].min())
        day = pd.to_datetime(soonest, unit="s", utc=True)
        gone = soonest <= evidence.window.end_ms / 1000
        out.append(
            Finding(
                code="ML-SEC-006",
                verdict=Verdict.WARN if gone else Verdict.PASS,
                subject=f"{about}, {kind}",
                required=False,
                statement=f"the first {kind} certificate of an authority {'ended' if gone else 'ends'} {day:%Y-%m-%d}",
                action="renew the authority's certificate: every identity hangs on it" if gone else "",
                query=query,
            )
        )
    return out


def signed(evidence: Evidence, about: str, asked: dict[str, str]) -> Finding:
    """ML-SEC-020: what the certificate authority was asked to sign, what it issued, and why not."""
    code, frame = "ML-SEC-020", evidence.frames.get("signing", pd.DataFrame())
    if frame.empty:
        lacking = evidence.missing.get("signing")
        return Finding(
            code=code,
            verdict=None,
            subject=about,
            required=False,
            statement="what the certificate authority signed is not exported",
            action=lacking.remedy if lacking else "",
        )
    sums = frame.groupby("what")["value"].sum()
    named = frame["what"].where(~frame["what"].isin(["signing", "refresh"]) | (frame["error"] == ""), frame["error"])
    bad = frame[~frame["what"].isin(["asked", "issued"])]
    errors = bad.groupby(named)["value"].sum()
    errors = errors[errors > 0]
    told = ", ".join(f"{int(n):,} of {shown(name)}" for name, n in errors.head(MOST).items())
    asked_for = f"{int(sums['asked']):,} requests to sign, " if "asked" in sums else ""
    issued = f"{int(sums.get('issued', 0)):,} certificates issued" if "issued" in sums else "certificates not counted"
    return Finding(
        code=code,
        verdict=Verdict.WARN if len(errors) else Verdict.PASS,
        subject=about,
        required=False,
        statement=f"{asked_for}{issued}, {int(errors.sum()):,} errors" + (f" ({told})" if told else ""),
        value=float(errors.sum()),
        threshold=0.0,
        unit="errors",
        action="read the authority's log: who is not signed for runs out of its certificate" if len(errors) else "",
        query=asked.get("signing", ""),
    )


def _name(row: Any, of: str) -> str:
    return "/".join(shown(part or "-") for part in (row.cluster, row.namespace, of))


def clocks(off: pd.DataFrame, about: str) -> list[Finding]:
    """ML-SEC-022: pods whose clock is off, as their agents' and their proxies' words tell."""
    bad = off[off["skew_s"].abs() > _SKEW_S] if len(off) else off
    return [
        Finding(
            code="ML-SEC-022",
            verdict=Verdict.WARN,
            subject=_name(row, row.pod),
            required=False,
            statement=(
                f"the clock of {shown(row.pod)} is {abs(row.skew_s):.0f} s {'behind' if row.skew_s > 0 else 'ahead'}, "
                "by what its agent says of its certificate"
            ),
            value=float(row.skew_s),
            threshold=_SKEW_S,
            unit="s",
            action="set the node's clock: certificates look unborn or dead to a clock that is off",
        )
        for row in each_row(bad.head(MOST))
    ]
