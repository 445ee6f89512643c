"""Findings ML-SEC-016 to 018: what least privilege would be, how it does on history, and what is allowed and unused."""

from __future__ import annotations

import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.questions.security.encryption import percent
from meshlab.questions.security.least_privilege.proposal import Proposal, Why
from meshlab.questions.security.least_privilege.replay import Replay, Unused
from meshlab.questions.security.rows import MOST, shown
from meshlab.questions.security.settings import Policy
from meshlab.questions.security.traffic import is_door

__all__ = ["proposed", "tried", "unneeded", "unused_table"]


def proposed(proposal: Proposal, policy: Policy, about: str, asked: dict[str, str]) -> Finding:
    """ML-SEC-016: the rules, and the callers that no rule can name."""
    code, query = "ML-SEC-016", asked.get("seen", "")
    kept = sum(grant.traffic.requests for grant in proposal.grants)
    # What comes in from outside has no identity of the mesh, and needs no rule of one.
    outside = [x for x in proposal.leftovers if not x.source and not x.principal and is_door(x.workload, policy)]
    inside = [x for x in proposal.leftovers if x not in outside]
    left = {why: sum(x.traffic.requests for x in inside if x.why is why) for why in Why}
    # Who was denied before is not what a rule should cover.
    rest = left[Why.UNIDENTIFIED] + left[Why.MALFORMED]
    if not proposal.grants:
        return Finding(
            code=code,
            verdict=None,
            subject=about,
            required=False,
            statement="no least-privilege rule can be written: no caller was let through under a SPIFFE identity",
            action="bring the callers into the mesh; a rule names a service account, which only mutual TLS proves",
            query=query,
        )
    targets = len({(grant.namespace, grant.workload) for grant in proposal.grants})
    nameless = len({(x.namespace, x.workload) for x in inside if x.why is Why.UNIDENTIFIED})
    parts = [
        f"a proposal of {len(proposal.grants)} rules for {targets} workloads covers {percent(kept, rest)} of the "
        "requests inside of the mesh that were let through"
    ]
    if left[Why.UNIDENTIFIED]:
        parts.append(
            f"{left[Why.UNIDENTIFIED]:,} requests at {nameless} workloads had no identity, and no rule can name them"
        )
    if left[Why.DENIED]:
        parts.append(f"{left[Why.DENIED]:,} came from callers that were always denied")
    if left[Why.MALFORMED]:
        parts.append(f"{left[Why.MALFORMED]:,} bear names that no policy can hold")
    return Finding(
        code=code,
        verdict=Verdict.PASS,
        subject=about,
        required=False,
        statement="; ".join(parts),
        value=float(len(proposal.grants)),
        unit="rules",
        action="apply it as a dry run first, and read what the dry run would deny before it is enforced",
        query=query,
    )


def tried(found: Replay | None, about: str, asked: dict[str, str]) -> Finding:
    """ML-SEC-017: the proposal of the first part, tried on the last."""
    code = "ML-SEC-017"
    if found is None or found.share is None or found.interval is None:
        return Finding(
            code=code,
            verdict=None,
            subject=about,
            required=False,
            statement="the proposal was not tried: the last part of the window had no identified request",
            action="ask about a longer window",
        )
    wrong = [
        f"{shown(row.principal, 160)} at {shown(row.destination_namespace)}/{shown(row.destination_workload)}"
        for row in found.denied.head(MOST // 2).itertuples()
    ]
    statement = (
        f"made from the time before {found.cut:%Y-%m-%d %H:%M:%S} UTC and tried on the rest, the proposal would have "
        f"denied {found.false_denials:,} of {found.requests:,} requests that were let through"
        + (f" ({', '.join(wrong)})" if wrong else "")
    )
    if found.unidentified:
        statement += f"; it would deny {found.unidentified:,} requests without an identity as well"
    return Finding(
        code=code,
        verdict=Verdict.WARN if found.false_denials else Verdict.PASS,
        subject=about,
        required=False,
        statement=f"{statement}; {len(found.unused)} of its {len(found.proposal.grants)} rules were not used again",
        value=100 * found.share,
        interval=(100 * found.interval[0], 100 * found.interval[1]),
        level=0.95,
        threshold=0.0,
        unit="% falsely denied",
        action="use a longer window: rarer callers than it is long are denied" if found.false_denials else "",
        query=asked.get("seen", ""),
    )


def unneeded(found: tuple[Unused, ...] | None, about: str) -> Finding:
    """ML-SEC-018: what the policies in force allow and nobody used."""
    code = "ML-SEC-018"
    if found is None:
        return Finding(
            code=code,
            verdict=None,
            subject=about,
            required=False,
            statement="what is allowed and not used is not measured: the policies in force are not in telemetry",
            action="give policies_file the output of kubectl get authorizationpolicy -A -o yaml",
        )
    idle, wide = [one for one in found if one.limited], [one for one in found if not one.limited]
    names = [
        f"{shown(one.principal, 160)} by {shown(one.namespace)}/{shown(one.policy)}"
        for one in (*idle, *wide)[: MOST // 2]
    ]
    return Finding(
        code=code,
        verdict=Verdict.WARN if found else Verdict.PASS,
        subject=about,
        required=False,
        statement=(
            f"{len(idle)} principals are allowed and were not seen, {len(wide)} are allowed with a wildcard"
            + (f": {', '.join(names)}" if names else "")
        ),
        value=float(len(idle)),
        unit="principals",
        action="take out what no rare job needs, and name the accounts that a wildcard stands for" if found else "",
    )


def unused_table(found: tuple[Unused, ...] | None) -> pd.DataFrame:
    """Those permissions as a frame: ``policy``, ``namespace``, ``principal`` and ``limited`` (false: a wildcard)."""
    rows = [(one.policy, one.namespace, one.principal, one.limited) for one in found or ()]
    return pd.DataFrame(rows, columns=["policy", "namespace", "principal", "limited"])
