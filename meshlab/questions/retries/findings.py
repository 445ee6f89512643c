"""Findings ML-RET-001 to 010, and 014: what edges, ways and the storm come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.core.sanitize import plain
from meshlab.questions.retries.capacity import OVERLOADED, STABLE, VULNERABLE
from meshlab.questions.retries.capacity import UNKNOWN as UNMEASURED
from meshlab.questions.retries.cube import total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.protection import UNKNOWN, WORSE
from meshlab.questions.retries.settings import Policy
from meshlab.questions.retries.storm import State, Storm

__all__ = [
    "amplifiers",
    "breakers",
    "coverage",
    "identity",
    "origin",
    "path",
    "refusals",
    "state",
    "timeouts",
    "value",
    "vulnerable",
]

Bools = NDArray[np.bool_]

_IDENTITY = 0.05
_FUTILE = 0.10
_FUTILE_FROM = 1.5

_VERDICTS = {
    State.STABLE: Verdict.PASS,
    State.VULNERABLE: Verdict.WARN,
    State.STORM: Verdict.FAIL,
    State.METASTABLE: Verdict.FAIL,
    State.UNKNOWN: Verdict.INCONCLUSIVE,
}

_ADVICE = {
    State.STABLE: "",
    State.VULNERABLE: "bound the retries with a budget on every hop, and retry at one hop only",
    State.STORM: "cut the retries now (attempts 0, or a budget of 20 %), before anything else is changed",
    State.METASTABLE: (
        "it does not end by itself: switch the retries off on all hops until goodput is back, or shed load until "
        "load times amplification is below what the origin serves; then give every hop a budget"
    ),
}


def state(found: Storm, all_edges: Edges, evidence: Evidence, subject: str, policy: Policy) -> Finding:
    """ML-RET-001: stable, vulnerable, storm or metastable."""
    code, query = "ML-RET-001", _query(evidence, "callers")
    broken = [name for name in ("callers", "called", "proxies") if _failed(evidence, name)]
    if found.state is State.UNKNOWN or broken:
        lack = next((evidence.missing[n] for n in ("callers", "proxies", "called") if n in evidence.missing), None)
        if broken:
            said, action = f"{', '.join(broken)} came back in part only", "ask again"
        elif lack is not None:
            said, action = f"attempts are not known: {lack.what} are not exported", lack.remedy
        else:
            said = f"no edge had {policy.least} requests in the window"
            action = "move the window to where there was traffic"
        return Finding(
            code=code, verdict=Verdict.INCONCLUSIVE, subject=subject, statement=said, action=action, query=query
        )
    return Finding(
        code=code,
        verdict=_VERDICTS[found.state],
        subject=subject,
        statement=f"{found.state.value}: {_why(found, all_edges)}",
        value=found.probability,
        unit="probability of a storm",
        action=_ADVICE[found.state],
        query=query,
    )


def _why(found: Storm, all_edges: Edges) -> str:
    line = found.timeline
    if found.state is State.STABLE:
        lost = (
            "; goodput was lost for another reason (overload, or errors that nobody retries)"
            if found.overloaded
            else ""
        )
        return f"attempts follow the load, {found.amplified:.3g} for a request on the busiest retrying edge{lost}"
    share = f"{found.amplified:.3g} attempts at {_name(all_edges, found.origin)} for a request at the top"
    bad = found.incident
    if not bad.any():
        hot = int((line["phase"] != "calm").sum())
        return f"{share} in {hot} of {len(line)} blocks, and goodput held"
    good = float(line.loc[bad, "goodput_per_s"].sum() / line.loc[bad, "load_per_s"].sum())
    sentence = f"{share}, and {good:.0%} of the requests were answered well"
    if found.trigger is None:
        return f"{sentence}, for {found.lasted_s:.0f} s; the end of what set it off was not seen"
    ended = f"its trigger ({found.trigger_kind}) ended"
    if found.state is State.METASTABLE:
        back = ", then the attempts fell" if found.recovered else " and still lasts"
        return f"{sentence}; this went on for {found.lasted_s:.0f} s after {ended}{back}"
    if found.recovered:
        return f"{sentence}; it came back by itself {found.lasted_s:.0f} s after {ended}"
    return f"{sentence}; {found.lasted_s:.0f} s after {ended} it still lasts"


def coverage(all_edges: Edges, among: Bools, evidence: Evidence, subject: str) -> Finding:
    """ML-RET-002: who told the attempts, and what is not exported."""
    table = all_edges.table[among]
    own, ends = int((table["basis"] == "proxies").sum()), int((table["basis"] == "arrivals").sum())
    fault = table[table["fault"]]
    query = _query(evidence, "proxies")
    known = f"attempts of {own} edges are told by the callers' proxies, of {ends} by both ends' requests"
    if len(fault):
        first = plain(all_edges.label(int(fault.index[0])))
        return Finding(
            code="ML-RET-002",
            verdict=Verdict.WARN,
            required=False,
            subject=subject,
            statement=(
                f"{known}; the retry counters of {len(fault)} edges ({first} first) stand at zero while more arrives "
                "than was asked: they are registered and not included"
            ),
            value=float(len(fault)),
            unit="edges",
            action="include .*upstream_rq_retry.* in the proxies' stats as a regular expression, not as a prefix",
            query=query,
        )
    lack = evidence.missing.get("proxies")
    nobody = int((table["basis"] == "").sum() - table["only_called"].sum())
    more = f"; {nobody} edges are known at one end only, and are not judged" if nobody else ""
    return Finding(
        code="ML-RET-002",
        verdict=None if lack else Verdict.PASS,
        required=False,
        subject=subject,
        statement=f"{known}{more}" + (f"; not exported: {lack.what}" if lack else ""),
        value=float(own),
        unit="edges",
        action=lack.remedy if lack else "",
        query=query,
    )


def identity(all_edges: Edges, among: Bools, evidence: Evidence, subject: str, policy: Policy) -> Finding:
    """ML-RET-003: good answers sent and good answers received must be as many."""
    table = all_edges.table[among & np.isfinite(all_edges.table["identity"].to_numpy(np.float64))]
    table = table[table["logical"] >= 10 * policy.least]
    query = _query(evidence, "called")
    if table.empty:
        return Finding(
            code="ML-RET-003",
            verdict=None,
            required=False,
            subject=subject,
            statement="no edge is counted at both ends: the counts cannot be checked against each other",
            action=evidence.missing["called"].remedy if "called" in evidence.missing else "",
            query=query,
        )
    off = (table["identity"] - 1).abs()
    mirrored = table["unexplained"] > _IDENTITY * table["logical"]
    worst = int(off[~mirrored].idxmax()) if (~mirrored).any() else int(off.idxmax())
    bad = int(((off > _IDENTITY) & ~mirrored).sum())
    also = (
        f"; {int(mirrored.sum())} more get mirrored or unmeshed requests, which count as no retries"
        if mirrored.any()
        else ""
    )
    return Finding(
        code="ML-RET-003",
        verdict=Verdict.WARN if bad else Verdict.PASS,
        required=False,
        subject=subject,
        statement=(
            f"good answers given and received differ by {off[worst]:.1%} on {_name(all_edges, worst)}, by more than "
            f"{_IDENTITY:.0%} on {bad} of {len(table)} edges{also}"
        ),
        value=float(all_edges.table["identity"].to_numpy(np.float64)[worst]),
        threshold=1 + _IDENTITY,
        unit="good answers given for one received",
        action="a scrape is missing, a caller is outside the mesh, or requests are mirrored: trust other edges"
        if bad
        else "",
        query=query,
    )


def origin(found: Storm, all_edges: Edges, evidence: Evidence, subject: str) -> Finding:
    """ML-RET-004: where it began."""
    query = _query(evidence, "called")
    if found.origin is None:
        return _nothing("ML-RET-004", subject, "no edge's attempts rose beyond its load", query, _judged(found))
    row = all_edges.table.loc[found.origin]
    told = found.timeline
    since = int(found.onset[found.origin])
    when = f", since {told['time'].iloc[since]:%H:%M:%S} UTC" if since >= 0 else ""
    return Finding(
        code="ML-RET-004",
        verdict=Verdict.WARN,
        required=False,
        subject=_name(all_edges, found.origin),
        statement=(
            f"it began at {_name(all_edges, found.origin)}, the deepest edge that fails{when}: "
            f"{row['good_share']:.0%} of its requests were answered well"
        ),
        value=float(all_edges.table["good_share"].to_numpy(np.float64)[found.origin]),
        unit="share",
        action=f"look at {plain(row['destination_service'])}: {found.trigger_kind or 'nothing below it fails'}",
        query=query,
    )


def amplifiers(found: Storm, all_edges: Edges, evidence: Evidence, subject: str) -> Finding:
    """ML-RET-005: which edges multiply, from the origin upwards."""
    query = _query(evidence, "proxies")
    if not found.amplifiers:
        return _nothing("ML-RET-005", subject, "no edge multiplies its requests", query, _judged(found))
    blocks = found.incident if found.incident.any() else (found.timeline["phase"] != "calm").to_numpy(np.bool_)
    asked, tried = total(all_edges.logical, blocks), total(all_edges.attempts, blocks)
    said = [f"{_name(all_edges, e)} {tried[e] / asked[e]:.2f}" for e in found.amplifiers if asked[e] > 0]
    return Finding(
        code="ML-RET-005",
        verdict=Verdict.WARN,
        required=False,
        subject=subject,
        statement=f"attempts for a request, from the origin upwards: {', '.join(said[:8])}",
        value=float(len(found.amplifiers)),
        unit="edges",
        action="retry at one of these hops only" if len(found.amplifiers) > 1 else "",
        query=query,
    )


def path(ways: pd.DataFrame, found: Storm, evidence: Evidence, subject: str) -> Finding:
    """ML-RET-006: what the hops come to together."""
    query = _query(evidence, "callers")
    known = ways[np.isfinite(ways["amplification"].to_numpy(np.float64))]
    if known.empty:
        return _nothing("ML-RET-006", subject, "no way from the ingress is known", query)
    column = "in_incident" if found.incident.any() else "amplification"
    row = known.loc[known[column].idxmax()]
    when = " in the incident" if column == "in_incident" else ""
    worst = f"; configured is a worst case of {row['configured']:.0f}" if np.isfinite(row["configured"]) else ""
    if not worst and row["worst"] > 1:
        worst = f"; the most that each hop was seen to try makes {row['worst']:.3g}, what is configured is not known"
    return Finding(
        code="ML-RET-006",
        verdict=Verdict.PASS if found.origin is None else Verdict.WARN,
        required=False,
        subject=subject,
        statement=(
            f"{plain(row['path'])}: {row[column]:.3g} attempts at the end for one at the beginning"
            f"{when}, over {row['retrying_hops']} hops that retry{worst}"
        ),
        value=float(row[column]),
        threshold=float(row["configured"]) if np.isfinite(row["configured"]) else None,
        unit="attempts",
        query=query,
    )


def value(all_edges: Edges, among: Bools, evidence: Evidence, subject: str) -> Finding:
    """ML-RET-007: what the retries were worth."""
    query = _query(evidence, "proxies")
    table = all_edges.table[among & np.isfinite(all_edges.table["saved"].to_numpy(np.float64))]
    retries = float((table["attempts"] - table["logical"]).sum())
    if table.empty:
        lack = evidence.missing.get("proxies")
        said = "which retries saved a request is told by the proxies' own counters only"
        return Finding(
            code="ML-RET-007",
            verdict=None,
            required=False,
            subject=subject,
            statement=said,
            action=lack.remedy if lack else "",
            query=query,
        )
    if retries < 1:
        return _nothing("ML-RET-007", subject, "there were no retries", query, Verdict.PASS)
    share = float(table["saved"].sum()) / retries
    futile = share < _FUTILE and bool((table["amplification"] > _FUTILE_FROM).any())
    return Finding(
        code="ML-RET-007",
        verdict=Verdict.WARN if futile else Verdict.PASS,
        required=False,
        subject=subject,
        statement=f"{retries:,.0f} retries saved {table['saved'].sum():,.0f} requests",
        value=share,
        threshold=_FUTILE,
        unit="requests saved by a retry",
        action="these retries only make load: bound them" if futile else "",
        query=query,
    )


def refusals(all_edges: Edges, among: Bools, evidence: Evidence, subject: str) -> Finding:
    """ML-RET-008: what bounded the retries, and what the flag UO stood for."""
    query = _query(evidence, "proxies")
    table = all_edges.table[among]
    refused, blocked = table["retries_refused"], table["breaker_rejected"]
    limit = table["retry_limit_exceeded"]
    if not refused.notna().any() and not limit.notna().any():
        return _nothing("ML-RET-008", subject, "what bounded retries is not exported", query)
    parts = [
        f"{refused.sum():,.0f} retries were refused by a budget or a limit of retries at once",
        f"{blocked.sum():,.0f} requests were refused by a breaker before they were sent",
    ]
    if limit.notna().any():
        parts.append(f"{limit.sum():,.0f} requests used up their retries")
    unbounded = bool(limit.sum() > 0 and refused.sum() == 0)
    return Finding(
        code="ML-RET-008",
        verdict=Verdict.PASS,
        required=False,
        subject=subject,
        statement="; ".join(parts) + ("; nothing but the number of tries bounds them" if unbounded else ""),
        value=float(refused.sum()),
        unit="retries refused",
        action="set a retry budget: the number of tries bounds a request, and not the load" if unbounded else "",
        query=query,
    )


def timeouts(all_edges: Edges, among: Bools, evidence: Evidence, subject: str) -> Finding:
    """ML-RET-009: time-outs of tries, of requests, and connections that failed."""
    query = _query(evidence, "proxies")
    table = all_edges.table[among]
    known = [n for n in ("per_try_timeout", "timeout", "connect_fail") if table[n].notna().any()]
    if not known:
        return _nothing("ML-RET-009", subject, "time-outs are not exported", query)
    words = {
        "per_try_timeout": "tries timed out",
        "timeout": "requests timed out",
        "connect_fail": "connections failed",
    }
    worst = table[known].sum(axis=1)
    at = (
        f", most on {_name(all_edges, int(worst.index[int(worst.to_numpy(np.float64).argmax())]))}"
        if worst.max() > 0
        else ""
    )
    return Finding(
        code="ML-RET-009",
        verdict=Verdict.PASS,
        required=False,
        subject=subject,
        statement=", ".join(f"{table[name].sum():,.0f} {words[name]}" for name in known) + at,
        value=float(table[known[0]].sum()),
        unit=words[known[0]],
        query=query,
    )


def breakers(stood: pd.DataFrame, shields: pd.DataFrame, evidence: Evidence, subject: str) -> Finding:
    """ML-RET-010: how often breakers stood open and hosts were ejected, what was shed, and whether it helped."""
    query = _query(evidence, "breakers")
    known = shields[shields["helped"] != UNKNOWN]
    said = [_shield(row) for row in (known if len(known) else shields).head(2 if len(known) else 1).itertuples()]
    if len(shields) > len(said):
        said.append(f"{len(shields) - len(said)} more in the table")
    if stood.empty:
        lack = evidence.missing.get("breakers")
        return Finding(
            code="ML-RET-010",
            verdict=None,
            required=False,
            subject=subject,
            statement="; ".join(["breakers and ejections are not exported", *said]),
            action=lack.remedy if lack else "",
            query=query,
        )
    # An idle pooled connection holds the breaker of connections open: it refuses nothing.
    told = stood[~stood["gauge"].isin(["cx_open", "cx_pool_open"])]
    seen = told[told["open"] > 0]
    rows = [
        f"{row.gauge} of {plain(row.source)} -> {plain(row.destination_service)} at {row.open} of {row.scrapes} scrapes"
        for row in seen.sort_values("open", ascending=False).head(3).itertuples(index=False)
    ]
    return Finding(
        code="ML-RET-010",
        verdict=Verdict.PASS,
        required=False,
        subject=subject,
        statement="; ".join([*(rows or ["no scrape saw a breaker open or a host ejected"]), *said]),
        value=float(seen["open"].sum()),
        unit="scrapes",
        action=(
            "what shed requests made it worse, or came with what did: look at its limits"
            if (shields["helped"] == WORSE).any()
            else ""
        ),
        query=query,
    )


def vulnerable(table: pd.DataFrame, evidence: Evidence, subject: str) -> Finding:
    """ML-RET-014: whether the usual load would fill a service if each request were tried as often as it can be."""
    query = _query(evidence, "called")
    if table.empty:
        return Finding(
            code="ML-RET-014",
            verdict=None,
            required=False,
            subject=subject,
            statement="no service was seen full: how near retries can bring one to its capacity is not measured",
            action="test it with more load than it serves, and record that",
            query=query,
        )
    order = {OVERLOADED: 0, VULNERABLE: 1, STABLE: 2, UNMEASURED: 3}
    row = table.sort_values("state", key=lambda v: v.map(order), kind="stable").iloc[0]
    said = (
        f"{plain(str(row['service']))} takes in {row['capacity_per_s']:.3g} attempts a second when it is full "
        f"({row['low']:.3g} to {row['high']:.3g}), and usually {row['load_per_s']:.3g}"
    )
    known = np.isfinite(row["safe_per_s"])
    if known:
        said += (
            f"; with {row['worst']:.3g} attempts for a request ({row['worst_from']}) a load up to "
            f"{row['safe_per_s']:.3g} a second comes back by itself"
        )
    else:
        said += "; no retries were seen, and how many are configured is not known"
    risky = row["state"] in (VULNERABLE, OVERLOADED)
    return Finding(
        code="ML-RET-014",
        verdict=Verdict.WARN if risky else Verdict.PASS if known else None,
        required=False,
        subject=subject,
        statement=said,
        value=float(row["load_per_s"] * row["worst"] / row["capacity_per_s"]) if known else None,
        threshold=1.0 if known else None,
        unit="of its capacity, if every request used all its tries",
        action=(
            "bound the retries, or add capacity: any time-out long enough can tip it"
            if risky
            else ""
            if known
            else "give `attempts`, the tries that are configured at each hop"
        ),
        query=query,
    )


def _shield(row: Any) -> str:
    """What one protection did, and whether its destination did better."""
    share = f" ({row.shed_share:.0%})" if np.isfinite(row.shed_share) else ""
    place = f"{plain(row.source) or 'outside'} -> {plain(row.destination_service)}"
    did = f"{row.kind} of {place}: {row.shed:,.0f}{share} in {row.blocks} blocks"
    if row.helped == UNKNOWN:
        return f"{did}, whether it helped is not measured ({row.why})"
    return (
        f"{did}, {row.good_while:.0%} good answers with it and {row.good_before:.0%} without ({row.helped}: "
        f"{row.low:+.1%} to {row.high:+.1%})"
    )


def _name(all_edges: Edges, edge: int | None) -> str:
    return plain(all_edges.label(edge)) if edge is not None else ""


def _nothing(code: str, subject: str, said: str, query: str, verdict: Verdict | None = None) -> Finding:
    return Finding(code=code, verdict=verdict, required=False, subject=subject, statement=said, query=query)


def _judged(found: Storm) -> Verdict | None:
    """There is none, or it could not be seen."""
    return None if found.state is State.UNKNOWN else Verdict.PASS


def _query(evidence: Evidence, name: str) -> str:
    return evidence.queries[name].promql if name in evidence.queries else ""


def _failed(evidence: Evidence, name: str) -> bool:
    return name in evidence.queries and bool(evidence.queries[name].failed)
