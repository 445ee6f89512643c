"""Findings ML-SEC-001 to 003, 013 and 021: what was encrypted, how, what was not, and what STRICT would break."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import plural
from meshlab.questions.base import Case
from meshlab.questions.security.encryption import percent
from meshlab.questions.security.rows import MOST, each_row, edge_name, shown

__all__ = ["ciphers", "encrypted", "plaintext_edges", "strict_run", "versions"]

_RECENT: Final = re.compile(r"(?!(SSLv3|TLSv1(\.[01])?)$).*")
_STRONG: Final = re.compile(r"TLS_(AES|CHACHA20)_.*|ECDHE-.*(GCM|CHACHA20|POLY1305).*")
"""Forward secrecy, and encryption that authenticates: what TLS 1.3 has left."""


def encrypted(case: Case, shares: pd.DataFrame, edges: pd.DataFrame, exposure: pd.DataFrame) -> Finding:
    """ML-SEC-001: the share that was encrypted."""
    main = shares[shares["by"] == shares["unit"]]
    known = main[main["share"].notna()]
    more: dict[str, Any] = {"required": True, "query": "destination"}
    if known.empty:
        outside = main.empty and (exposure["kind"] == "ingress").any()
        key, why = "not_measured", "no called workload's proxy reported a request"
        if outside:
            key, why = "only_ingress", "all requests entered from outside, and none continued inside the mesh"
        action = "Add a proxy to the called workloads and let Prometheus scrape it, or ask about a longer window."
        statement = f"Encryption was not measured: {why}."
        more["action"] = action
        return case.finding("001", f"encryption.{key}", Verdict.INCONCLUSIVE, statement, **more)
    parts = [
        f"{percent(row.encrypted, row.plaintext)} of {row.unit} used mTLS"
        + (f" ({int(row.plaintext):,} in plaintext)" if row.plaintext else "")
        for row in each_row(known)
    ]
    if hidden := int(main["unverified"].sum()):
        parts.append(f"{hidden:,} more were reported by their source alone and are not verified")
    ongoing, past = int(edges["now"].sum()), int((~edges["now"] & (edges["plaintext"] > 0)).sum())
    if ongoing:
        parts.append(f"{plural(ongoing, 'edge')} still {'sends' if ongoing == 1 else 'send'} plaintext")
    if past:
        parts.append(f"{plural(past, 'edge')} sent plaintext earlier in the window, none recently")
    verdict = Verdict.FAIL if ongoing else Verdict.WARN if past or hidden else Verdict.PASS
    # What was plaintext, and not what was encrypted: a share near 1 would be shown as 1.
    plaintext = known["plaintext"] / (known["encrypted"] + known["plaintext"])
    more |= {"value": 100 * float(plaintext.max()), "threshold": 0.0, "unit": "% plaintext"}
    if ongoing or past:
        more["action"] = "Move the sources that ML-SEC-002 names to mTLS before STRICT is enforced."
    return case.finding("001", f"encryption.{verdict.lower()}", verdict, "; ".join(parts) + ".", **more)


def plaintext_edges(case: Case, strict: pd.DataFrame) -> Iterator[Finding]:
    """ML-SEC-002: an edge with plaintext."""
    action = "Add a proxy to the source workload, or let it use mTLS."
    for row in each_row(strict.head(MOST)):
        when = f"first {row.first_plaintext:%H:%M:%S}, last {row.last_plaintext:%Y-%m-%d %H:%M:%S} UTC"
        key, verdict, what = "over", Verdict.WARN, "sent plaintext earlier in the window, none recently"
        if row.now:
            key, verdict, what = "ongoing", Verdict.FAIL, "sends plaintext"
        edge = edge_name(row)
        statement = f"{edge} {what}: {row.per_s:.3g} {row.unit} per second over the window ({when})."
        more: dict[str, Any] = {"subject": edge, "value": float(row.per_s), "unit": "1/s", "query": "destination"}
        yield case.finding("002", f"plaintext.{key}", verdict, statement, action=action, **more)


def strict_run(case: Case, workloads: pd.DataFrame, strict: pd.DataFrame, blind_spots: str) -> Finding:
    """ML-SEC-003: what STRICT would break."""
    if workloads.empty:
        return case.not_measured("003", "strict", "No traffic was seen to try STRICT on.")
    count = workloads["strict"].value_counts()
    unsafe = [shown(name) for name in workloads.loc[workloads["strict"] == "unsafe", "destination_workload"]]
    broken, unknown = int(strict["now"].sum()), int(count.get("unknown", 0))
    statement = (
        f"STRICT would break {plural(broken, 'edge')} now; {plural(int(count.get('safe', 0)), 'workload')} safe, "
        f"{len(unsafe)} unsafe{' (' + ', '.join(unsafe[:5]) + ')' if unsafe else ''}, {unknown} unknown. "
        f"{blind_spots}."
    )
    key, verdict = ("unsafe" if unsafe else "unknown", Verdict.WARN) if unsafe or unknown else ("safe", Verdict.PASS)
    action = "Enforce STRICT on the safe workloads first, one namespace at a time." if unsafe else ""
    return case.finding("003", f"strict.{key}", verdict, statement, value=float(broken), action=action)


def versions(case: Case) -> Finding:
    """ML-SEC-013: TLS versions of the handshakes."""
    return _judged(case, "013", "versions", "old", _RECENT, "Set `minProtocolVersion` to TLSv1_2 or later.")


def ciphers(case: Case) -> Finding:
    """ML-SEC-021: ciphers of the handshakes."""
    action = "Set `cipherSuites` to those with forward secrecy and authenticated encryption."
    return _judged(case, "021", "ciphers", "weak", _STRONG, action, unit="weak handshakes")


def _judged(
    case: Case, number: str, need: str, word: str, good: re.Pattern[str], action: str, unit: str = ""
) -> Finding:
    frame = case.frame(need)
    if not len(frame) or not (frame["value"] > 0).any():
        return case.not_measured(number, f"tls.{need}", f"TLS {need} are not exported.", need=need)
    sums = frame[frame["value"] > 0].groupby(need.removesuffix("s"))["value"].sum()
    bad = sums[[not good.fullmatch(str(name)) for name in sums.index]]
    kinds = ", ".join(f"{int(n):,} with {shown(name)}" for name, n in sums.head(MOST).items())
    statement = f"Handshakes since the proxies started: {kinds}."
    numbers: dict[str, Any] = {"value": float(bad.sum()), "threshold": 0.0, "unit": unit} if unit else {}
    return case.warn_if(len(bad), number, f"tls.{need}.{word}", statement, action=action, query=need, **numbers)
