"""What the evidence says about the mesh's security; it asks nothing."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd

from meshlab.escape import plain
from meshlab.evidence import Evidence
from meshlab.questions.security.certificates import certificates, steps
from meshlab.questions.security.denials import denials, rbac
from meshlab.questions.security.encryption import edges, percent, shares, timeline, traffic
from meshlab.questions.security.exposure import exposure, nobodies
from meshlab.questions.security.identity import identities, reach
from meshlab.questions.security.policy import Policy
from meshlab.questions.security.scope import Scope
from meshlab.questions.security.score import FORMULA, changes, score
from meshlab.questions.security.strict import BLIND, breaks, workloads
from meshlab.results import Finding, Result, Verdict, overall

__all__ = ["judge"]

_MOST: Final = 15
"""Findings of one code: the rest is in the tables."""


def judge(evidence: Evidence, scope: Scope | None = None, *, policy: Policy | None = None) -> Result:
    """Say what was encrypted, who was denied, which certificates were not renewed, and what STRICT would break.

    Parameters
    ----------
    evidence : Evidence
    scope : Scope, optional
    policy : Policy, optional

    Returns
    -------
    Result
        Required: the encrypted share (ML-SEC-001) and, where certificates' ends are exported, that they are renewed in
        time (ML-SEC-004). Its tables are ``edges``, ``shares``, ``timeline``, ``strict``, ``strict_workloads``,
        ``denials``, ``rbac``, ``certificates``, ``rotations``, ``identities``, ``reach``, ``exposure``, ``unknown``,
        ``score`` and ``changes``.

    Raises
    ------
    ParameterError
        The earlier result in ``policy.against`` cannot be read.
    """
    policy, scope = policy or Policy(), scope or Scope()
    window = evidence.window
    seconds = (window.end_ms - window.start_ms) / 1000
    recent = pd.Timestamp(window.end) - pd.Timedelta(seconds=policy.recent_s or seconds / 5)
    about = plain(f"namespace {scope.namespace}" if scope.namespace else "mesh")
    table = traffic(evidence, policy)
    found = edges(table, recent)
    ladder = shares(found)
    turned = steps(evidence.frames["certificates"])
    ends, life = certificates(turned, window, evidence.notes.get("mesh", ""), policy)
    who = identities(table)
    refused = denials(table, policy.level)
    decided = rbac(evidence.frames["rbac"])
    border, unknown = exposure(table), nobodies(table)
    strict, each = breaks(found, seconds), workloads(found)
    number, terms = score(ladder, ends, who)
    asked = {name: query.promql for name, query in evidence.queries.items()}
    findings = [
        _encrypted(ladder, found, about, asked),
        *_plain(strict, asked),
        _strict(each, strict, about),
        *_certificates(ends, life, evidence, about, asked),
        *_denied(refused, policy, asked),
        _shadow(decided, evidence, about, asked),
        _identity(who, about),
        *_unknown(unknown, asked),
        _border(border, about),
        _versions(evidence, about, asked),
        _score(number, terms, found, about),
    ]
    moved = pd.DataFrame(columns=["change", "code", "subject", "before", "after"])
    if policy.against:
        moved = changes(findings, policy.against)
        findings.append(_changed(moved, about))
    verdict = overall(findings)
    return Result(
        question="security",
        subject=about,
        verdict=verdict,
        headline=_headline(verdict, findings),
        findings=findings,
        window=str(window),
        source=evidence.source,
        tables=MappingProxyType(
            {
                "edges": found,
                "shares": ladder,
                "timeline": timeline(table),
                "strict": strict,
                "strict_workloads": each,
                "denials": refused,
                "rbac": decided,
                "certificates": ends,
                "rotations": turned,
                "identities": who,
                "reach": reach(table),
                "exposure": border,
                "unknown": unknown,
                "score": terms,
                "changes": moved,
            }
        ),
    )


def _encrypted(ladder: pd.DataFrame, found: pd.DataFrame, about: str, asked: dict[str, str]) -> Finding:
    code, query = "ML-SEC-001", asked.get("seen", "")
    main = ladder[ladder["by"] == ladder["unit"]]
    known = main[main["share"].notna()]
    if known.empty:
        return Finding(
            code=code,
            verdict=Verdict.INCONCLUSIVE,
            subject=about,
            statement="encryption was not measured: no called workload's proxy reported a request",
            advice="give the called workloads a proxy and let Prometheus scrape it, or ask about a longer window",
            query=query,
        )
    parts = [
        f"{percent(row.encrypted, row.plaintext)} of the {row.unit} were mutually authenticated and encrypted"
        + (f" ({int(row.plaintext):,} were plain text)" if row.plaintext else "")
        for row in _rows(known)
    ]
    hidden = int(main["unverified"].sum())
    if hidden:
        parts.append(f"{hidden:,} more are known from their callers alone and not verified")
    going, past = int(found["now"].sum()), int((~found["now"] & (found["plaintext"] > 0)).sum())
    verdict = Verdict.FAIL if going else Verdict.WARN if past or hidden else Verdict.PASS
    if going or past:
        parts.append(f"{going} edges still carry plain text, {past} did so earlier")
    # What was plain text, and not what was encrypted: a share near 1 would be shown as 1.
    plaintext = known["plaintext"] / (known["encrypted"] + known["plaintext"])
    return Finding(
        code=code,
        verdict=verdict,
        subject=about,
        statement="; ".join(parts),
        value=100 * float(plaintext.max()),
        threshold=0.0,
        unit="% plain text",
        advice="mend the callers that ML-SEC-002 names before only mutual TLS is accepted" if going or past else "",
        query=query,
    )


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows by the names of their columns."""
    yield from frame.itertuples(name="Row")


