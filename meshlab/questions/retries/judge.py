"""Judge whether retries make a storm, from evidence alone."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Result, Verdict, overall
from meshlab.core.sanitize import plain
from meshlab.questions.retries import findings as say
from meshlab.questions.retries import remedies
from meshlab.questions.retries.capacity import capacity
from meshlab.questions.retries.edges import Edges, edges
from meshlab.questions.retries.effective_policy import COLUMNS
from meshlab.questions.retries.graph import above
from meshlab.questions.retries.lint import EdgePolicy, lint, read
from meshlab.questions.retries.paths import paths
from meshlab.questions.retries.protection import gauges, protection
from meshlab.questions.retries.scope import Scope
from meshlab.questions.retries.settings import Policy
from meshlab.questions.retries.storm import State, Storm, storm
from meshlab.questions.retries.whatif import what_if

__all__ = ["judge"]


def judge(evidence: Evidence, scope: Scope | None = None, *, policy: Policy | None = None) -> Result:
    """Say whether attempts are explained by the load, who began, who multiplied, and whether it outlasted its cause.

    Parameters
    ----------
    evidence : Evidence
        Of `collect`.
    scope : Scope, optional
        With a service, only edges on ways to it are judged.
    policy : Policy, optional

    Returns
    -------
    Result
        Required: the state (ML-RET-001). Its tables are ``edges``, ``paths``, ``timeline``, ``incident`` (trigger and
        phases), ``capacity`` (of services that were full), ``protection`` (what shed requests, and what came of it),
        ``breakers``, ``in_force`` (what each amplified hop does, and what tells that), ``policies`` (what others would
        have done), ``cures`` (what ends it now), ``flaws`` (of the configuration) and ``proposal``.

    Raises
    ------
    ParameterError
        The routes' file cannot be read, or is no such YAML.
    """
    policy, scope = policy or Policy(), scope or Scope()
    all_edges = edges(evidence)
    among = _among(all_edges, scope)
    found = storm(all_edges, among, evidence.window.start_ms, policy)
    ways = paths(all_edges, found.incident, attempts=policy.attempts, least=policy.least)
    limits = capacity(all_edges, among, found, ways, policy)
    stood, shields = gauges(evidence), protection(evidence, all_edges, among, policy)
    routes = read(policy.routes_file) if policy.routes_file else ()
    flaws = lint(routes, _configured(ways, routes)) if routes else ()
    other = what_if(evidence, all_edges, found, policy, routes)
    subject = plain(str(evidence.subjects[0])) if evidence.subjects else "mesh"
    told = [
        say.state(found, all_edges, evidence, subject, policy),
        say.coverage(all_edges, among, evidence, subject),
        say.identity(all_edges, among, evidence, subject, policy),
        say.origin(found, all_edges, evidence, subject),
        say.amplifiers(found, all_edges, evidence, subject),
        say.path(ways, found, evidence, subject),
        say.value(all_edges, among, evidence, subject),
        say.refusals(all_edges, among, evidence, subject),
        say.timeouts(all_edges, among, evidence, subject),
        say.breakers(stood, shields, evidence, subject),
        remedies.stopped(other, subject),
        remedies.ends(other, subject),
        remedies.flaws(flaws, policy, subject),
        say.vulnerable(limits, evidence, subject),
    ]
    verdict = overall(told)
    return Result(
        question="retries",
        subject=subject,
        verdict=verdict,
        headline=_headline(verdict, told, found),
        findings=told,
        window=str(evidence.window),
        source=evidence.source,
        tables=MappingProxyType(
            {
                "edges": _edge_table(all_edges, found, among),
                "paths": ways,
                "timeline": found.timeline,
                "incident": _incident(found),
                "capacity": limits,
                "protection": shields,
                "breakers": stood,
                "in_force": pd.DataFrame(columns=list(COLUMNS)) if other.force is None else other.force.table,
                "policies": other.policies,
                "cures": other.cures,
                "flaws": remedies.flaw_table(flaws),
                "proposal": remedies.proposal(other),
            }
        ),
    )


def _among(all_edges: Edges, scope: Scope) -> NDArray[np.bool_]:
    everything = np.ones(len(all_edges.names), np.bool_)
    if not scope.service:
        return everything
    names = all_edges.names
    into = (names["destination_service"] == scope.service).to_numpy(np.bool_)
    if scope.namespace:
        into = into & (names["destination_namespace"] == scope.namespace).to_numpy(np.bool_)
    return above(all_edges, np.flatnonzero(into).tolist(), everything)


def _configured(ways: pd.DataFrame, routes: Sequence[EdgePolicy]) -> list[list[str]]:
    """The observed ways in the configuration's own names, without those that are the beginning of another."""
    hosts = {route.service.partition(".")[0]: route.service for route in routes}
    stops = [path.split(" > ")[1:] for path in ways["path"]]
    named = {tuple(hosts[stop] for stop in way if stop in hosts) for way in stops}
    return [list(way) for way in sorted(named) if not any(way == other[: len(way)] != other for other in named)]


