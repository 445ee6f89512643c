"""Everything that is computed about one service, before anything is said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.evidence import Evidence
from meshlab.core.subject import Subject
from meshlab.questions.base import Case
from meshlab.questions.scaling.autoscaler import Autoscaler, autoscaler
from meshlab.questions.scaling.capacity import Capacity, block_p99, fit_capacity, sustainable_rate
from meshlab.questions.scaling.lags import lags, start_s, summary
from meshlab.questions.scaling.overhead import overhead
from meshlab.questions.scaling.provisioning import Provisioning, provisioning
from meshlab.questions.scaling.reversals import reversals
from meshlab.questions.scaling.samples import Samples, arrivals, samples
from meshlab.questions.scaling.settings import ScalingSettings
from meshlab.questions.scaling.tables import table
from meshlab.questions.scaling.usl import Comparison, compare
from meshlab.questions.scaling.what_if import WhatIf, what_if

__all__ = ["Analysis", "analyse"]

_START_S: Final = 30.0
"""Assumed for a pod's start where none was observed."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Analysis:
    """One service."""

    samples: Samples
    versions: Mapping[str, Capacity]
    main: Capacity | None
    """Of the version asked for, else of the busiest."""
    comparison: tuple[str, str, Comparison] | None
    """The main version, the busiest other one, and how their capacity differs."""
    arrivals: pd.DataFrame
    scaler: Autoscaler | None
    reversals: pd.DataFrame
    what_if: WhatIf
    lags: pd.DataFrame
    """One row a pod."""
    supply: Provisioning
    overhead: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """The result's tables, by name: see `tables.TABLES`."""
        return {
            "points": self.samples.frame,
            "curve": _curve(self.main),
            "versions": table("versions", [_version(capacity) for capacity in self.versions.values()]),
            "arrivals": self.arrivals,
            "supply": self.supply.moments,
            "elasticity": self.supply.metrics,
            "replayed": self.scaler.replayed if self.scaler else table("replayed"),
            "reversals": self.reversals,
            "what_if": self.what_if.table,
            "lags": summary(self.lags),
            "overhead": self.overhead,
        }


def analyse(case: Case) -> Analysis:
    """Compute all of it for one service."""
    evidence, subject, settings = case.evidence, case.subject, case.settings
    assert subject is not None
    points = samples(evidence, subject, settings.error_codes)
    versions = _versions(evidence, subject, points, settings)
    main = _main(points, versions, settings.version)
    flow = arrivals(evidence, subject)
    workloads = [*sorted(set(points.frame["workload"])), subject.service]
    scaler = autoscaler(evidence, subject, workloads, settings.sync_s)
    chain = lags(evidence, subject, scaler)
    reversed_ = table("reversals")
    other = WhatIf(refusal="there is no autoscaler, or nothing is known of its replicas")
    if scaler is not None:
        soon_s = max(settings.soon_s, scaler.down_window_s)
        reversed_ = reversals(scaler.replayed, scaler.targets, sync_s=scaler.ticks.sync_s, soon_s=soon_s)
        if main is not None:
            other = WhatIf(refusal="nothing was reversed")
            if len(reversed_):
                other = what_if(scaler, main, flow, start_s=start_s(chain) or _START_S, soon_s=settings.soon_s)
    return Analysis(
        samples=points,
        versions=versions,
        main=main,
        comparison=_comparison(versions, main),
        arrivals=flow,
        scaler=scaler,
        reversals=reversed_,
        what_if=other,
        lags=chain,
        supply=provisioning(evidence, subject, main, flow, scaler, chain, other, settings),
        overhead=overhead(evidence, subject, level=settings.level),
    )


def _versions(evidence: Evidence, subject: Subject, points: Samples, settings: ScalingSettings) -> dict[str, Capacity]:
    buckets = evidence.frames.get("buckets")
    fitted = {}
    for version, own in points.frame.groupby("version"):
        tails = None
        if buckets is not None and len(buckets):
            mine = buckets[subject.mask(buckets) & (buckets["destination_version"] == version)]
            tails = block_p99(mine, own) if len(mine) else None
        fitted[str(version)] = fit_capacity(own, tails, str(version), settings)
    return fitted


def _main(points: Samples, versions: Mapping[str, Capacity], version: str) -> Capacity | None:
    if version in versions:
        return versions[version]
    if not versions or version:
        return None
    return versions[str(points.frame.groupby("version")["requests"].sum().idxmax())]


def _comparison(versions: Mapping[str, Capacity], main: Capacity | None) -> tuple[str, str, Comparison] | None:
    """The busiest other version compared with the main one."""
    others = [capacity for capacity in versions.values() if main is not None and capacity.version != main.version]
    if main is None or not others:
        return None
    other = max(others, key=lambda capacity: int(capacity.fit.points.counts.sum()))
    return main.version, other.version, compare(main.fit, other.fit)


def _curve(main: Capacity | None) -> pd.DataFrame:
    """The fitted points and both curves, for the figure."""
    if main is None or main.fit.coefficients is None:
        return table("curve")
    fit = main.fit
    band = fit.predict(fit.points.concurrency)
    limit = fit.capacity_limit
    columns = {
        "concurrency": fit.points.concurrency,
        "throughput": fit.points.throughput,
        "blocks": fit.points.counts,
        "law": band.throughput,
        "low": band.low,
        "high": band.high,
        "capacity": np.minimum(fit.points.concurrency, limit[0]) / limit[1] if limit else np.nan,
    }
    return table("curve", columns)


def _version(capacity: Capacity) -> tuple[object, ...]:
    estimates = capacity.knee.answer, sustainable_rate(capacity, slo=False), capacity.sustained
    return (
        capacity.version,
        int(capacity.fit.points.counts.sum()),
        capacity.fit.choice.chosen if capacity.fit.choice else "",
        *(answer.estimate.value if answer.estimate else np.nan for answer in estimates),
        100 * capacity.beyond,
        "; ".join(refusal.sentence for refusal in capacity.fit.refusals),
    )
