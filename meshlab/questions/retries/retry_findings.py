"""Findings ML-RET-007 to 010, and 014: what retries were worth, what bounded them, and what they can saturate."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from meshlab.core.results import Finding, Verdict
from meshlab.core.sanitize import plain
from meshlab.display.numbers import difference, number, percent, plural
from meshlab.questions.base import Case
from meshlab.questions.retries.capacity import OVERLOADED, STABLE, VULNERABLE
from meshlab.questions.retries.edges import Edges
from meshlab.questions.retries.protection_effect import WORSE
from meshlab.questions.retries.tables import UNKNOWN

__all__ = ["breakers", "refusals", "timeouts", "value", "vulnerable"]

Numbers = dict[str, Any]

_FUTILE: Final = 0.10
_FUTILE_FROM: Final = 1.5
_TIMEOUTS: Final = {
    "per_try_timeout": "tries timed out",
    "timeout": "requests timed out",
    "connect_fail": "connections failed",
}
_UNIT: Final = "of its capacity, if every request used all its tries"
# An idle pooled connection holds the breaker of connections open: it refuses nothing.
_HARMLESS: Final = ("cx_open", "cx_pool_open")


def value(case: Case, table: pd.DataFrame) -> Finding:
    """ML-RET-007: what the retries were worth, from the table of the judged edges."""
    table = table[np.isfinite(table["saved"].to_numpy(np.float64))]
    if table.empty:
        statement = "Only the proxies' own counters show which retries saved a request."
        return case.not_measured("007", "value", statement, need="proxies", query="proxies")
    retries, saved = float((table["attempts"] - table["requests"]).sum()), float(table["saved"].sum())
    if retries < 1:
        return case.finding("007", "value.pass", Verdict.PASS, "There were no retries.", query="proxies")
    share = saved / retries
    futile = share < _FUTILE and (table["amplification"] > _FUTILE_FROM).any()
    statement = f"{plural(round(retries), 'retry', 'retries')} saved {plural(round(saved), 'request')}."
    numbers: Numbers = {"value": share, "threshold": _FUTILE, "unit": "requests saved by a retry", "query": "proxies"}
    action = "Bound these retries: they only make load."
    return case.warn_if(futile, "007", "value.futile", statement, action=action, **numbers)


def refusals(case: Case, table: pd.DataFrame) -> Finding:
    """ML-RET-008: what bounded the retries, and what the flag UO stood for."""
    refused, rejected, exhausted = (
        table[name] for name in ("retries_refused", "breaker_rejected", "retry_limit_exceeded")
    )
    if not refused.notna().any() and not exhausted.notna().any():
        return case.not_measured("008", "refusals", "What bounded the retries is not exported.", query="proxies")
    parts = [
        f"A budget or retry limit refused {plural(round(refused.sum()), 'retry', 'retries')}",
        f"a breaker refused {plural(round(rejected.sum()), 'request')} before they were sent",
    ]
    if exhausted.notna().any():
        parts.append(f"{plural(round(exhausted.sum()), 'request')} used up their retries")
    numbers: Numbers = {"value": float(refused.sum()), "unit": "retries refused", "query": "proxies"}
    statement = f"{', '.join(parts)}."
    if exhausted.sum() <= 0 or refused.sum() != 0:
        return case.finding("008", "refusals.pass", Verdict.PASS, statement, **numbers)
    statement += " Only the number of attempts bounds them."
    action = "Set a retry budget: the number of attempts bounds a request, and not the load."
    return case.finding("008", "refusals.unbounded", Verdict.PASS, statement, action=action, **numbers)


def timeouts(case: Case, table: pd.DataFrame, edges: Edges) -> Finding:
    """ML-RET-009: timeouts of tries, of requests, and connections that failed."""
    known = [name for name in _TIMEOUTS if table[name].notna().any()]
    if not known:
        return case.not_measured("009", "timeouts", "Timeouts are not exported.", query="proxies")
    each = table[known].sum(axis=1)
    most = edges.label(int(each.index[int(each.to_numpy(np.float64).argmax())]))
    statement = ", ".join(f"{number(table[name].sum())} {_TIMEOUTS[name]}" for name in known)
    statement += f", most on {most}." if each.max() > 0 else "."
    numbers: Numbers = {"value": float(table[known[0]].sum()), "unit": _TIMEOUTS[known[0]], "query": "proxies"}
    return case.finding("009", "timeouts.pass", Verdict.PASS, statement, **numbers)


def breakers(case: Case, gauges: pd.DataFrame, protection: pd.DataFrame) -> Finding:
    """ML-RET-010: how often breakers stood open and hosts were ejected, what was shed, and whether it helped."""
    compared = protection[protection["helped"] != UNKNOWN]
    rows = compared.head(2) if len(compared) else protection.head(1)
    shed = [_shed(row) for row in rows.itertuples(index=False)]
    if len(protection) > len(rows):
        shed.append(f"{len(protection) - len(rows)} more in the table.")
    if gauges.empty:
        statement = " ".join(["Breakers and ejections are not exported.", *shed])
        return case.not_measured("010", "breakers", statement, need="breakers", query="breakers")
    opened = gauges[~gauges["gauge"].isin(_HARMLESS) & (gauges["open"] > 0)]
    stood = [
        f"{row.gauge} of {plain(row.source)} -> {plain(row.destination_service)} at {row.open} of {row.scrapes} scrapes"
        for row in opened.sort_values("open", ascending=False).head(3).itertuples(index=False)
    ]
    first = f"Open: {', '.join(stood)}." if stood else "No scrape saw a breaker open or a host ejected."
    worse = (protection["helped"] == WORSE).any()
    action = "Check the limits of what shed requests: success fell with it, or with what came at the same time."
    return case.finding(
        "010",
        f"breakers.{'worse' if worse else 'pass'}",
        Verdict.PASS,
        " ".join([first, *shed]),
        value=float(opened["open"].sum()),
        unit="scrapes",
        action=action if worse else "",
        query="breakers",
    )


def _shed(row: Any) -> str:
    """What one protection did, and whether its destination did better."""
    share = f" ({percent(row.shed_share, 0)})" if np.isfinite(row.shed_share) else ""
    place = f"{plain(row.source) or 'outside'} -> {plain(row.destination_service)}"
    shed = f"{row.kind.capitalize()} of {place}: {number(row.shed)}{share} in {plural(row.blocks, 'block')}"
    if row.helped == UNKNOWN:
        return f"{shed}; whether it helped is not measured ({row.why})."
    points = f"{difference(100 * row.low)} to {difference(100 * row.high)} points"
    return (
        f"{shed}; success rate {percent(row.success_during, 0)} with it and {percent(row.success_before, 0)} without "
        f"({row.helped}: {points})."
    )


def vulnerable(case: Case, table: pd.DataFrame) -> Finding:
    """ML-RET-014: whether the usual load would saturate a service if each request were tried as often as it can be."""
    if table.empty:
        return case.not_measured(
            "014",
            "capacity",
            "No service was seen saturated, so the load that retries can push it to is not measured.",
            action="Test it with more load than it serves, and record that.",
            query="destination",
        )
    order = (OVERLOADED, VULNERABLE, STABLE, UNKNOWN)
    row = table.sort_values("state", key=lambda states: states.map(order.index), kind="stable").iloc[0]
    statement = (
        f"A saturated {plain(str(row['service']))} takes in {number(row['capacity_per_s'])} attempts per second "
        f"({number(row['low'])} to {number(row['high'])}), usually {number(row['load_per_s'])}."
    )
    numbers: Numbers = {"unit": _UNIT, "query": "destination"}
    if np.isfinite(row["safe_per_s"]):
        numbers |= {"value": float(row["load_per_s"] * row["worst"] / row["capacity_per_s"]), "threshold": 1.0}
        statement += (
            f" With {number(row['worst'])} attempts per request ({row['worst_from']}) it recovers by itself from loads "
            f"up to {number(row['safe_per_s'])} per second."
        )
    else:
        statement += " No retries were seen, and how many are configured is not known."
    if row["state"] == UNKNOWN:
        action = "Set `attempts` to the attempts configured at each hop."
        return case.not_measured("014", "capacity", statement, action=action, **numbers)
    key = f"capacity.{row['state']}"
    if row["state"] == STABLE:
        return case.finding("014", key, Verdict.PASS, statement, **numbers)
    action = "Bound the retries or add capacity: a sufficiently long timeout can push it into overload."
    return case.finding("014", key, Verdict.WARN, statement, action=action, **numbers)
