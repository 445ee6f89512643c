"""The security question: how it is asked, and what is judged in which order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec
import pandas as pd

from meshlab.core.evidence import Evidence, Missing
from meshlab.core.readiness import Readiness, State
from meshlab.core.results import Finding, Verdict
from meshlab.core.subject import Subject
from meshlab.questions.base import Asking, Case, Question
from meshlab.questions.security import (
    authorization_findings,
    certificate_findings,
    encryption_findings,
    identity_findings,
    plot,
    privilege_findings,
)
from meshlab.questions.security.certificate_steps import skew, steps, workload_of
from meshlab.questions.security.certificates import certificates
from meshlab.questions.security.codes import CODES
from meshlab.questions.security.denials import denials, rbac
from meshlab.questions.security.encryption import edges, protocols, shares, timeline
from meshlab.questions.security.identity import anonymous_callers, exposure, identities
from meshlab.questions.security.least_privilege.current import Permitted, read
from meshlab.questions.security.least_privilege.istio import Selector
from meshlab.questions.security.least_privilege.proposal import propose
from meshlab.questions.security.least_privilege.replay import replay, unused
from meshlab.questions.security.least_privilege.tables import leftovers, replayed, rules, unused_permissions
from meshlab.questions.security.needs import NEEDS
from meshlab.questions.security.reach import reach
from meshlab.questions.security.score import changed, changes, earlier, score, scored
from meshlab.questions.security.settings import SecuritySettings
from meshlab.questions.security.strict import blind_spots, breaks, workloads
from meshlab.questions.security.tables import TABLES
from meshlab.questions.security.traffic import refusals, traffic
from meshlab.telemetry.kubernetes.manifests import read_manifest
from meshlab.telemetry.triage import Triage

__all__ = ["Facts", "Security"]

_KUBECTL: Final = "kubectl get authorizationpolicy -A -o yaml"


class Facts(msgspec.Struct, frozen=True):
    """What is known of the mesh itself.

    Parameters
    ----------
    renew_after : float
        Share of its life after which a certificate is renewed; of several meshes in one store, that of the first.
    """

    renew_after: float = 0.5


class Security(Question):
    """How secure is the traffic really?"""

    name, prefix, subject_kind = "security", "ML-SEC", "mesh"
    Settings = SecuritySettings
    needs = NEEDS
    codes = CODES
    explains = ("plaintext", "certificates")
    tables = TABLES
    figures = (plot.encryption, plot.denials, plot.certificates)
    examples: ClassVar[Mapping[str, Any]] = {"source": "mtls-migration"}

    def facts(self, asking: Asking) -> Facts:
        """When the mesh renews certificates."""
        return Facts(min(dialect.renew_after for dialect in asking.mesh.dialects))

    def documents(self, settings: SecuritySettings) -> Mapping[str, object]:
        """``policies`` (those in force) and ``earlier`` (the verdicts of an earlier result), where they are given."""
        made: dict[str, object] = {}
        if settings.policies_file:
            text = read_manifest(settings.policies_file, "the policies'", _KUBECTL)
            made["policies"] = read(text, settings.policy_label)
        if settings.against:
            made["earlier"] = earlier(settings.against)
        return made

    def cases(self, evidence: Evidence, settings: SecuritySettings) -> Iterator[Case]:
        """All services that were called, each with what its callers did and what its own pods export.

        What the certificate authority signed is everybody's. Traffic to hosts that the mesh does not know has no
        service of its own, and is exposure of the mesh as a whole, as is an ingress that only the outside calls.
        """
        for case in super().cases(evidence, settings):
            assert case.subject is not None
            case.evidence = _own(case.evidence, case.subject)
            if case.subject.service == "unknown":
                case.unjudged = "it is not a service of the mesh: ask about the mesh as a whole for what leaves it"
            elif _only_ingress(case):
                case.unjudged = "it is entered from outside alone: an ingress is judged with the mesh as a whole"
            yield case

    def judge(self, case: Case) -> Iterator[Finding]:
        """Say what was encrypted, who was denied, which certificates were not renewed, and what STRICT would break.

        Required: the encrypted share (ML-SEC-001) and, where expiry times are exported, that certificates are renewed
        in time (ML-SEC-004).
        """
        findings = list(_findings(case))
        yield from findings
        if "earlier" in case.evidence.documents:
            moved = case.tables["changes"] = changes(findings, case.evidence.documents["earlier"])
            yield changed(case, moved)

    def headline(self, verdict: Verdict, findings: Sequence[Finding], case: Case) -> str:
        """The encrypted share, after the certificates that are not renewed."""
        late = [f.statement for f in findings if f.code == "ML-SEC-004" and f.verdict is Verdict.FAIL]
        return " ".join([*late[:1], findings[0].statement])

    def suggest(self, triage: Triage, about: Subject | None = None) -> Readiness:
        """Look for requests that say how they were protected."""
        mesh, table = triage.mesh, pd.concat(list(triage.sides.values()))
        lack = (Missing("requests as the destination's proxies see them", mesh.remedy("destination")),)
        if table.empty:
            return Readiness(State.LACKING, "no requests were counted", lack)
        if table["tls"].isin(["", "unknown", "-"]).all():
            return Readiness(State.LACKING, "no proxy of a called workload says how its requests were protected", lack)
        return Readiness(State.READY, "requests say how they were protected")


def _findings(case: Case) -> Iterator[Finding]:
    settings, evidence, tables = case.settings, case.evidence, case.tables
    window = evidence.window
    end, block = pd.Timestamp(window.end), pd.Timedelta(milliseconds=evidence.block_ms)
    recent = end - pd.Timedelta(seconds=settings.recent_s or window.duration_s / 5)
    # A block that began before counts as earlier: its plaintext may be all from then. The last one is never earlier.
    recent = min(recent + block, end - block / 2)
    flow = traffic(evidence, settings.ingresses)
    edge = tables["edges"] = edges(flow, recent)
    share = tables["shares"] = shares(edge)
    rejections = evidence.frames.get("rejections")
    turned = tables["rotations"] = steps(evidence.frames["certificates"], rejections)
    ends, life = certificates(turned, window, evidence.facts.renew_after, settings, rejections)
    policies = evidence.documents.get("policies")
    in_force: tuple[Permitted, ...] | None = policies if isinstance(policies, tuple) else None
    observed = evidence.counts["destination"]
    proposal = propose(observed)
    trial = None if observed.empty else replay(observed, last_part=settings.last_part)
    if trial is not None:
        tables["replay_denied"] = trial.denied
    selector = Selector(settings.policy_label)
    idle = None if in_force is None else unused(in_force, proposal, selector=selector)
    points, terms = score(share, ends, identities(flow.labels))
    tables.update(
        protocols=protocols(edge),
        timeline=timeline(flow),
        strict=breaks(edge, flow, window.duration_s),
        strict_workloads=workloads(edge),
        denials=denials(flow, refusals(evidence), settings.level),
        rbac=rbac(evidence.counts["rbac"].totals()),
        certificates=ends,
        clocks=skew(turned),
        identities=identities(flow.labels),
        reach=reach(flow.labels, in_force),
        exposure=exposure(flow.labels),
        unknown=anonymous_callers(flow.labels),
        rules=rules(proposal.grants),
        unattributable=leftovers(proposal),
        replay=replayed(trial),
        replay_unused=rules([] if trial is None else trial.unused),
        unused=unused_permissions(idle or ()),
        score=terms,
    )
    yield encryption_findings.encrypted(case, share, edge, tables["exposure"])
    yield from encryption_findings.plaintext_edges(case, tables["strict"])
    yield encryption_findings.strict_run(case, tables["strict_workloads"], tables["strict"], blind_spots(flow))
    yield from certificate_findings.renewals(case, ends, life)
    yield certificate_findings.signed(case)
    yield from certificate_findings.clocks(case, tables["clocks"])
    yield from authorization_findings.denied(case, tables["denials"])
    yield authorization_findings.decisions(case, tables["rbac"])
    yield identity_findings.accounts(case, tables["identities"])
    yield from identity_findings.anonymous_callers(case, tables["unknown"])
    yield identity_findings.border(case, tables["exposure"], edge)
    yield encryption_findings.versions(case)
    yield encryption_findings.ciphers(case)
    yield privilege_findings.proposed(case, proposal)
    yield privilege_findings.replayed(case, trial)
    yield privilege_findings.unused(case, idle)
    yield identity_findings.radius(case, tables["reach"])
    yield scored(case, points, terms, edge)


def _only_ingress(case: Case) -> bool:
    """Whether all that a service's own proxies report came from outside the mesh."""
    part = case.evidence
    own = {**part.counts, "source": part.counts["source"].nothing()}
    flow = traffic(dataclasses.replace(part, counts=own), case.settings.ingresses)
    return len(flow.labels) > 0 and bool(flow.labels["exposed"].all())


def _own(part: Evidence, subject: Subject) -> Evidence:
    """Without what other services' pods export."""
    called = (part.counts[name].labels for name in ("destination", "source", "connections", "bytes"))
    names = {str(name) for labels in called for name in labels["destination_workload"].unique()}
    # Where clusters are no label of the pods, their names may end in them.
    names |= {f"{name}-{subject.cluster}" for name in names if subject.cluster}
    frames = {
        name: frame[_of_pods(frame, names, subject)].reset_index(drop=True) if "pod" in frame else frame
        for name, frame in part.frames.items()
    }
    # What authorities signed is everybody's.
    own = part.counts["rbac"]
    counts = {**part.counts, "rbac": own.select(_of_pods(own.labels, names, subject))}
    return dataclasses.replace(part, frames=frames, counts=counts)


def _of_pods(pods: pd.DataFrame, names: set[str], subject: Subject) -> pd.Series[bool]:
    # A store of one cluster, or one that names clusters in requests alone, has no label for it.
    near = pods["namespace"].isin({subject.namespace, ""}) & pods["cluster"].isin({subject.cluster, ""})
    return near & workload_of(pods).isin(names)
