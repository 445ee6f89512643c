"""Findings ML-SEC-004 to 006, 020 and 022: certificates, who renews them, who signs them, and clocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import plural
from meshlab.questions.base import Case
from meshlab.questions.security.rows import MOST, each_row, shown

__all__ = ["clocks", "renewals", "signed"]

_MISMATCH: Final = (
    "Check what writes the new certificate: it does not fit its key. The proxy's expiration gauge already shows the "
    "refused one."
)

_SKEW_S: Final = 60.0
"""A clock that is further off makes certificates look unborn or dead."""


def renewals(case: Case, ends: pd.DataFrame, life: float) -> Iterator[Finding]:
    """ML-SEC-004 to 006: who is not renewed, what expires if nobody is, and the authorities."""
    if ends.empty:
        for number in ("004", "005"):
            yield case.not_measured(
                number, "certificates", "Certificate expiry times are not exported.", need="certificates"
            )
        return
    leaf = ends[ends["kind"] == "leaf"]
    late = leaf["state"].isin(["overdue", "expired"])
    bad = leaf[late].sort_values("overdue_s", ascending=False)
    kept = leaf[(leaf["refused"] > 0) & ~late]
    yield from (_overdue(case, row) for row in each_row(bad.head(MOST)))
    yield from (_refused(case, row) for row in each_row(kept.head(MOST)))
    if bad.empty and kept.empty:
        yield _none_late(case, leaf)
    if len(leaf):
        yield _if_rotation_stops(case, leaf, life, healthy=bad.empty)
    for kind in ("root", "intermediate"):
        own = ends[ends["kind"] == kind]
        if len(own):
            yield _authority(case, kind, float(own["not_after"].min()))


def _overdue(case: Case, row: Any) -> Finding:
    name = _name(row, row.workload)
    due = f" and was due for renewal at {_moment(row.due):%H:%M:%S} UTC" if row.due == row.due else ""
    refused = f"; {plural(row.refused, 'new certificate')} refused" if row.refused else ""
    return case.finding(
        "004",
        f"certificates.{row.state}",
        Verdict.FAIL,
        f"The certificate of {name} ({shown(row.pod)}) {'expired' if row.state == 'expired' else 'expires'} "
        f"{_moment(row.not_after):%Y-%m-%d %H:%M:%S} UTC{due}{refused}.",
        subject=name,
        required=True,
        value=float(row.overdue_s),
        unit="s",
        threshold=0.0,
        action=_MISMATCH
        if row.refused
        else f"Restart pod {shown(row.pod)} to renew it, and check its agent's log for the certificate authority.",
        query="certificates",
    )


def _refused(case: Case, row: Any) -> Finding:
    name = _name(row, row.workload)
    return case.finding(
        "004",
        "certificates.refused",
        Verdict.WARN,
        f"{name} ({shown(row.pod)}) refused {plural(row.refused, 'new certificate')} and still serves the old one, "
        f"which expires {_moment(row.not_after):%Y-%m-%d %H:%M:%S} UTC.",
        subject=name,
        required=True,
        value=float(row.refused),
        threshold=0.0,
        unit="refused",
        action=_MISMATCH,
        query="certificates",
    )


def _none_late(case: Case, leaf: pd.DataFrame) -> Finding:
    unknown = int((leaf["state"] == "unknown").sum())
    blind = unknown > 0 or leaf.empty
    statement = f"None of {plural(len(leaf), 'workload certificate')} has expired"
    if not blind:
        return case.finding(
            "004",
            "certificates.pass",
            Verdict.PASS,
            f"{statement} or is overdue.",
            required=True,
            query="certificates",
        )
    return case.finding(
        "004",
        "certificates.no_rotation",
        None,
        f"{statement}; no rotation was seen, so it is unknown whether {unknown} are overdue.",
        action="Set `lifetime_s`, or ask about a window longer than half of a certificate's life.",
        query="certificates",
    )


def _if_rotation_stops(case: Case, leaf: pd.DataFrame, life: float, *, healthy: bool) -> Finding:
    end = case.evidence.window.end_ms / 1000
    last, early = float(leaf["not_after"].max()), float(leaf["not_after"].min())
    horizon = last if life != life else min(last, end + life)
    soon = int((leaf["not_after"] <= horizon).sum())
    return case.finding(
        "005",
        f"certificates.horizon.{'pass' if healthy else 'warn'}",
        Verdict.PASS if healthy else Verdict.WARN,
        f"If rotation stops, {plural(soon, 'identity', 'identities')} expire by "
        f"{_moment(horizon):%Y-%m-%d %H:%M:%S} UTC; the first "
        f"{'already expired' if early <= end else 'expires'} at {_moment(early):%Y-%m-%d %H:%M:%S} UTC.",
        value=float(soon),
        query="certificates",
    )


def _authority(case: Case, kind: str, soonest: float) -> Finding:
    expired = soonest <= case.evidence.window.end_ms / 1000
    expires = f"{'expired' if expired else 'expires'} {_moment(soonest):%Y-%m-%d}"
    return case.finding(
        "006",
        f"authority.{'expired' if expired else 'pass'}",
        Verdict.WARN if expired else Verdict.PASS,
        f"The first {kind} certificate of an authority {expires}.",
        subject=f"{case.about}, {kind}",
        action="Renew the authority's certificate: every identity depends on it." if expired else "",
        query="certificates",
    )


def signed(case: Case) -> Finding:
    """ML-SEC-020: what the certificate authority was asked to sign, what it issued, and why not."""
    frame = case.counts("signing").totals()
    if frame.empty:
        return case.not_measured(
            "020", "signing", "What the certificate authority signed is not exported.", need="signing"
        )
    sums = frame.groupby("what")["value"].sum()
    named = frame["what"].where(~frame["what"].isin(["signing", "refresh"]) | (frame["error"] == ""), frame["error"])
    bad = frame[~frame["what"].isin(["asked", "issued"])]
    errors = bad.groupby(named)["value"].sum()
    errors = errors[errors > 0]
    kinds = ", ".join(f"{int(n):,} of {shown(name)}" for name, n in errors.head(MOST).items())
    asked = f"{int(sums['asked']):,} signing requests, " if "asked" in sums else ""
    issued = f"{int(sums.get('issued', 0)):,} certificates issued" if "issued" in sums else "certificates not counted"
    return case.finding(
        "020",
        f"signing.{'errors' if len(errors) else 'pass'}",
        Verdict.WARN if len(errors) else Verdict.PASS,
        f"Certificate authority: {asked}{issued}, {int(errors.sum()):,} errors{f' ({kinds})' if kinds else ''}.",
        value=float(errors.sum()),
        threshold=0.0,
        unit="errors",
        action="Check the authority's log: a workload that gets no signature runs out of its certificate."
        if len(errors)
        else "",
        query="signing",
    )


def clocks(case: Case, skews: pd.DataFrame) -> Iterator[Finding]:
    """ML-SEC-022: pods whose clock is off, as their agents' and their proxies' words show."""
    bad = skews[skews["skew_s"].abs() > _SKEW_S] if len(skews) else skews
    for row in each_row(bad.head(MOST)):
        yield case.finding(
            "022",
            "clock.skewed",
            Verdict.WARN,
            f"The clock of {shown(row.pod)} is {abs(row.skew_s):.0f} s {'behind' if row.skew_s > 0 else 'ahead'}, "
            "judged by what its agent reports of its certificate.",
            subject=_name(row, row.pod),
            value=float(row.skew_s),
            threshold=_SKEW_S,
            unit="s",
            action="Synchronise the node's clock: certificates look not yet valid or expired to a clock that is off.",
        )


def _name(row: Any, of: str) -> str:
    return "/".join(shown(part or "-") for part in (row.cluster, row.namespace, of))


def _moment(seconds: float) -> pd.Timestamp:
    moment: pd.Timestamp = pd.to_datetime(seconds, unit="s", utc=True)
    return moment
