"""Findings ML-SEC-001 to 003: what was encrypted, what was not, and what STRICT would break."""

from __future__ import annotations

from typing import Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.security.encryption import percent
from meshlab.questions.security.rows import MOST, each_row, edge_name, shown

__all__ = ["encrypted", "plain_edges", "strict_run"]

_NOBODY: Final = "encryption was not measured: no called workload's proxy reported a request"
_OUTSIDE: Final = "encryption was not measured: all requests came in from outside, and none went on inside of the mesh"


def encrypted(
    ladder: pd.DataFrame, found: pd.DataFrame, border: pd.DataFrame, about: str, asked: dict[str, str]
) -> Finding:
    """ML-SEC-001: the share that was encrypted."""
    code, query = "ML-SEC-001", asked.get("seen", "")
    main = ladder[ladder["by"] == ladder["unit"]]
    known = main[main["share"].notna()]
    outside = main.empty and (border["kind"] == "ingress").any()
    if known.empty:
        return Finding(
            code=code,
            verdict=Verdict.INCONCLUSIVE,
            subject=about,
            statement=_OUTSIDE if outside else _NOBODY,
            action="give the called workloads a proxy and let Prometheus scrape it, or ask about a longer window",
            query=query,
        )
    parts = [
        f"{percent(row.encrypted, row.plaintext)} of the {row.unit} were mutually authenticated and encrypted"
        + (f" ({int(row.plaintext):,} were plain text)" if row.plaintext else "")
        for row in each_row(known)
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
        action="mend the callers that ML-SEC-002 names before only mutual TLS is accepted" if going or past else "",
        query=query,
    )


def plain_edges(strict: pd.DataFrame, asked: dict[str, str]) -> list[Finding]:
    """ML-SEC-002: an edge with plain text."""
    out = []
    for row in each_row(strict.head(MOST)):
        when = f"first {row.first_plaintext:%H:%M:%S}, last {row.last_plaintext:%Y-%m-%d %H:%M:%S} UTC"
        state = "speaks plain text" if row.now else "spoke plain text, and has not of late"
        out.append(
            Finding(
                code="ML-SEC-002",
                verdict=Verdict.FAIL if row.now else Verdict.WARN,
                subject=edge_name(row),
                required=False,
                statement=f"{edge_name(row)} {state}: {row.per_s:.3g} {row.unit} a second over the window ({when})",
                value=float(row.per_s),
                unit="1/s",
                action="give the caller a proxy, or let it speak mutual TLS",
                query=asked.get("seen", ""),
            )
        )
    return out


def strict_run(each: pd.DataFrame, strict: pd.DataFrame, unseen: str, about: str) -> Finding:
    """ML-SEC-003: what STRICT would break."""
    if each.empty:
        return Finding(
            code="ML-SEC-003",
            verdict=None,
            subject=about,
            required=False,
            statement="a STRICT dry run: nothing was seen",
        )
    count = each["strict"].value_counts()
    bad = [shown(name) for name in each.loc[each["strict"] == "unsafe", "destination_workload"]]
    n = int(strict["now"].sum())
    return Finding(
        code="ML-SEC-003",
        verdict=Verdict.WARN if bad or count.get("unknown", 0) else Verdict.PASS,
        subject=about,
        required=False,
        statement=(
            f"STRICT would break {n} edges now; {count.get('safe', 0)} workloads are safe, {len(bad)} unsafe"
            f"{' (' + ', '.join(bad[:5]) + ')' if bad else ''}, {count.get('unknown', 0)} unknown; {unseen}"
        ),
        value=float(n),
        action="switch the safe workloads first, one namespace at a time" if bad else "",
    )
