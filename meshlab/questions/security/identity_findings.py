"""Findings ML-SEC-010 to 012: who calls, under which name, and over the mesh"s border."""

from __future__ import annotations

import numpy as np
import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.security.rows import MOST, each_row, place_name, shown

__all__ = ["accounts", "crossed", "nameless", "radius"]


def accounts(who: pd.DataFrame, about: str) -> Finding:
    """ML-SEC-010: shared and default accounts."""
    code = "ML-SEC-010"
    if who.empty:
        return Finding(
            code=code, verdict=None, subject=about, required=False, statement="no caller's identity is known"
        )
    kinds = {
        "shared by workloads that are no versions of one another": who["shared"],
        "default accounts": who["default"],
        "used from another namespace than their own": who["foreign"],
    }
    told = [f"{int(own.sum())} are {what}" for what, own in kinds.items() if own.any()]
    flawed = who[np.logical_or.reduce(list(kinds.values()))]
    names = "; ".join(
        f"{shown(r.principal, 160)} is used by {shown(r.workloads, 160)}" for r in each_row(flawed.head(5))
    )
    domains = sorted(set(who["trust_domain"]) - {""})
    several = f" ({', '.join(map(shown, domains[:5]))})" if len(domains) > 1 else ""
    action = ["give each workload a service account of its own, in its own namespace"] if len(flawed) else []
    if several:
        action.append("make sure that every trust domain is meant to call here")
    return Finding(
        code=code,
        verdict=Verdict.WARN if len(flawed) or several else Verdict.PASS,
        subject=about,
        required=False,
        statement=(
            f"{len(who)} identities of {len(domains)} trust {'domain' if len(domains) == 1 else 'domains'}{several}; "
            + ("; ".join([*told, names]) if told else "none is shared, a default account, or away from its namespace")
        ),
        value=float(len(flawed)),
        unit="identities",
        action="; ".join(action),
    )


def nameless(unknown: pd.DataFrame, asked: dict[str, str]) -> list[Finding]:
    """ML-SEC-011: callers without any identity."""
    out = []
    for row in each_row(unknown.sort_values("count", ascending=False).head(MOST)):
        name = place_name(row)
        out.append(
            Finding(
                code="ML-SEC-011",
                verdict=Verdict.WARN,
                subject=name,
                required=False,
                statement=f"{name} had {int(row.count):,} {row.unit} of a caller without any identity, last "
                f"{row.last_seen:%Y-%m-%d %H:%M:%S} UTC",
                value=float(row.count),
                action="find the caller by its address (access log) and bring it into the mesh; no rule can name it",
                query=asked.get("seen", ""),
            )
        )
    return out


def crossed(border: pd.DataFrame, found: pd.DataFrame, about: str) -> Finding:
    """ML-SEC-012: what crossed the mesh's border."""
    sums = border.groupby(["kind", "unit"], sort=True)["count"].sum().reset_index()
    words = {
        "ingress": "entered from outside without mutual TLS",
        "passthrough": "left for hosts that the mesh does not know",
        "blackhole": "were sent to nowhere",
    }
    told = [f"{int(n):,} {unit} {words[kind]}" for kind, unit, n in zip(*(sums[c] for c in sums), strict=True)]
    if border.empty and found.empty:
        return Finding(
            code="ML-SEC-012", verdict=None, subject=about, required=False, statement="no traffic at all was counted"
        )
    out = {"passthrough", "blackhole"} & set(sums["kind"])
    return Finding(
        code="ML-SEC-012",
        verdict=Verdict.WARN if out else Verdict.PASS,
        subject=about,
        required=False,
        statement="; ".join(told) if told else "nothing that was counted entered or left the mesh",
        action="register what is called outside as a ServiceEntry" if out else "",
    )


def radius(found: pd.DataFrame, about: str) -> Finding:
    """ML-SEC-019: how far the farthest identity reaches, observed against allowed."""
    code = "ML-SEC-019"
    if found.empty:
        return Finding(
            code=code, verdict=None, subject=about, required=False, statement="no identity was seen to call anything"
        )
    first = found.iloc[0]
    name = shown(first["principal"], 160)
    seen = f"{name} was seen to reach {first['observed']} workloads, {first['direct']} of them itself"
    if found["allowed"].isna().all():
        return Finding(
            code=code,
            verdict=None,
            subject=about,
            required=False,
            statement=f"{seen}; what is allowed is not measured, and where no policy is in force it is every workload",
            action="give policies_file the output of kubectl get authorizationpolicy -A -o yaml",
        )
    beyond = found[found["excess"] > 0].sort_values(["excess", "principal"], ascending=[False, True])
    worst = (
        f"; {len(beyond)} of {len(found)} identities may reach more than they use, the most "
        f"{shown(beyond['principal'].iloc[0], 160)} with {int(beyond['allowed'].iloc[0])} allowed and "
        f"{beyond['observed'].iloc[0]} observed"
        if len(beyond)
        else f"; none of {len(found)} identities may reach more than it uses"
    )
    return Finding(
        code=code,
        verdict=Verdict.WARN if len(beyond) else Verdict.PASS,
        subject=about,
        required=False,
        statement=f"{seen}{worst}",
        value=float(found["excess"].max()),
        threshold=0.0,
        unit="workloads in excess",
        action="narrow the policies to the proposal's rules" if len(beyond) else "",
    )