def _edge(row: Any) -> str:
    return plain(
        f"{row.source or '(unknown)'} → {row.destination_cluster or '-'}/{row.destination_namespace or '-'}/"
        f"{row.destination_workload or row.destination_service or '-'}"
    )


def _plain(strict: pd.DataFrame, asked: dict[str, str]) -> list[Finding]:
    out = []
    for row in _rows(strict.head(_MOST)):
        when = f"first {row.first_plaintext:%H:%M:%S}, last {row.last_plaintext:%Y-%m-%d %H:%M:%S} UTC"
        state = "speaks plain text" if row.now else "spoke plain text, and has not of late"
        out.append(
            Finding(
                code="ML-SEC-002",
                verdict=Verdict.FAIL if row.now else Verdict.WARN,
                subject=_edge(row),
                required=False,
                statement=f"{_edge(row)} {state}: {row.per_s:.3g} {row.unit} a second over the window ({when})",
                value=float(row.per_s),
                unit="1/s",
                advice="give the caller a proxy, or let it speak mutual TLS",
                query=asked.get("seen", ""),
            )
        )
    return out


def _strict(each: pd.DataFrame, strict: pd.DataFrame, about: str) -> Finding:
    if each.empty:
        return Finding(
            code="ML-SEC-003",
            verdict=None,
            subject=about,
            required=False,
            statement="a STRICT dry run: nothing was seen",
        )
    count = each["strict"].value_counts()
    bad = [plain(name) for name in each.loc[each["strict"] == "unsafe", "destination_workload"]]
    n = int(strict["now"].sum())
    return Finding(
        code="ML-SEC-003",
        verdict=Verdict.WARN if bad or count.get("unknown", 0) else Verdict.PASS,
        subject=about,
        required=False,
        statement=(
            f"STRICT would break {n} edges now; {count.get('safe', 0)} workloads are safe, {len(bad)} unsafe"
            f"{' (' + ', '.join(bad[:5]) + ')' if bad else ''}, {count.get('unknown', 0)} unknown; {BLIND}"
        ),
        value=float(n),
        advice="switch the safe workloads first, one namespace at a time" if bad else "",
    )


def _certificates(
    ends: pd.DataFrame, life: float, evidence: Evidence, about: str, asked: dict[str, str]
) -> list[Finding]:
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
    for row in _rows(bad.head(_MOST)):
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


