"""Judge how a service scales, from evidence alone."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.results import Finding, Result, Verdict, overall
from meshlab.core.sanitize import plain
from meshlab.core.subject import Subject
from meshlab.questions.scaling import autoscaling_findings as scaled
from meshlab.questions.scaling import capacity_findings as loaded
from meshlab.questions.scaling.autoscaler import Autoscaler, autoscaler
from meshlab.questions.scaling.capacity import Capacity, capacity, carried, tails_of
from meshlab.questions.scaling.lags import lags, start_s, summary
from meshlab.questions.scaling.overhead import overhead
from meshlab.questions.scaling.provisioning import provisioning
from meshlab.questions.scaling.reversals import reversals
from meshlab.questions.scaling.samples import Samples, arrivals, samples
from meshlab.questions.scaling.scope import Scope
from meshlab.questions.scaling.settings import Policy
from meshlab.questions.scaling.usl import Comparison, compare
from meshlab.questions.scaling.what_if import WhatIf, what_if

__all__ = ["judge"]

_START_S: Final = 30.0
"""Taken for a pod's start where none was seen."""


def judge(evidence: Evidence, scope: Scope, *, policy: Policy | None = None, subject: Subject | None = None) -> Result:
    """Say what a copy carries, how long it was asked for more, and whether the autoscaler follows.

    Parameters
    ----------
    evidence : Evidence
    scope : Scope
    policy : Policy, optional
    subject : Subject, optional
        Which of the evidence's services; the one that it was collected for where it is not given.

    Returns
    -------
    Result
        Required: the operating point against the knee (ML-SCA-001) and, where there is an autoscaler, provisioning
        (ML-SCA-004) and reversals (ML-SCA-005). Its tables are ``points``, ``curve``, ``versions``, ``arrivals``,
        ``supply``, ``replayed``, ``reversals``, ``what_if``, ``lags``, ``elasticity`` and ``overhead``.

    Raises
    ------
    ParameterError
        The autoscaler's YAML cannot be understood.
    """
    policy = policy or Policy()
    subject = subject or evidence.subjects[0]
    about = plain(str(subject))
    points = samples(evidence, subject)
    versions = _versions(evidence, subject, points, policy)
    main = _main(points, versions, scope)
    flow = arrivals(evidence, subject)
    workloads = sorted(set(points.frame["workload"])) if len(points.frame) else []
    scaler = autoscaler(evidence, subject, [*workloads, subject.service], policy)
    chain = lags(evidence, subject, scaler) if scaler else pd.DataFrame(columns=["decided", "pod"])
    back = _reversals(scaler, policy)
    other = _what_if(scaler, main, flow, chain, policy, worth=back is not None and len(back) > 0)
    supply = provisioning(evidence, subject, main, flow, scaler, chain, other, policy)
    cost = overhead(evidence, subject, level=policy.level)
    queries = {name: query.promql for name, query in evidence.queries.items()}
    findings = [
        loaded.operating_point(main, points, evidence, about, policy, queries),
        loaded.sustained(main, about, policy, queries),
        *loaded.objective(main, about, policy, queries),
        scaled.provisioned(supply, evidence, about, policy, queries),
        scaled.flapping(scaler, back, other, evidence, about, policy, queries),
        scaled.explained(scaler, evidence, about, policy, queries),
        scaled.bounds(scaler, about, queries),
        scaled.lag_chain(chain, evidence, about, queries),
        loaded.versions(_comparison(versions, main), about),
        loaded.cost(cost, main, evidence, about, queries),
        loaded.little(flow, evidence, about, queries),
    ]
    verdict = overall(findings)
    return Result(
        question="scaling",
        subject=about,
        verdict=verdict,
        headline=_headline(verdict, findings, main, scaler),
        findings=findings,
        window=str(evidence.window),
        source=evidence.source,
        tables=MappingProxyType(
            {
                "points": points.frame,
                "curve": _curve(main),
                "versions": _table(versions),
                "arrivals": flow,
                "supply": supply.moments,
                "elasticity": supply.metrics,
                "replayed": scaler.replayed if scaler else pd.DataFrame(columns=["time", "current", "desired"]),
                "reversals": back if back is not None else pd.DataFrame(columns=["down", "up"]),
                "what_if": other.table,
                "lags": summary(chain) if len(chain) else pd.DataFrame(columns=["part", "what", "pods"]),
                "overhead": cost,
            }
        ),
    )


def _versions(evidence: Evidence, subject: Subject, points: Samples, policy: Policy) -> dict[str, Capacity]:
    found = {}
    buckets = evidence.frames.get("buckets")
    for version, own in points.frame.groupby("version"):
        tails = None
        if buckets is not None and len(buckets):
            mine = buckets[subject.mask(buckets) & (buckets["destination_version"] == version)]
            tails = tails_of(mine, own) if len(mine) else None
        found[str(version)] = capacity(own, tails, str(version), policy)
    return found