def _edge_table(all_edges: Edges, found: Storm, among: NDArray[np.bool_]) -> pd.DataFrame:
    table = all_edges.table.copy()
    place = {edge: at + 1 for at, edge in enumerate(found.amplifiers)}
    table.insert(4, "amplifier", [place.get(k, 0) for k in range(len(table))])
    table.insert(4, "origin", [k == found.origin for k in range(len(table))])
    since = found.timeline["time"] if len(found.timeline) else pd.Series(dtype="datetime64[ms, UTC]")
    ends = since.to_numpy("datetime64[ms]")
    stamps = np.full(len(table), np.datetime64("NaT"), "datetime64[ms]")
    risen = found.onset >= 0
    if len(ends):
        stamps[risen] = ends[found.onset[risen]]
    table["since"] = pd.DatetimeIndex(stamps).tz_localize("UTC")
    keep = among & ~table["only_called"].to_numpy(np.bool_)
    order = ["amplification", "logical"]
    kept: pd.DataFrame = table[keep].sort_values(order, ascending=False, na_position="last").reset_index(drop=True)
    return kept


def _incident(found: Storm) -> pd.DataFrame:
    """The phases in the order of time: when each began and ended, and what it was like."""
    line = found.timeline
    columns = ["phase", "begin", "end", "blocks", "load_per_s", "goodput_per_s", "attempts_per_s", "amplification"]
    if line.empty:
        return pd.DataFrame(columns=columns)
    run = (line["phase"] != line["phase"].shift()).cumsum()
    length = line["time"].diff().median() if len(line) > 1 else pd.Timedelta(0)
    table = line.groupby(run, sort=True).agg(
        phase=("phase", "first"),
        begin=("time", "min"),
        end=("time", "max"),
        blocks=("time", "size"),
        load_per_s=("load_per_s", "mean"),
        goodput_per_s=("goodput_per_s", "mean"),
        attempts_per_s=("attempts_per_s", "mean"),
        amplification=("amplification", "mean"),
    )
    table["begin"] -= length
    return table.reset_index(drop=True)


def _headline(verdict: Verdict, told: list[Finding], found: Storm) -> str:
    first = told[0]
    if verdict is Verdict.INCONCLUSIVE:
        return f"No verdict yet: {first.statement}; {first.action}"
    sure = f" (probability of a storm {found.probability:.2f})" if np.isfinite(found.probability) else ""
    lead = {
        State.STABLE: "No retry storm",
        State.VULNERABLE: "No lasting retry storm, but the retries are dangerous",
        State.STORM: "A retry storm",
        State.METASTABLE: "A metastable retry storm",
        State.UNKNOWN: "Not known",
    }[found.state]
    where = f", begun at {told[3].subject}" if found.origin is not None else ""
    return f"{lead}{where}{sure}: {first.statement.split(': ', 1)[-1]}"
