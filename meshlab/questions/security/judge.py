"""What the evidence says about the mesh's security; it asks nothing."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.results import Result, overall
from meshlab.core.sanitize import plain
from meshlab.core.subject import Subject
from meshlab.questions.security.authorization_findings import decided_by, denied
from meshlab.questions.security.certificate_findings import clocks, renewals, signed
from meshlab.questions.security.certificate_steps import skew, steps
from meshlab.questions.security.certificates import certificates
from meshlab.questions.security.denials import denials, rbac
from meshlab.questions.security.encryption import edges, protocols, shares, timeline
from meshlab.questions.security.encryption_findings import encrypted, plain_edges, strict_run
from meshlab.questions.security.exposure import exposure, nobodies
from meshlab.questions.security.identity import identities
from meshlab.questions.security.identity_findings import accounts, crossed, nameless, radius
from meshlab.questions.security.least_privilege.current import read
from meshlab.questions.security.least_privilege.istio import Selector
from meshlab.questions.security.least_privilege.observed import told_once
from meshlab.questions.security.least_privilege.proposal import propose
from meshlab.questions.security.least_privilege.replay import replay, unused
from meshlab.questions.security.least_privilege.tables import denied as falsely
from meshlab.questions.security.least_privilege.tables import leftovers, replayed, rules
from meshlab.questions.security.privilege_findings import proposed, tried, unneeded, unused_table
from meshlab.questions.security.reach import reach
from meshlab.questions.security.scope import Scope
from meshlab.questions.security.score import changes, score
from meshlab.questions.security.score_findings import changed, headline, scored
from meshlab.questions.security.settings import Policy
from meshlab.questions.security.strict import blind, breaks, workloads
from meshlab.questions.security.tls_findings import ciphers, versions
from meshlab.questions.security.traffic import refusals, traffic
from meshlab.telemetry.kubernetes.manifests import read_manifest

__all__ = ["judge"]

_KUBECTL: Final = "kubectl get authorizationpolicy -A -o yaml"


def judge(
    evidence: Evidence, scope: Scope | None = None, *, policy: Policy | None = None, subject: Subject | None = None
) -> Result:
    """Say what was encrypted, who was denied, which certificates were not renewed, and what STRICT would break.

    Parameters
    ----------
    evidence : Evidence
    scope : Scope, optional
    policy : Policy, optional
    subject : Subject, optional
        The called service that the evidence is about; the mesh or a namespace where it is not given.

    Returns
    -------
    Result
        Required: the encrypted share (ML-SEC-001) and, where certificates' ends are exported, that they are renewed in
        time (ML-SEC-004). Its tables are ``edges``, ``shares``, ``protocols``, ``timeline``, ``strict``,
        ``strict_workloads``, ``denials``, ``rbac``, ``certificates``, ``rotations``, ``clocks``, ``identities``,
        ``reach``, ``exposure``, ``unknown``, ``rules``, ``unattributable``, ``replay``, ``replay_denied``,
        ``replay_unused``, ``unused``, ``score`` and ``changes``.

    Raises
    ------
    ParameterError
        The earlier result in ``policy.against``, or the policies in ``policy.policies_file``, cannot be read.
    """
    policy, scope = policy or Policy(), scope or Scope()
    window = evidence.window
    seconds = (window.end_ms - window.start_ms) / 1000
    recent = pd.Timestamp(window.end) - pd.Timedelta(seconds=policy.recent_s or seconds / 5)
    whole = f"namespace {scope.namespace}" if scope.namespace else "mesh"
    about = plain(str(subject) if subject else whole)
    table = traffic(evidence, policy)
    found = edges(table, recent)
    ladder = shares(found)
    turned = steps(evidence.frames["certificates"], evidence.frames.get("rejections"))
    ends, life = certificates(
        turned, window, float(evidence.notes.get("renew_after", 0.5)), policy, evidence.frames.get("rejections")
    )
    off = skew(turned)
    who = identities(table.labels)
    refused = denials(table, refusals(evidence), policy.level)
    decided = rbac(evidence.frames["rbac"])
    border, unknown = exposure(table.labels), nobodies(table.labels)
    strict, each = breaks(found, table, seconds), workloads(found)
    number, terms = score(ladder, ends, who)
    text = read_manifest(policy.policies_file, "the policies'", _KUBECTL) if policy.policies_file else None
    in_force = None if text is None else read(text, policy.policy_label)
    seen = told_once(evidence.frames["seen"])
    offer = propose(seen)
    trial = replay(seen, last_part=policy.last_part) if len(seen.times) else None
    idle = None if in_force is None else unused(in_force, offer, selector=Selector(policy.policy_label))
    far = reach(table.labels, in_force)
    asked = {name: query.promql for name, query in evidence.queries.items()}
    findings = [
        encrypted(ladder, found, border, about, asked),
        *plain_edges(strict, asked),
        strict_run(each, strict, blind(table), about),
        *renewals(ends, life, evidence, about, asked),
        signed(evidence, about, asked),
        *clocks(off, about),
        *denied(refused, policy, asked),
        decided_by(decided, evidence, about, asked),
        accounts(who, about),
        *nameless(unknown, asked),
        crossed(border, found, about),
        versions(evidence, about, asked),
        ciphers(evidence, about, asked),
        proposed(offer, policy, about, asked),
        tried(trial, about, asked),
        unneeded(idle, about),
        radius(far, about),
        scored(number, terms, found, about),
    ]
    moved = pd.DataFrame(columns=["change", "code", "subject", "before", "after"])
    if policy.against:
        moved = changes(findings, policy.against)
        findings.append(changed(moved, about))
    verdict = overall(findings)
    return Result(
        question="security",
        subject=about,
        verdict=verdict,
        headline=headline(verdict, findings),
        findings=findings,
        window=str(window),
        source=evidence.source,
        tables=MappingProxyType(
            {
                "edges": found,
                "shares": ladder,
                "protocols": protocols(found),
                "timeline": timeline(table),
                "strict": strict,
                "strict_workloads": each,
                "denials": refused,
                "rbac": decided,
                "certificates": ends,
                "rotations": turned,
                "clocks": off,
                "identities": who,
                "reach": far,
                "exposure": border,
                "unknown": unknown,
                "rules": rules(offer.grants),
                "unattributable": leftovers(offer),
                "replay": replayed(trial),
                "replay_denied": falsely(trial),
                "replay_unused": rules([] if trial is None else trial.unused),
                "unused": unused_table(idle),
                "score": terms,
                "changes": moved,
            }
        ),
    )
