"""Findings ML-SEC-007 to 009: who was denied, and by whom."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Verdict
from meshlab.questions.security.rows import MOST, each_row, edge_name, shown
from meshlab.questions.security.settings import Policy

__all__ = ["decided_by", "denied"]

_BY: Final = MappingProxyType(
    {"ext_authz": "the external authorizer", "policy": "code 403", "mesh": "the mesh's own policy"}
)


def denied(refused: pd.DataFrame, policy: Policy, asked: dict[str, str]) -> list[Finding]:
    """ML-SEC-007 and 008: an edge with denials, by the mesh or by an external authorizer."""
    out = []
    for row in each_row(refused.head(MOST)):
        external = row.by == "ext_authz"
        since = f", changed at {row.changed:%H:%M:%S} UTC" if not pd.isna(row.changed) else ""
        out.append(
            Finding(
                code="ML-SEC-008" if external else "ML-SEC-007",
                verdict=Verdict.WARN,
                subject=edge_name(row),
                required=False,
                statement=(
                    f"{edge_name(row)}: {int(row.denied):,} of {int(row.total):,} {row.unit} were denied by "
                    f"{_BY[row.by]} ({row.cause}{since})"
                ),
                value=100 * float(row.share),
                interval=(100 * float(row.low), 100 * float(row.high)),
                level=policy.level,
                unit="%",
                action="allow the caller, or take the call out of it",
                query=asked.get("seen", ""),
            )
        )
    return out


def decided_by(decided: pd.DataFrame, evidence: Evidence, about: str, asked: dict[str, str]) -> Finding:
    """ML-SEC-009: what the policies decided, and what a dry run would."""
    code, query = "ML-SEC-009", asked.get("rbac", "")
    if decided.empty:
        lacking = evidence.missing.get("rbac")
        return Finding(
            code=code,
            verdict=None,
            subject=about,
            required=False,
            statement="no authorization policy decided anything that is exported",
            action=lacking.remedy if lacking else "",
        )
    sums = decided[["allowed", "denied", "shadow_allowed", "shadow_denied"]].sum(min_count=1)
    dry = sums[["shadow_allowed", "shadow_denied"]].sum()
    pods = [shown(pod) for pod in decided.loc[decided["shadow_denied"] > 0, "pod"]]
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
        action="do not enforce the dry run before its callers are allowed" if pods else "",
        query=query,
    )