def _main(points: Samples, versions: dict[str, Capacity], scope: Scope) -> Capacity | None:
    if scope.version in versions:
        return versions[scope.version]
    if not versions or scope.version:
        return None
    busy = points.frame.groupby("version")["requests"].sum()
    return versions[str(busy.idxmax())]


def _reversals(scaler: Autoscaler | None, policy: Policy) -> pd.DataFrame | None:
    if scaler is None:
        return None
    soon_s = max(policy.soon_s, scaler.spec_window_s)
    return reversals(scaler.replayed, scaler.targets, sync_s=scaler.ticks.sync_s, soon_s=soon_s)


def _what_if(
    scaler: Autoscaler | None,
    main: Capacity | None,
    flow: pd.DataFrame,
    chain: pd.DataFrame,
    policy: Policy,
    *,
    worth: bool,
) -> WhatIf:
    empty = pd.DataFrame(columns=["window_s", "reversals", "flapping", "replicas", "short"])
    if scaler is None or main is None:
        return WhatIf(empty, None, "there is no autoscaler, or nothing is known of its copies", "")
    if not worth:
        return WhatIf(empty, None, "nothing was reversed", "")
    return what_if(scaler, main, flow, start_s=start_s(chain) or _START_S, soon_s=policy.soon_s)


def _comparison(versions: dict[str, Capacity], main: Capacity | None) -> tuple[str, str, Comparison] | None:
    """The second busiest version against the main one."""
    others = [one for one in versions.values() if main is not None and one.version != main.version]
    if main is None or not others:
        return None
    other = max(others, key=lambda one: int(one.fit.counts.sum()))
    return main.version, other.version, compare(main.fit, other.fit)


def _curve(main: Capacity | None) -> pd.DataFrame:
    """The fitted points and both curves, for the figure."""
    if main is None or main.fit.coefficients is None:
        return pd.DataFrame(columns=["concurrency", "throughput", "blocks", "law", "low", "high", "capacity"])
    fit = main.fit
    band = fit.predict(fit.concurrency)
    limit = np.full(len(fit.concurrency), np.nan)
    if fit.choice is not None and fit.choice.chosen == "capacity":
        known = dict(fit.choice.candidate("capacity").parameters)
        limit = np.minimum(fit.concurrency, known["places"]) / known["seconds"]
    return pd.DataFrame(
        {
            "concurrency": fit.concurrency,
            "throughput": fit.throughput,
            "blocks": fit.counts,
            "law": band.throughput,
            "low": band.low,
            "high": band.high,
            "capacity": limit,
        }
    )


def _table(versions: dict[str, Capacity]) -> pd.DataFrame:
    rows = []
    for name, one in versions.items():
        knee, top, load = one.knee.answer.estimate, one.sustained.estimate, carried(one, slo=False).estimate
        chosen = one.fit.choice.chosen if one.fit.choice else ""
        reasons = "; ".join(refusal.sentence for refusal in one.fit.refusals)
        rows.append(
            (
                name,
                int(one.fit.counts.sum()),
                chosen,
                knee.value if knee else np.nan,
                load.value if load else np.nan,
                top.value if top else np.nan,
                100 * one.beyond,
                reasons,
            )
        )
    columns = ["version", "blocks", "model", "knee", "at_knee_per_s", "sustained_per_s", "beyond_percent", "not_stated"]
    return pd.DataFrame(rows, columns=columns)


def _headline(verdict: Verdict, findings: list[Finding], main: Capacity | None, scaler: Autoscaler | None) -> str:
    worst = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.WARN: 2}
    told = sorted(
        (f for f in findings if f.verdict in worst),
        key=lambda f: (worst[f.verdict] if f.verdict else 3, not f.required),
    )
    if verdict is Verdict.PASS or not told:
        top = main.sustained.estimate if main is not None else None
        carries = f": a copy carries {top.value:.3g} requests a second" if top else ""
        follows = " and its autoscaler follows" if scaler is not None else ""
        return f"It has room{follows}{carries}"
    if verdict is Verdict.INCONCLUSIVE:
        first = next(f for f in told if f.verdict is Verdict.INCONCLUSIVE)
        return f"No verdict yet: {first.statement}; {first.action}"
    lead = "It does not keep up" if verdict is Verdict.FAIL else "It keeps up, with a flaw"
    same = [f for f in told if f.verdict is (Verdict.FAIL if verdict is Verdict.FAIL else Verdict.WARN)]
    return f"{lead}: " + "; ".join(f.statement for f in same[:2])
