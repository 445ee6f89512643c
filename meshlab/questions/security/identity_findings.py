"""Findings ML-SEC-010 to 012 and 019: who calls, under which identity, how far it reaches, and over the border."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import plural
from meshlab.questions.base import Case
from meshlab.questions.security.rows import MOST, each_row, place_name, shown

__all__ = ["accounts", "anonymous_callers", "border", "radius"]

_CROSSED: Final = {
    "ingress": "entered from outside without mTLS",
    "passthrough": "left for hosts that the mesh does not know",
    "blackhole": "were sent to no destination (BlackHoleCluster)",
}


def accounts(case: Case, identities: pd.DataFrame) -> Finding:
    """ML-SEC-010: shared and default accounts."""
    if identities.empty:
        return case.not_measured("010", "identity", "No caller's identity is known.")
    kinds = {
        "shared by unrelated workloads": identities["shared"],
        "default service accounts": identities["default"],
        "used from another namespace than their own": identities["foreign"],
    }
    flaws = [f"{int(own.sum())} {what}" for what, own in kinds.items() if own.any()]
    flawed = identities[np.logical_or.reduce(list(kinds.values()))]
    names = [f"{shown(r.principal, 160)} is used by {shown(r.workloads, 160)}" for r in each_row(flawed.head(5))]
    domains = sorted(set(identities["trust_domain"]) - {""})
    several = f" ({', '.join(map(shown, domains[:5]))})" if len(domains) > 1 else ""
    actions = ["Give each workload its own service account, in its own namespace."] if len(flawed) else []
    if several:
        actions.append("Check that every trust domain is meant to call here.")
    statement = (
        f"{plural(len(identities), 'identity', 'identities')} in {plural(len(domains), 'trust domain')}{several}: "
        f"{'; '.join([*flaws, *names]) or 'none is shared, a default account, or away from its namespace'}."
    )
    more: dict[str, Any] = {"value": float(len(flawed)), "unit": "identities", "action": " ".join(actions)}
    return case.warn_if(actions, "010", "identity.flawed", statement, **more)


def anonymous_callers(case: Case, unknown: pd.DataFrame) -> Iterator[Finding]:
    """ML-SEC-011: callers without any identity."""
    action = "Find the caller by its address (access log) and bring it into the mesh; no rule can match it."
    for row in each_row(unknown.sort_values("count", ascending=False).head(MOST)):
        name = place_name(row.destination_cluster, row.destination_namespace, row.destination_workload)
        statement = (
            f"{name} received {int(row.count):,} {row.unit} from a caller without any identity, last "
            f"{row.last_seen:%Y-%m-%d %H:%M:%S} UTC."
        )
        more: dict[str, Any] = {"subject": name, "value": float(row.count), "action": action, "query": "destination"}
        yield case.finding("011", "identity.anonymous", Verdict.WARN, statement, **more)


def border(case: Case, exposure: pd.DataFrame, edges: pd.DataFrame) -> Finding:
    """ML-SEC-012: what crossed the mesh's border."""
    if exposure.empty and edges.empty:
        return case.not_measured("012", "border", "No traffic was counted.")
    sums = exposure.groupby(["kind", "unit"], sort=True)["count"].sum().reset_index()
    parts = [f"{int(n):,} {unit} {_CROSSED[kind]}" for kind, unit, n in zip(*(sums[c] for c in sums), strict=True)]
    out = {"passthrough", "blackhole"} & set(sums["kind"])
    statement = f"{'; '.join(parts) or 'No counted traffic entered or left the mesh'}."
    action = "Register the external hosts with a ServiceEntry."
    return case.warn_if(out, "012", "border.egress", statement, action=action)


def radius(case: Case, reach: pd.DataFrame) -> Finding:
    """ML-SEC-019: how far the farthest identity reaches, observed against allowed."""
    if reach.empty:
        return case.not_measured("019", "reach", "No identity was seen calling.")
    first = reach.iloc[0]
    reached = (
        f"{shown(first['principal'], 160)} reached {plural(int(first['observed']), 'workload')}, "
        f"{first['direct']} of them directly"
    )
    if reach["allowed"].isna().all():
        statement = f"{reached}; what is allowed is not measured, and without any policy it is every workload."
        action = "Set `policies_file` to the output of kubectl get authorizationpolicy -A -o yaml."
        return case.not_measured("019", "reach", statement, action=action)
    beyond = reach[reach["excess"] > 0].sort_values(["excess", "principal"], ascending=[False, True])
    everybody = plural(len(reach), "identity", "identities")
    worst = f"none of {everybody} may reach more than it uses"
    if len(beyond):
        most = beyond.iloc[0]
        worst = (
            f"{len(beyond)} of {everybody} may reach more than they use, the most {shown(most['principal'], 160)} with "
            f"{int(most['allowed'])} allowed and {most['observed']} observed"
        )
    more = {"value": float(reach["excess"].max()), "threshold": 0.0, "unit": "workloads in excess"}
    action = "Narrow the policies to the proposal's rules."
    return case.warn_if(len(beyond), "019", "reach.excess", f"{reached}; {worst}.", action=action, **more)
