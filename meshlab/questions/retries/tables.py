"""The tables of the retry question's result."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meshlab.questions.base import Table

__all__ = ["LEVEL", "RATES", "TABLES", "UNKNOWN"]

LEVEL: Final = 0.95
"""Of the intervals."""
UNKNOWN: Final = "not measured"

_EDGE: Final = {
    "source_namespace": "text",
    "source": "text: calling workload; empty for one outside the mesh",
    "destination_namespace": "text",
    "destination_service": "text",
}
RATES: Final = {
    "load_per_s": "float: 1/s, requests at the top of the paths",
    "goodput_per_s": "float: 1/s, of these answered with success",
    "attempts_per_s": "float: 1/s, at the origin's service",
    "amplification": "float: attempts per request on the amplified edges",
}

TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "edges": Table(
            **_EDGE,
            origin="bool: whether the storm starts here",
            amplifier="int: 1 next to the origin, counting upwards; 0: no amplifier",
            basis="text: proxies, arrivals or empty: what attempts are known from",
            requests="float: each once, however often it was tried",
            attempts="float",
            amplification="float: attempts per request; NaN: not known",
            retries_per_request="float",
            retries_per_attempt="float",
            saved="float: requests that a retry saved; NaN: not exported",
            wasted="float: share of retries that saved nothing",
            breaker_rejected="float: requests",
            retries_refused="float: retries, by a budget or limit",
            retry_limit_exceeded="float: requests",
            per_try_timeout="float: tries",
            timeout="float: requests",
            connect_fail="float: connections",
            ejections="float: hosts",
            never_arrived="float: requests",
            injected="float: requests with injected faults",
            unexplained="float: arrivals beyond requests and failures",
            success_rate="float: 0..1, as the source sees it",
            stuck_counters="bool: retry counters at zero while more arrives than was requested",
            only_destination="bool: no source reports it",
            consistency="float: successes received per success sent",
            since="time: first block of the rise",
        ),
        "paths": Table(
            namespace="text",
            service="text",
            path="text",
            hops="int",
            retrying_hops="int",
            amplification="float: attempts at the end per request at the top, over the window",
            in_incident="float: the same in the incident",
            configured="float: worst case of the configuration; NaN: not known",
            worst="float: configured, or else observed",
            worst_from="text: configured or observed",
        ),
        "timeline": Table(
            time="time: end of the block",
            **RATES,
            accepted_per_s="float: 1/s, attempts not refused at once",
            success_rate="float: 0..1",
            phase="text: calm, triggered, storm, metastable or recovering",
        ),
        "incident": Table(phase="text", begin="time", end="time", blocks="int", **RATES),
        "capacity": Table(
            namespace="text",
            service="text",
            load_per_s="float: 1/s, usual attempts",
            capacity_per_s="float: 1/s, what it takes in when saturated",
            low="float: 1/s",
            high="float: 1/s",
            blocks="int: in which it was saturated",
            worst="float: attempts per request at the top",
            worst_from="text",
            safe_per_s="float: 1/s, load from which it recovers by itself; NaN: no retries known",
            state="text: stable, vulnerable, overloaded or not measured",
        ),
        "protection": Table(
            **_EDGE,
            kind="text",
            scrapes="float: NaN without a gauge",
            open="float: scrapes",
            open_share="float: 0..1",
            blocks="int: in which it acted",
            shed="float: refused, timed out or ejected",
            shed_share="float: 0..1",
            success_before="float: 0..1",
            success_during="float: 0..1",
            difference="float",
            low="float",
            high="float",
            helped="text: better, worse, no difference seen or not measured",
            why="text: it was not measured",
        ),
        "breakers": Table(**_EDGE, gauge="text", scrapes="int", open="int: scrapes", most="float"),
        "effective_policy": Table(
            source="text",
            destination_namespace="text",
            destination_service="text",
            retries="int: after the first try",
            per_try_s="float: seconds; NaN: none",
            route_s="float: seconds; NaN: none",
            limit="text",
            basis="text: what it is known from",
        ),
        "policies": Table(
            policy="text",
            recovered="bool",
            recovery_s="float: seconds after the trigger; NaN: never",
            answered="float: share of all requests",
            attempts="float: per request",
            peak_per_s="float: 1/s over 5 s",
            wasted="float: share of attempts",
        ),
        "mitigations": Table(
            mitigation="text",
            probability="float: of recovery within a minute",
            recovery_s="float: seconds, median",
            low_s="float",
            high_s="float",
        ),
        "flaws": Table(fault="text", service="text", statement="text", remedy="text"),
        "proposal": Table(destination_service="text", policy="text", istio="text", gateway="text", notes="text"),
    }
)
