"""Findings ML-SEC-007 to 009: who was denied, and by what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.base import Case
from meshlab.questions.security.rows import MOST, each_row, edge_name, shown

__all__ = ["decisions", "denied"]

_BY: Final = {"ext_authz": "the external authorizer", "policy": "code 403", "mesh": "the mesh's own policy"}


def denied(case: Case, denials: pd.DataFrame) -> Iterator[Finding]:
    """ML-SEC-007 and 008: an edge with denials, by the mesh or by an external authorizer."""
    for row in each_row(denials.head(MOST)):
        number, edge = "008" if row.by == "ext_authz" else "007", edge_name(row)
        since = f", changed at {row.changed:%H:%M:%S} UTC" if not pd.isna(row.changed) else ""
        statement = (
            f"{edge}: {int(row.denied):,} of {int(row.total):,} {row.unit} were denied by {_BY[row.by]} "
            f"({row.cause}{since})."
        )
        share, low, high = (100 * float(part) for part in (row.share, row.low, row.high))
        numbers: dict[str, Any] = {"value": share, "interval": (low, high), "level": case.settings.level, "unit": "%"}
        action = "Allow the source, or remove the call from it."
        more: dict[str, Any] = {"subject": edge, "action": action, "query": "destination"}
        yield case.finding(number, f"denied.{row.by}", Verdict.WARN, statement, **more, **numbers)


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
    statement = f"Policies allowed {counts['allowed']} requests and denied {counts['denied']}{would}{where}."
    value = float(sums["shadow_denied"]) if sums["shadow_denied"] >= 0 else None
    action = "Allow the dry run's denied sources before it is enforced."
    return case.warn_if(pods, "009", "rbac.dry_run_denies", statement, value=value, action=action, query="rbac")
