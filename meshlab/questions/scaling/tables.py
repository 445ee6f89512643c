"""The tables of the scaling question's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import pandas as pd

from meshlab.questions.base import Table

__all__ = ["TABLES", "table"]

TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "points": Table(
            workload="text: deployment",
            version="text: version",
            instance="text: pod; empty where replicas cannot be distinguished",
            block="int: interval, counted from the window's start",
            time="time: end of the interval",
            requests="float: requests answered",
            errors="float: of them, answered with an error",
            concurrency="float: requests in flight on average (Little's law)",
            throughput="float: successful answers a second",
        ),
        "curve": Table(
            concurrency="float: requests in flight: median of a bin",
            throughput="float: successful answers a second: median of a bin",
            blocks="int: intervals in the bin",
            law="float: the fitted Universal Scalability Law",
            low="float: its interval",
            high="float: its interval",
            capacity="float: the fitted concurrency limit; NaN where another model fits better",
        ),
        "versions": Table(
            version="text: version",
            blocks="int: intervals of all its replicas",
            model="text: the model that fits best",
            knee="float: saturation point, concurrent requests per replica",
            at_knee_per_s="float: throughput of a replica there",
            sustained_per_s="float: throughput of a saturated replica",
            beyond_percent="float: intervals past the saturation point",
            not_stated="text: why parts of the fitted law are not stated",
        ),
        "arrivals": Table(
            block="int: interval, counted from the window's start",
            time="time: end of the interval",
            arrivals_per_s="float: requests that arrived a second",
            concurrency="float: requests in flight on all replicas",
        ),
        "supply": Table(
            time="time: end of the interval",
            arrivals_per_s="float: requests that arrived a second",
            needed="float: replicas that the traffic needed",
            needed_low="float: at the upper end of what a replica carries",
            needed_high="float: at the lower end of what a replica carries",
            ready="float: ready replicas; NaN where not scraped",
        ),
        "elasticity": Table(
            strategy="text: how replicas are supplied",
            accuracy_under="float: replicas too few, per cent of demand",
            accuracy_over="float: replicas too many, per cent of demand",
            time_under="float: per cent of the time with too few",
            time_over="float: per cent of the time with too many",
            instability="float: per cent of the time in which supply and demand moved differently",
            replicas="float: replicas on average",
        ),
        "replayed": Table(
            time="time: sync period",
            current="float: replicas before the decision",
            ready="float: of them, ready",
            observed="float: the first metric",
            recommended="float: replicas that the metrics ask for",
            replayed="float: replicas that the algorithm decides",
            desired="float: replicas that the autoscaler decided",
            explained="bool: whether both agree",
            cause="text: what determined the decision",
        ),
        "reversals": Table(
            down="time: scale-down",
            up="time: the scale-up that reversed it",
            replicas="float: replicas before",
            replicas_down="float: fewest in between",
            window_s="float: smallest stabilization window that prevents it; NaN: none does",
            tolerance="float: smallest tolerance that prevents it",
        ),
        "what_if": Table(
            window_s="float: scale-down stabilization window",
            reversals="float: reversals, mean of the runs",
            flapping="float: share of the runs with a reversal",
            replicas="float: replicas, mean of the runs",
            short="float: share of the sync periods with requests queued",
        ),
        "lags": Table(
            part="text: stage",
            what="text: from what to what",
            pods="int: pods measured",
            p50_s="float: median",
            p95_s="float: 95th percentile",
        ),
        "overhead": Table(
            version="text: version",
            container="text: sidecar or service",
            blocks="int: intervals of all pods",
            idle_millicores="float: CPU when idle",
            idle_low="float: its interval",
            idle_high="float: its interval",
            seconds_per_1000="float: CPU seconds per 1,000 requests",
            low="float: its interval",
            high="float: its interval",
            share="float: share of the pod's CPU time",
        ),
    }
)


def table(name: str, rows: pd.DataFrame | Sequence[Sequence[object]] | Mapping[str, Any] = ()) -> pd.DataFrame:
    """Rows (or columns, or a frame that may have more of them) as the table of this name."""
    columns = list(TABLES[name].dtypes)
    frame = rows[columns] if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows, columns=columns)
    return TABLES[name].shaped(frame, name)
