"""The retry question: how it is asked, and what is judged in which order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence, Missing
from meshlab.core.readiness import Readiness, State
from meshlab.core.results import Finding, Verdict
from meshlab.core.subject import Subject
from meshlab.core.window import Window
from meshlab.questions.base import Asking, Case, Question
from meshlab.questions.retries import mitigation_findings, plot, retry_findings, storm_findings
from meshlab.questions.retries.capacity import find_capacity
from meshlab.questions.retries.cells import Bools
from meshlab.questions.retries.codes import CODES
from meshlab.questions.retries.edges import Edges, read_edges
from meshlab.questions.retries.graph import above
from meshlab.questions.retries.lint import lint
from meshlab.questions.retries.lost_findings import lost_on_the_way
from meshlab.questions.retries.needs import NEEDS, block_ms
from meshlab.questions.retries.paths import find_paths
from meshlab.questions.retries.proposal import proposals
from meshlab.questions.retries.protection import gauges
from meshlab.questions.retries.protection_effect import find_protection
from meshlab.questions.retries.routes import EdgePolicy, read
from meshlab.questions.retries.settings import RetriesSettings
from meshlab.questions.retries.storm import Storm, find_storm
from meshlab.questions.retries.storm.phases import incident_table
from meshlab.questions.retries.tables import TABLES
from meshlab.questions.retries.whatif import what_if
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.mesh import Mesh
from meshlab.telemetry.triage import Triage

__all__ = ["Facts", "Retries"]

_PLACE: Final = ("destination_namespace", "destination_service")


class Facts(msgspec.Struct, frozen=True):
    """What is known of the mesh itself.

    Parameters
    ----------
    counts_attempts : bool
        Whether the sources count each attempt, and not each request once.
    """

    counts_attempts: bool = False


class Retries(Question):
    """Is this a retry storm, who started it, and does it end?"""

    name, prefix, subject_kind = "retries", "ML-RET", "mesh"
    Settings = RetriesSettings
    needs = NEEDS
    tables = TABLES
    codes = CODES
    explains = ("retries", "errors")
    figures = (plot.timeline, plot.hysteresis, plot.edges)
    examples: ClassVar[Mapping[str, Any]] = {"source": "retry-storm"}

    def subject(self, mesh: Mesh, window: Window, settings: RetriesSettings) -> Subject | None:
        """A service in whichever clusters: requests are not counted by cluster here."""
        return mesh.find(settings.service, window, settings.namespace, by_cluster=False) if settings.service else None

    def block_ms(self, asking: Asking) -> int:
        """Two scrapes, at least 10 s, and at least a 720th of the window."""
        return 1000 * asking.settings.block_s or block_ms(asking.mesh.probe.scrape_ms, asking.window)

    def facts(self, asking: Asking) -> Facts:
        """What the sources' counters count."""
        return Facts(counts_attempts=asking.mesh.counts_attempts)

    def documents(self, settings: RetriesSettings) -> Mapping[str, object]:
        """``routes``: the configured policies, where a file is given."""
        return {"routes": read(settings.routes_file)} if settings.routes_file else {}

    def cases(self, evidence: Evidence, settings: RetriesSettings) -> Iterator[Case]:
        """All services that were called, each with the edges on the paths to it.

        A storm is a matter of the edges above a service: of those below, the service is a source, and they are other
        services' paths.
        """
        edges = read_edges(evidence)
        for namespace, service in edges.services.itertuples(index=False, name=None):
            if settings.namespace not in ("", namespace):
                continue
            subject = Subject("", str(namespace), str(service))
            if edges.table["only_destination"][_into(edges, subject)].all():
                reason = "No source of its requests is in the mesh, so nothing shows how often they try."
                yield self.case(evidence, settings, subject=subject, unjudged=reason)
            else:
                yield self.case(_part(evidence, edges, subject), settings)

    def case_of(self, evidence: Evidence, settings: Any, subject: Subject | None = None) -> Case:
        """The same part of the evidence for a subject that was asked about alone."""
        case = super().case_of(evidence, settings, subject)
        if case.subject is not None and not case.unjudged:
            case.evidence = _part(case.evidence, read_edges(case.evidence), case.subject)
        return case

    def judge(self, case: Case) -> Iterator[Finding]:
        """Say whether attempts are explained by the load, who amplified them, and whether it outlasted its cause.

        Required: the state (ML-RET-001).
        """
        evidence, settings, tables = case.evidence, case.settings, case.tables
        edges = read_edges(evidence, settings.error_codes)
        judged = _above(edges, case.subject or Subject("", settings.namespace, ""))
        storm = find_storm(edges, judged, settings)
        paths = find_paths(edges, storm.incident, settings)
        routes = evidence.documents.get("routes", ())
        flaws = lint(routes, _configured(paths, routes)) if routes else ()
        other = what_if(evidence, edges, storm, settings, routes)
        tables.update(
            edges=_edge_table(edges, storm, judged),
            paths=paths,
            timeline=storm.timeline,
            incident=incident_table(storm.timeline),
            capacity=find_capacity(edges, judged, storm, paths, settings),
            protection=find_protection(evidence, edges, judged, settings),
            breakers=gauges(evidence),
            policies=other.policies,
            mitigations=other.mitigations,
            flaws=pd.DataFrame([dataclasses.asdict(flaw) for flaw in flaws]).astype(str),
            proposal=proposals(other),
        )
        if other.effective is not None:
            tables["effective_policy"] = other.effective.table
        table = edges.table[judged]
        yield storm_findings.state(case, storm, edges)
        yield storm_findings.coverage(case, edges, judged)
        yield from lost_on_the_way(case, edges, judged)
        yield storm_findings.consistency(case, edges, judged)
        yield storm_findings.origin(case, storm, edges)
        yield storm_findings.amplifiers(case, storm, edges)
        yield storm_findings.path(case, storm, paths)
        yield retry_findings.value(case, table)
        yield retry_findings.refusals(case, table)
        yield retry_findings.timeouts(case, table, edges)
        yield retry_findings.breakers(case, tables["breakers"], tables["protection"])
        yield mitigation_findings.stopped(case, other)
        yield mitigation_findings.ends(case, other)
        yield mitigation_findings.configuration(case, flaws)
        yield retry_findings.vulnerable(case, tables["capacity"])

    def headline(self, verdict: Verdict, findings: Sequence[Finding], case: Case) -> str:
        """The state alone: what is known of its trigger follows in the finding."""
        statement, _, _ = super().headline(verdict, findings, case).partition(". ")
        return f"{statement.rstrip('.')}."

    def state(self, findings: Sequence[Finding], case: Case) -> tuple[str, str]:
        """Ongoing since the first phase that is not calm, or over since the last calm one."""
        phases = case.tables.get("incident", pd.DataFrame())
        trouble = phases[phases["phase"] != "calm"] if len(phases) else phases
        if trouble.empty:
            return "", ""
        last = phases.iloc[-1]
        if last["phase"] == "calm":
            return "over", last["begin"].isoformat()
        return "ongoing", trouble["begin"].iloc[0].isoformat()

    def suggest(self, triage: Triage, about: Subject | None = None) -> Readiness:
        """Look for requests at the sources, and for what their attempts are known from."""
        mesh = triage.mesh
        if triage.sides[Reporter.SOURCE].empty:
            return Readiness(State.LACKING, "no requests were counted by sources", (NEEDS["source"].missing(mesh),))
        if not triage.retries.empty:
            return Readiness(State.READY, "the sources' proxies count their retries")
        lack = (Missing(NEEDS["proxies"].what, mesh.remedy("retries")),)
        if not triage.sides[Reporter.DESTINATION].empty and not mesh.counts_attempts:
            return Readiness(State.READY, "attempts are inferred from the requests at both ends", lack)
        return Readiness(State.LACKING, "nothing shows how often requests were tried", lack)