def _denied(refused: pd.DataFrame, policy: Policy, asked: dict[str, str]) -> list[Finding]:
    out = []
    for row in _rows(refused.head(_MOST)):
        external = row.by == "ext_authz"
        since = f", changed at {row.changed:%H:%M:%S} UTC" if not pd.isna(row.changed) else ""
        out.append(
            Finding(
                code="ML-SEC-008" if external else "ML-SEC-007",
                verdict=Verdict.WARN,
                subject=_edge(row),
                required=False,
                statement=(
                    f"{_edge(row)}: {int(row.denied):,} of {int(row.total):,} requests were denied by "
                    f"{'the external authorizer' if external else 'code 403'} ({row.cause}{since})"
                ),
                value=100 * float(row.share),
                interval=(100 * float(row.low), 100 * float(row.high)),
                level=policy.level,
                unit="%",
                advice="allow the caller, or take the call out of it",
                query=asked.get("seen", ""),
            )
        )
    return out


def _shadow(decided: pd.DataFrame, evidence: Evidence, about: str, asked: dict[str, str]) -> Finding:
    code, query = "ML-SEC-009", asked.get("rbac", "")
    if decided.empty:
        lacking = evidence.missing.get("rbac")
        return Finding(
            code=code,
            verdict=None,
            subject=about,
            required=False,
            statement="no authorization policy decided anything that is exported",
            advice=lacking.remedy if lacking else "",
        )
    sums = decided[["allowed", "denied", "shadow_allowed", "shadow_denied"]].sum(min_count=1)
    dry = sums[["shadow_allowed", "shadow_denied"]].sum()
    pods = [plain(pod) for pod in decided.loc[decided["shadow_denied"] > 0, "pod"]]
    told = {name: f"{int(sums[name]):,}" if sums[name] == sums[name] else "?" for name in sums.index}
    would = f"; a dry run would deny {told['shadow_denied']} of {int(dry):,}" if dry else ""
    where = f" (at {', '.join(pods[:5])})" if pods else ""
    enforced = f"policies allowed {told['allowed']} requests and denied {told['denied']}"
    return Finding(
        code=code,
        verdict=Verdict.WARN if pods else Verdict.PASS,
        subject=about,
        required=False,
        statement=f"{enforced}{would}{where}",
        value=float(sums["shadow_denied"]) if sums["shadow_denied"] >= 0 else None,
        advice="do not enforce the dry run before its callers are allowed" if pods else "",
        query=query,
    )


def _identity(who: pd.DataFrame, about: str) -> Finding:
    code = "ML-SEC-010"
    if who.empty:
        return Finding(
            code=code, verdict=None, subject=about, required=False, statement="no caller's identity is known"
        )
    flawed = who[who["shared"] | who["default"]]
    domains = sorted(set(who["trust_domain"]) - {""})
    names = "; ".join(plain(f"{r.principal} is used by {r.workloads}") for r in _rows(flawed.head(5)))
    return Finding(
        code=code,
        verdict=Verdict.WARN if len(flawed) else Verdict.PASS,
        subject=about,
        required=False,
        statement=(
            f"{len(who)} identities of {len(domains)} trust domains; {len(flawed)} are shared or default accounts"
            + (f": {names}" if names else "")
        ),
        value=float(len(flawed)),
        advice="give each workload a service account of its own" if len(flawed) else "",
    )


def _unknown(unknown: pd.DataFrame, asked: dict[str, str]) -> list[Finding]:
    out = []
    for row in _rows(unknown.sort_values("count", ascending=False).head(_MOST)):
        name = plain(f"{row.destination_cluster or '-'}/{row.destination_namespace or '-'}/{row.destination_workload}")
        out.append(
            Finding(
                code="ML-SEC-011",
                verdict=Verdict.WARN,
                subject=name,
                required=False,
                statement=f"{name} had {int(row.count):,} requests of a caller without any identity, last "
                f"{row.last_seen:%Y-%m-%d %H:%M:%S} UTC",
                value=float(row.count),
                advice="find the caller by its address (access log) and bring it into the mesh; no rule can name it",
                query=asked.get("seen", ""),
            )
        )
    return out


