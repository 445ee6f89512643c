"""Findings ML-SEC-016 to 018: what least privilege would be, how it does on history, and what is allowed and unused."""

from __future__ import annotations

from typing import Any

from meshlab.core.results import Finding, Verdict
from meshlab.display.numbers import plural
from meshlab.questions.base import Case
from meshlab.questions.security.encryption import percent
from meshlab.questions.security.least_privilege.proposal import Proposal, Why
from meshlab.questions.security.least_privilege.replay import Replay, Unused
from meshlab.questions.security.rows import MOST, shown
from meshlab.questions.security.traffic import is_ingress

__all__ = ["proposed", "replayed", "unused"]


def proposed(case: Case, proposal: Proposal) -> Finding:
    """ML-SEC-016: the rules, and the callers that no rule can match."""
    if not proposal.grants:
        statement = "No rule can be proposed: no allowed request carried a SPIFFE identity."
        action = "Bring the callers into the mesh: a rule names a service account, which only mTLS proves."
        return case.not_measured("016", "proposal", statement, action=action, query="destination")
    # What enters from outside has no identity of the mesh, and needs no rule of one.
    ingresses = case.settings.ingresses
    inside = [x for x in proposal.leftovers if x.source or x.principal or not is_ingress(x.workload, ingresses)]
    left = {why: sum(x.traffic.requests for x in inside if x.why is why) for why in Why}
    # Who was denied before is not what a rule should cover.
    rest = left[Why.UNIDENTIFIED] + left[Why.MALFORMED]
    kept = sum(grant.traffic.requests for grant in proposal.grants)
    targets = len({(grant.namespace, grant.workload) for grant in proposal.grants})
    anonymous = len({(x.namespace, x.workload) for x in inside if x.why is Why.UNIDENTIFIED})
    parts = [
        f"{plural(len(proposal.grants), 'proposed rule')} for {plural(targets, 'workload')} cover "
        f"{percent(kept, rest)} of the allowed requests inside the mesh"
    ]
    without = {
        Why.UNIDENTIFIED: f"requests to {plural(anonymous, 'workload')} were unauthenticated; no rule can match them",
        Why.DENIED: "came from callers that were always denied",
        Why.MALFORMED: "have names that no policy can hold",
    }
    parts += [f"{left[why]:,} {what}" for why, what in without.items() if left[why]]
    more: dict[str, Any] = {"value": float(len(proposal.grants)), "unit": "rules", "query": "destination"}
    action = "Apply the proposal as a dry run, and read what it would deny before it is enforced."
    return case.finding("016", "proposal.pass", Verdict.PASS, "; ".join(parts) + ".", action=action, **more)


def replayed(case: Case, trial: Replay | None) -> Finding:
    """ML-SEC-017: the proposal of the first part, tested on the last."""
    if trial is None or trial.share is None or trial.interval is None:
        statement = "The proposal was not tested: the last part of the window had no identified request."
        return case.not_measured("017", "replay", statement, action="Ask about a longer window.")
    wrong = [
        f"{shown(row.principal, 160)} at {shown(row.destination_namespace)}/{shown(row.destination_workload)}"
        for row in trial.denied.head(MOST // 2).itertuples()
    ]
    parts = [
        f"Built from the time before {trial.cut:%Y-%m-%d %H:%M:%S} UTC and tested on the rest, the proposal would have "
        f"denied {trial.false_denials:,} of {trial.requests:,} allowed requests"
        + (f" ({', '.join(wrong)})" if wrong else "")
    ]
    if trial.unidentified:
        parts.append(f"it would also deny {trial.unidentified:,} requests without an identity")
    parts.append(f"{len(trial.unused)} of its {plural(len(trial.proposal.grants), 'rule')} were not used again")
    low, high = trial.interval
    numbers: dict[str, Any] = {"value": 100 * trial.share, "interval": (100 * low, 100 * high), "level": 0.95}
    more: dict[str, Any] = {"threshold": 0.0, "unit": "% falsely denied", "query": "destination"}
    action = "Use a longer window: a caller rarer than the window is long is denied."
    statement = "; ".join(parts) + "."
    return case.warn_if(trial.false_denials, "017", "replay.denies", statement, action=action, **numbers, **more)


def unused(case: Case, permissions: tuple[Unused, ...] | None) -> Finding:
    """ML-SEC-018: what the policies in force allow and nobody used."""
    if permissions is None:
        statement = "Unused permissions are not measured: telemetry does not hold the policies in force."
        action = "Set `policies_file` to the output of kubectl get authorizationpolicy -A -o yaml."
        return case.not_measured("018", "unused", statement, action=action)
    idle, wide = [p for p in permissions if p.limited], [p for p in permissions if not p.limited]
    first = (*idle, *wide)[: MOST // 2]
    names = [f"{shown(p.principal, 160)} by {shown(p.namespace)}/{shown(p.policy)}" for p in first]
    statement = (
        f"Unused permissions: {plural(len(idle), 'principal')} allowed and never seen, {len(wide)} allowed by wildcard"
        f"{': ' + ', '.join(names) if names else ''}."
    )
    action = "Remove what no rare job needs, and name the accounts that a wildcard stands for."
    more: dict[str, Any] = {"value": float(len(idle)), "unit": "principals", "action": action}
    return case.warn_if(permissions, "018", "unused.some", statement, **more)