def _into(edges: Edges, subject: Subject) -> Bools:
    """The edges to a service, to all of a namespace, or to all."""
    places = zip(_PLACE, (subject.namespace, subject.service), strict=True)
    masks = [(edges.names[column] == name).to_numpy(np.bool_) for column, name in places if name]
    return np.logical_and.reduce(masks, axis=0) if masks else np.ones(len(edges.names), np.bool_)


def _above(edges: Edges, subject: Subject) -> Bools:
    """The edges on the paths to a service, to all of a namespace, or to all."""
    return above(edges, _into(edges, subject), np.ones(len(edges.names), np.bool_))


def _part(evidence: Evidence, edges: Edges, subject: Subject) -> Evidence:
    """What speaks of the services on the paths to a subject, and of what these call."""
    paths = np.unique(edges.destination[_above(edges, subject)])
    # Whether a service fails by itself is shown by its own calls.
    called = edges.destination[np.isin(edges.source, paths)]
    wanted = pd.MultiIndex.from_frame(edges.services.iloc[np.union1d(paths, called)])

    def kept(labels: pd.DataFrame) -> Bools:
        # Where no server answered, the host alone names the service, and the judge finds out which one.
        return pd.MultiIndex.from_frame(labels[[*_PLACE]]).isin(wanted) | (labels[_PLACE[1]] == "").to_numpy(np.bool_)

    return dataclasses.replace(
        evidence,
        frames={name: frame[kept(frame)] for name, frame in evidence.frames.items()},
        counts={name: counts.select(kept(counts.labels)) for name, counts in evidence.counts.items()},
        subjects=(subject,),
    )


def _configured(paths: pd.DataFrame, routes: Sequence[EdgePolicy]) -> list[list[str]]:
    """The observed paths in the configuration's own names, without those that are the beginning of another."""
    hosts = {route.service.partition(".")[0]: route.service for route in routes}
    stops = [path.split(" > ")[1:] for path in paths["path"]]
    named = {tuple(hosts[stop] for stop in path if stop in hosts) for path in stops}
    return [list(path) for path in sorted(named) if not any(path == other[: len(path)] != other for other in named)]


def _edge_table(edges: Edges, storm: Storm, judged: Bools) -> pd.DataFrame:
    """The judged edges with their part in the storm, the most amplified first."""
    place = {edge: at + 1 for at, edge in enumerate(storm.amplifiers)}
    table = edges.table.assign(
        amplifier=[place.get(edge, 0) for edge in edges.table.index],
        origin=[edge == storm.origin for edge in edges.table.index],
        # No block is -1, where nothing rose.
        since=storm.timeline["time"].reindex(storm.onset).set_axis(edges.table.index),
    )
    kept: pd.DataFrame = table[judged & ~table["only_destination"].to_numpy(np.bool_)]
    kept = kept.sort_values(["amplification", "requests"], ascending=False, na_position="last")
    return kept.reset_index(drop=True)
