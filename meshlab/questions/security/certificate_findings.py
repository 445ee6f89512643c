"""Findings ML-SEC-004 to 006, 020 and 022: certificates, who renews them, who signs them, and clocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import plural
from meshlab.questions.base import Case
from meshlab.questions.security.rows import MOST, each_row, place_name, shown

__all__ = ["clocks", "renewals", "signed"]

_MISMATCH: Final = (
    "Check what writes the new certificate: it does not fit its key. The proxy's expiration gauge already shows the "
    "refused one."
)

_LATE: Final[dict[str, Any]] = {"required": True, "threshold": 0.0, "query": "certificates"}
_SKEW_S: Final = 60.0
"""A clock that is further off makes certificates look unborn or dead."""


def renewals(case: Case, ends: pd.DataFrame, life: float) -> Iterator[Finding]:
    """ML-SEC-004 to 006: who is not renewed, what expires if nobody is, and the authorities."""
    if ends.empty:
        statement = "Certificate expiry times are not exported."
        for number in ("004", "005"):
            yield case.not_measured(number, "certificates", statement, need="certificates")
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
    name, pod = place_name(row.cluster, row.namespace, row.workload), shown(row.pod)
    due = f" and was due for renewal at {_moment(row.due):%H:%M:%S} UTC" if row.due == row.due else ""
    refused = f"; {plural(row.refused, 'new certificate')} refused" if row.refused else ""
    statement = (
        f"The certificate of {name} ({pod}) {'expired' if row.state == 'expired' else 'expires'} "
        f"{_moment(row.not_after):%Y-%m-%d %H:%M:%S} UTC{due}{refused}."
    )
    action = f"Restart pod {pod} to renew it, and check its agent's log for the certificate authority."
    more = {**_LATE, "subject": name, "value": float(row.overdue_s), "unit": "s"}
    more["action"] = _MISMATCH if row.refused else action
    return case.finding("004", f"certificates.{row.state}", Verdict.FAIL, statement, **more)


def _refused(case: Case, row: Any) -> Finding:
    name = place_name(row.cluster, row.namespace, row.workload)
    statement = (
        f"{name} ({shown(row.pod)}) refused {plural(row.refused, 'new certificate')} and still serves the old one, "
        f"which expires {_moment(row.not_after):%Y-%m-%d %H:%M:%S} UTC."
    )
    more = {**_LATE, "subject": name, "value": float(row.refused), "unit": "refused", "action": _MISMATCH}
    return case.finding("004", "certificates.refused", Verdict.WARN, statement, **more)


def _none_late(case: Case, leaf: pd.DataFrame) -> Finding:
    unknown = int((leaf["state"] == "unknown").sum())
    blind = unknown > 0 or leaf.empty
    statement = f"None of {plural(len(leaf), 'workload certificate')} has expired"
    if not blind:
        statement += " or is overdue."
        return case.finding("004", "certificates.pass", Verdict.PASS, statement, required=True, query="certificates")
    statement += f"; no rotation was seen, so it is unknown whether {unknown} are overdue."
    action = "Set `lifetime_s`, or ask about a window longer than half of a certificate's life."
    return case.finding("004", "certificates.no_rotation", None, statement, action=action, query="certificates")


def _if_rotation_stops(case: Case, leaf: pd.DataFrame, life: float, *, healthy: bool) -> Finding:
    end = case.evidence.window.end_ms / 1000
    last, early = float(leaf["not_after"].max()), float(leaf["not_after"].min())
    horizon = last if life != life else min(last, end + life)
    soon = int((leaf["not_after"] <= horizon).sum())
    statement = (
        f"If rotation stops, {plural(soon, 'identity', 'identities')} expire by "
        f"{_moment(horizon):%Y-%m-%d %H:%M:%S} UTC; the first "
        f"{'already expired' if early <= end else 'expires'} at {_moment(early):%Y-%m-%d %H:%M:%S} UTC."
    )
    more: dict[str, Any] = {"value": float(soon), "query": "certificates"}
    return case.warn_if(not healthy, "005", "certificates.horizon.warn", statement, **more)


def _authority(case: Case, kind: str, soonest: float) -> Finding:
    expired = soonest <= case.evidence.window.end_ms / 1000
    expires = f"{'expired' if expired else 'expires'} {_moment(soonest):%Y-%m-%d}"
    statement, subject = f"The first {kind} certificate of an authority {expires}.", f"{case.about}, {kind}"
    more = {"action": "Renew the authority's certificate: every identity depends on it.", "query": "certificates"}
    return case.warn_if(expired, "006", "authority.expired", statement, subject=subject, **more)


def signed(case: Case) -> Finding:
    """ML-SEC-020: what the certificate authority was asked to sign, what it issued, and why not."""
    frame = case.counts("signing").totals()
    if frame.empty:
        statement = "What the certificate authority signed is not exported."
        return case.not_measured("020", "signing", statement, need="signing")
    sums = frame.groupby("what")["value"].sum()
    named = frame["what"].where(~frame["what"].isin(["signing", "refresh"]) | (frame["error"] == ""), frame["error"])
    bad = frame[~frame["what"].isin(["asked", "issued"])]
    errors = bad.groupby(named)["value"].sum()
    errors = errors[errors > 0]
    kinds = ", ".join(f"{int(n):,} of {shown(name)}" for name, n in errors.head(MOST).items())
    asked = f"{int(sums['asked']):,} signing requests, " if "asked" in sums else ""
    issued = f"{int(sums.get('issued', 0)):,} certificates issued" if "issued" in sums else "certificates not counted"
    total = float(errors.sum())
    statement = f"Certificate authority: {asked}{issued}, {int(total):,} errors{f' ({kinds})' if kinds else ''}."
    more: dict[str, Any] = {"value": total, "threshold": 0.0, "unit": "errors", "query": "signing"}
    action = "Check the authority's log: a workload that gets no signature runs out of its certificate."
    return case.warn_if(len(errors), "020", "signing.errors", statement, action=action, **more)


def clocks(case: Case, skews: pd.DataFrame) -> Iterator[Finding]:
    """ML-SEC-022: pods whose clock is off, as their agents' and their proxies' words show."""
    action = "Synchronise the node's clock: certificates look not yet valid or expired to a clock that is off."
    for row in each_row(skews[skews["skew_s"].abs() > _SKEW_S].head(MOST)):
        statement = (
            f"The clock of {shown(row.pod)} is {abs(row.skew_s):.0f} s {'behind' if row.skew_s > 0 else 'ahead'}, "
            "judged by what its agent reports of its certificate."
        )
        numbers: dict[str, Any] = {"value": float(row.skew_s), "threshold": _SKEW_S, "unit": "s", "action": action}
        subject = place_name(row.cluster, row.namespace, row.pod)
        yield case.finding("022", "clock.skewed", Verdict.WARN, statement, subject=subject, **numbers)


def _moment(seconds: float) -> pd.Timestamp:
    moment: pd.Timestamp = pd.to_datetime(seconds, unit="s", utc=True)
    return moment
