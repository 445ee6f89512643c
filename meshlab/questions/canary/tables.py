"""The schemas of the canary's result tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshlab.questions.base import Table, columns

__all__ = ["TABLES"]

_LOGS: Final = {
    "log_worse": "float: natural log of the evidence for worse",
    "log_below": "float: natural log of the evidence for tolerable",
}
_INTERVAL: Final = {"lower": "float: lower end of its interval", "upper": "float: upper end of its interval"}

TABLES: Final[Mapping[str, Table]] = {
    "arms": Table(
        arm="text: baseline or canary",
        version="text: the arm's name",
        reporter="text: source or destination",
        **columns("int", "requests", "errors"),
        error_percent="float: % of the requests",
    ),
    "codes": Table(
        outcome="text: HTTP class, gRPC status or no answer",
        error="bool: whether it counts as one",
        **columns("int: requests", "baseline", "canary"),
        **columns("float: % of the arm's requests", "baseline_percent", "canary_percent"),
    ),
    "error_looks": Table(
        time="time: end of the block",
        difference="float: canary minus baseline, percentage points",
        **_INTERVAL,
        **_LOGS,
        log_fail="float: natural log of the evidence that FAIL takes",
        log_pass="float: natural log of the evidence that PASS takes",
    ),
    "error_beliefs": Table(belief="text", value="float", unit="text"),
    "latency_looks": Table(
        time="time: end of the block",
        in_block="float: probability of being slower in this block",
        slower="float: mean of the blocks up to here",
        **_INTERVAL,
        log_worse="float: natural log of the evidence for slower than the margin",
    ),
    "latency_edges": Table(
        edge_ms="float: bucket edge, ms",
        guarded="bool: whether the verdict rests on it",
        **columns("float: share of requests", "above_baseline", "above_canary"),
        difference="float: percentage points",
        **_INTERVAL,
        margin="float: tolerated, percentage points",
        **_LOGS,
    ),
    "latency_quantiles": Table(
        quantile="text", **columns("text: the bucket that holds it, ms", "baseline_ms", "canary_ms")
    ),
    "segments": Table(
        by="text: caller, caller's cluster or host",
        segment="text",
        **columns("int", "requests_baseline", "requests_canary"),
        **columns("float: % of the requests", "error_percent_baseline", "error_percent_canary"),
        difference="float: percentage points",
        log_worse="float: natural log of the evidence for worse",
    ),
    "mixes": Table(
        by="text: caller, caller's cluster or host",
        cramers_v="float: how much the arms' mixes differ, 0 to 1",
        p_value="float: of Pearson's chi-square",
        standardised="float: difference with the same mix, percentage points",
    ),
    "pods": Table(
        arm="text: the arm's name",
        pod="text",
        requests="int",
        first_seen="time: end of the first block with requests",
        last_seen="time: end of the last block with requests",
        restarts="int",
    ),
    "power": Table(metric="text", smallest="float: regression shown with 80 % power", unit="text"),
}
