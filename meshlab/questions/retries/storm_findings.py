"""Findings ML-RET-001 to 006: the state, what it is known from, where it began, and what the hops come to."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.core.sanitize import plain
from meshlab.display.numbers import duration, number, percent, plural
from meshlab.questions.base import Case
from meshlab.questions.retries.cells import Bools, total
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.storm import State, Storm

__all__ = ["amplifiers", "consistency", "coverage", "origin", "path", "state"]

_TOLERATED: Final = 0.05
_MOST: Final = 8

_VERDICTS: Final = {
    State.STABLE: Verdict.PASS,
    State.VULNERABLE: Verdict.WARN,
    State.STORM: Verdict.FAIL,
    State.METASTABLE: Verdict.FAIL,
}
_LEADS: Final = {
    State.VULNERABLE: "Risky retries",
    State.STORM: "Retry storm",
    State.METASTABLE: "Metastable retry storm",
}
_BOUND: Final = "Set a retry budget on every hop, and retry at one hop only."
_CUT: Final = "Cut the retries now: set `attempts` to 0, or a retry budget of 20 %, before anything else is changed."
_STOP: Final = (
    "Switch the retries off on all hops until goodput is back, or shed load: it does not end by itself. "
    "Then set a retry budget on every hop."
)


def state(case: Case, storm: Storm, edges: Edges) -> Finding:
    """ML-RET-001: stable, vulnerable, storm or metastable."""
    queries = case.evidence.queries
    partial = [name for name in ("source", "destination", "proxies") if name in queries and queries[name].failed]
    if partial or storm.state is State.UNKNOWN:
        key, statement, action = _unknown(case, partial)
        numbers: dict[str, Any] = {"required": True, "query": "source", "action": action}
        return case.finding("001", f"state.{key}", Verdict.INCONCLUSIVE, statement, **numbers)
    if storm.unresolved:
        length = duration(edges.block_s)
        return case.finding(
            "001",
            "state.unresolved",
            Verdict.INCONCLUSIVE,
            f"{_statement(storm, edges)} Blocks of {length} (two scrapes) cannot show whether it outlasts its trigger "
            f"by {duration(case.settings.sustained_s)}.",
            required=True,
            action=f"{_BOUND} Scrape more often, or look again with `sustained_s` of at least three blocks.",
            query="source",
        )
    return case.finding(
        "001",
        f"state.{'degraded' if storm.overloaded else storm.state.value}",
        _VERDICTS[storm.state],
        _statement(storm, edges),
        required=True,
        value=storm.probability,
        unit="probability of a storm",
        action=_action(storm),
        query="source",
    )


def _unknown(case: Case, partial: list[str]) -> tuple[str, str, str]:
    """Key, statement and action."""
    if partial:
        statement = f"The queries for {', '.join(partial)} returned a partial result."
        return "partial", statement, "Ask again later, or about a shorter window."
    if lack := next(filter(None, map(case.missing, ("source", "proxies", "destination"))), None):
        return "unknown", f"Attempts are not known: {lack.what} are not exported.", lack.remedy
    statement = f"No edge had {plural(case.settings.least, 'request')} in the window."
    return "idle", statement, "Move the window to where there was traffic."


def _action(storm: Storm) -> str:
    if storm.state is State.STABLE:
        return ""
    if storm.state is State.VULNERABLE or storm.recovered:
        return _BOUND
    return _STOP if storm.state is State.METASTABLE else _CUT


def _statement(storm: Storm, edges: Edges) -> str:
    """The headline, and then what is known of its trigger."""
    line = storm.timeline
    if storm.state is State.STABLE:
        lost = " Goodput was lost for another reason: overload, or errors that nobody retries."
        steady = f"No retry storm: {number(storm.amplified)}x amplification on the busiest retrying edge."
        return steady + (lost if storm.overloaded else "")
    assert storm.origin is not None
    head = f"{_LEADS[storm.state]} at {edges.label(storm.origin)}: {number(storm.amplified)}x amplification"
    bad = storm.incident
    if not bad.any():
        hot = int((line["phase"] != "calm").sum())
        return f"{head} in {hot} of {plural(len(line), 'block')}, goodput held."
    good = float(line.loc[bad, "goodput_per_s"].sum() / line.loc[bad, "load_per_s"].sum())
    now = "now over" if storm.recovered else "ongoing"
    head = f"{head}, {percent(good, 0)} goodput, {now}."
    lasted = duration(storm.lasted_s)
    if storm.trigger is None:
        return f"{head} It lasted {lasted}; the end of its trigger was not seen."
    cleared = f"after its trigger cleared ({storm.trigger.kind})"
    if storm.state is State.METASTABLE:
        return f"{head} It lasted {lasted} {cleared}{', then subsided' if storm.recovered else ''}."
    return f"{head} {'It recovered by itself' if storm.recovered else 'It goes on'} {lasted} {cleared}."


def coverage(case: Case, edges: Edges, judged: Bools) -> Finding:
    """ML-RET-002: what attempts are known from, and what is not exported."""
    table = edges.table[judged]
    own, both = (int((table["basis"] == basis).sum()) for basis in ("proxies", "arrivals"))
    known = f"Attempts come from source proxies' counters on {plural(own, 'edge')}, inferred from both sides on {both}."
    numbers: dict[str, Any] = {"value": float(own), "unit": "edges", "query": "proxies"}
    stuck = table[table["stuck_counters"]]
    if len(stuck):
        numbers["value"] = float(len(stuck))
        known += (
            f" Retry counters of {plural(len(stuck), 'edge')} ({edges.label(int(stuck.index[0]))} first) stand at zero "
            "while more arrives than was requested: they are registered and not included."
        )
        action = "Include `.*upstream_rq_retry.*` in the proxies' stats as a regular expression, not as a prefix."
        return case.finding("002", "coverage.stuck", Verdict.WARN, known, action=action, **numbers)
    one_end = int((table["basis"] == "").sum() - table["only_destination"].sum())
    known += f" {plural(one_end, 'edge')} reported at one end only: not judged." if one_end else ""
    if lack := case.missing("proxies"):
        return case.not_measured("002", "coverage", f"{known} Not exported: {lack.what}.", need="proxies", **numbers)
    return case.finding("002", "coverage.pass", Verdict.PASS, known, **numbers)


def consistency(case: Case, edges: Edges, judged: Bools) -> Finding:
    """ML-RET-003: successes sent and successes received must be as many."""
    known = np.isfinite(edges.table["consistency"].to_numpy(np.float64))
    table = edges.table[judged & known]
    table = table[table["requests"] >= 10 * case.settings.least]
    if table.empty:
        statement = "No edge is reported at both ends, so the counts cannot be checked against each other."
        return case.not_measured("003", "consistency", statement, need="destination", query="destination")
    # The ends are not scraped at one moment: up to one scrape, half a block, is seen by one of them alone.
    tolerated = max(_TOLERATED, 0.5 * edges.block_s / case.evidence.window.duration_s)
    off = (table["consistency"] - 1).abs()
    mirrored = table["unexplained"] > _TOLERATED * table["requests"]
    worst = int(off[~mirrored].idxmax()) if (~mirrored).any() else int(off.idxmax())
    bad, extra = int(((off > tolerated) & ~mirrored).sum()), int(mirrored.sum())
    also = f" {plural(extra, 'more edge')} carry mirrored or unmeshed requests, which count as no retries."
    return case.warn_if(
        bad,
        "003",
        "consistency.warn",
        f"Source- and destination-side success counts differ by {percent(off[worst])} on {edges.label(worst)}, by "
        f"more than {percent(tolerated)} on {bad} of {plural(len(table), 'edge')}.{also if extra else ''}",
        value=float(table.loc[worst, "consistency"]),
        threshold=1 + tolerated,
        unit="good answers given for one received",
        action="Trust other edges: a scrape is missing, a source is outside the mesh, or requests are mirrored.",
        query="destination",
    )


def origin(case: Case, storm: Storm, edges: Edges) -> Finding:
    """ML-RET-004: where it began."""
    if storm.origin is None:
        return _none(case, "004", "origin", "No edge's attempts rose beyond its load.", storm, "destination")
    onset = int(storm.onset[storm.origin])
    success = float(edges.table["success_rate"].to_numpy(np.float64)[storm.origin])
    since = f" since {storm.timeline['time'].iloc[onset]:%H:%M:%S} UTC" if onset >= 0 else ""
    name, row = edges.label(storm.origin), edges.table.loc[storm.origin]
    why = storm.trigger.kind if storm.trigger else "nothing below it fails"
    statement = f"It started at {name}, the deepest edge that fails{since}: {percent(success, 0)} success rate."
    action = f"Look at {plain(row['destination_service'])}: {why}."
    numbers: dict[str, Any] = {"value": success, "unit": "share", "query": "destination", "subject": name}
    return case.finding("004", "origin.warn", Verdict.WARN, statement, action=action, **numbers)


def amplifiers(case: Case, storm: Storm, edges: Edges) -> Finding:
    """ML-RET-005: which edges amplify, from the origin upwards."""
    if not storm.amplifiers:
        return _none(case, "005", "amplifiers", "No edge amplifies its requests.", storm, "proxies")
    blocks = storm.incident if storm.incident.any() else (storm.timeline["phase"] != "calm").to_numpy(np.bool_)
    requests, attempts = total(edges.requests, blocks), total(edges.attempts, blocks)
    each = [f"{edges.label(e)} {attempts[e] / requests[e]:.2f}" for e in storm.amplifiers if requests[e] > 0]
    statement = f"Attempts per request, from the origin upwards: {', '.join(each[:_MOST])}."
    action = "Retry at one of these hops only." if len(storm.amplifiers) > 1 else ""
    numbers: dict[str, Any] = {"value": float(len(storm.amplifiers)), "unit": "edges", "query": "proxies"}
    return case.finding("005", "amplifiers.warn", Verdict.WARN, statement, action=action, **numbers)


def path(case: Case, storm: Storm, paths: pd.DataFrame) -> Finding:
    """ML-RET-006: what the hops come to together."""
    known = paths[np.isfinite(paths["amplification"].to_numpy(np.float64))]
    if known.empty:
        return case.not_measured("006", "path", "No path from the ingress is known.", query="source")
    column, when = ("in_incident", " in the incident") if storm.incident.any() else ("amplification", "")
    row = known.loc[known[column].idxmax()]
    statement = (
        f"{plain(row['path'])}: {number(row[column])}x amplification end to end{when}, over "
        f"{plural(int(row['retrying_hops']), 'hop')} that retry."
    )
    numbers: dict[str, Any] = {"value": float(row[column]), "unit": "attempts", "query": "source"}
    if np.isfinite(row["configured"]):
        numbers["threshold"] = float(row["configured"])
        statement += f" The configured worst case is {number(row['configured'])}."
    elif row["worst"] > 1:
        many = number(row["worst"])
        statement += f" The most attempts seen at each hop multiply to {many}; the configuration is not known."
    return case.warn_if(storm.origin is not None, "006", "path.warn", statement, **numbers)


def _none(case: Case, code: str, topic: str, statement: str, storm: Storm, query: str) -> Finding:
    """There is none, or it could not be seen."""
    if storm.state is State.UNKNOWN:
        return case.not_measured(code, topic, statement, query=query)
    return case.finding(code, f"{topic}.pass", Verdict.PASS, statement, query=query)
