"""Findings ML-SEC-007 to 009: who was denied, and by what."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.base import Case
from meshlab.questions.security.rows import MOST, each_row, edge_name, shown

__all__ = ["decisions", "denied"]

_BY: Final = MappingProxyType(
    {"ext_authz": "the external authorizer", "policy": "code 403", "mesh": "the mesh's own policy"}
)


def denied(case: Case, denials: pd.DataFrame) -> Iterator[Finding]:
    """ML-SEC-007 and 008: an edge with denials, by the mesh or by an external authorizer."""
    for row in each_row(denials.head(MOST)):
        external = row.by == "ext_authz"
        since = f", changed at {row.changed:%H:%M:%S} UTC" if not pd.isna(row.changed) else ""
        yield case.finding(
            "008" if external else "007",
            f"denied.{row.by}",
            Verdict.WARN,
            f"{edge_name(row)}: {int(row.denied):,} of {int(row.total):,} {row.unit} were denied by {_BY[row.by]} "
            f"({row.cause}{since}).",
            subject=edge_name(row),
            value=100 * float(row.share),
            interval=(100 * float(row.low), 100 * float(row.high)),
            level=case.settings.level,
            unit="%",
            action="Allow the source, or remove the call from it.",
            query="destination",
        )


def decisions(case: Case, rbac: pd.DataFrame) -> Finding:
    """ML-SEC-009: what the policies decided, and what a dry run would."""
    if rbac.empty:
        return case.not_measured("009", "rbac", "No authorization policy's decisions are exported.", need="rbac")
    sums = rbac[["allowed", "denied", "shadow_allowed", "shadow_denied"]].sum(min_count=1)
    dry = sums[["shadow_allowed", "shadow_denied"]].sum()
    pods = [shown(pod) for pod in rbac.loc[rbac["shadow_denied"] > 0, "pod"]]
    counts = {name: f"{int(sums[name]):,}" if sums[name] == sums[name] else "?" for name in sums.index}
    would = f"; a dry run would deny {counts['shadow_denied']} of {int(dry):,}" if dry else ""
    where = f" (at {', '.join(pods[:5])})" if pods else ""
    return case.finding(
        "009",
        f"rbac.{'dry_run_denies' if pods else 'pass'}",
        Verdict.WARN if pods else Verdict.PASS,
        f"Policies allowed {counts['allowed']} requests and denied {counts['denied']}{would}{where}.",
        value=float(sums["shadow_denied"]) if sums["shadow_denied"] >= 0 else None,
        action="Allow the dry run's denied sources before it is enforced." if pods else "",
        query="rbac",
    )