def _border(border: pd.DataFrame, about: str) -> Finding:
    sums = border.groupby("kind")["count"].sum() if len(border) else pd.Series(dtype=np.float64)
    words = {
        "ingress": "entered from outside without mutual TLS",
        "passthrough": "left for hosts that the mesh does not know",
        "blackhole": "were sent to nowhere",
    }
    told = [f"{int(sums[kind]):,} requests {text}" for kind, text in words.items() if kind in sums]
    out = {"passthrough", "blackhole"} & set(sums.index)
    return Finding(
        code="ML-SEC-012",
        verdict=Verdict.WARN if out else Verdict.PASS,
        subject=about,
        required=False,
        statement="; ".join(told) if told else "nothing that was counted entered or left the mesh",
        advice="register what is called outside as a ServiceEntry" if out else "",
    )


def _versions(evidence: Evidence, about: str, asked: dict[str, str]) -> Finding:
    frame = evidence.frames["versions"]
    frame = frame[frame["value"] > 0] if len(frame) else frame
    if frame.empty:
        lacking = evidence.missing.get("versions")
        return Finding(
            code="ML-SEC-013",
            verdict=None,
            subject=about,
            required=False,
            statement="TLS versions are not exported",
            advice=lacking.remedy if lacking else "",
        )
    sums = frame.groupby("version")["value"].sum()
    old = [name for name in sums.index if name in ("SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1")]
    return Finding(
        code="ML-SEC-013",
        verdict=Verdict.WARN if old else Verdict.PASS,
        subject=about,
        required=False,
        statement="handshakes: " + ", ".join(f"{int(n):,} of {plain(name)}" for name, n in sums.items()),
        advice="set minProtocolVersion" if old else "",
        query=asked.get("versions", ""),
    )


def _score(number: float | None, terms: pd.DataFrame, found: pd.DataFrame, about: str) -> Finding:
    if number is None:
        return Finding(
            code="ML-SEC-014", verdict=None, subject=about, required=False, statement="no score: not measured"
        )
    told = ", ".join(
        f"{row.term} {row.weight:g} x {'not measured' if row.share != row.share else percent(row.share, 1 - row.share)}"
        for row in _rows(terms)
    )
    requests = found[found["unit"] == "requests"]
    known, hidden = float(requests[["mtls", "plaintext"]].sum().sum()), float(requests["unverified"].sum())
    seen = f"; measured share of the requests: {percent(known, hidden)}" if known + hidden else ""
    return Finding(
        code="ML-SEC-014",
        verdict=Verdict.PASS,
        subject=about,
        required=False,
        statement=f"score {number:.0f} of 100 = {FORMULA}: {told}{seen}",
        value=number,
    )


def _changed(moved: pd.DataFrame, about: str) -> Finding:
    count = moved["change"].value_counts()
    new, fixed, worse = (int(count.get(word, 0)) for word in ("new", "fixed", "worse"))
    return Finding(
        code="ML-SEC-015",
        verdict=Verdict.WARN if new or worse else Verdict.PASS,
        subject=about,
        required=False,
        statement=f"since the earlier result: {new} new, {fixed} fixed, {worse} worse",
        value=float(new + worse),
    )


def _headline(verdict: Verdict, findings: list[Finding]) -> str:
    first = findings[0]
    if verdict is Verdict.INCONCLUSIVE:
        return f"No verdict yet: {first.statement}; {first.advice}"
    late = [f for f in findings if f.code == "ML-SEC-004" and f.verdict is Verdict.FAIL]
    told = [f.statement for f in (late[:2] if late else [])]
    lead = {Verdict.PASS: "Nothing was found", Verdict.WARN: "It has flaws", Verdict.FAIL: "It is not secure"}[verdict]
    return f"{lead}: " + "; ".join([*told, first.statement])
