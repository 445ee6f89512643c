"""Requests and attempts of every edge in every block, whoever counted them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.evidence import Evidence
from meshlab.questions.retries.counted import Counted, counted, ratio
from meshlab.questions.retries.cube import EDGE, Cells, Cube, Floats, cube, total
from meshlab.questions.retries.evidence import Grid
from meshlab.telemetry.dialects.base import ABSENT
from meshlab.telemetry.dialects.proxies import COUNTERS

__all__ = ["Edges", "edges"]


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """All edges as arrays.

    Parameters
    ----------
    names : DataFrame
        The words of `EDGE`; one row an edge.
    callee, caller : ndarray of int, shape (edges,)
        Numbers of the called service and of the caller's own service; -1 for a caller that is no called service.
    services : DataFrame
        ``namespace`` and ``service``, by number.
    logical, good, attempts, accepted : ndarray, shape (edges, blocks)
        Requests (each once, whatever its tries), those that were answered well, attempts, and attempts that were not
        refused at once. NaN in a block where it was not measured.
    injected : ndarray, shape (edges, blocks)
        Requests that a fault filter delayed or aborted.
    sent, overflow : ndarray, shape (edges, blocks)
        All requests, arrived or not, NaN where the callers were not scraped; and of these with the flag UO.
    basis : ndarray of str, shape (edges,)
        What tells the attempts: ``proxies``, ``arrivals`` or nothing.
    table : DataFrame
        One row an edge: sums over the window; NaN for what is not exported.
    block_ms : int
    """

    names: pd.DataFrame
    callee: NDArray[np.intp]
    caller: NDArray[np.intp]
    services: pd.DataFrame
    logical: Cells
    good: Cells
    attempts: Cells
    accepted: Cells
    injected: Cells
    sent: Cells
    overflow: Cells
    basis: NDArray[np.object_]
    table: pd.DataFrame
    block_ms: int

    @property
    def amplification(self) -> Floats:
        """Attempts for a request over the window, shape (edges,); NaN where it is not known."""
        return self.table["amplification"].to_numpy(np.float64)

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return int(self.logical.shape[1])

    def label(self, edge: int) -> str:
        """An edge as ``caller -> service``."""
        row = self.names.iloc[edge]
        return f"{row['source'] or 'outside'} -> {row['destination_service']}"


def edges(evidence: Evidence) -> Edges:
    """Put requests, arrivals and the proxies' own counters together by edge.

    Parameters
    ----------
    evidence : Evidence
        Of `collect`.

    Returns
    -------
    Edges
    """
    grid = evidence.chosen
    assert isinstance(grid, Grid)
    callers, called, proxies = (cube(evidence.frames[name]) for name in ("callers", "called", "proxies"))
    hosts = _hosts(callers, called)
    keys = [_keyed(callers.table, hosts), _keyed(called.table, hosts), _keyed(proxies.table, {})]
    if grid.counts_attempts:
        keys[0] = _parents(keys[0], callers.table, keys[2])
    # A proxy that is there and calls nobody is no edge.
    totals = total(proxies.cells)
    names = pd.concat([keys[0], keys[1], keys[2][totals > 0]])[list(EDGE)].drop_duplicates()
    # Who calls nothing by name, and what is called by nobody's name, is no edge.
    names = names[names["destination_service"] != ""].sort_values(list(EDGE)).reset_index(drop=True)
    index = pd.MultiIndex.from_frame(names)
    at = [index.get_indexer(pd.MultiIndex.from_frame(k[list(EDGE)])) for k in keys]
    callee, caller, services = _graph(names, [callers.table, called.table], keys[:2])
    sums = _sums(proxies, totals, at[2], len(names))
    found = counted(
        callers, called, proxies, at, sums["retry"].to_numpy(np.float64), counts_attempts=grid.counts_attempts
    )
    return Edges(
        names,
        callee,
        caller,
        services,
        found.logical,
        found.good,
        found.attempts,
        found.accepted,
        found.injected,
        found.sent,
        found.overflow,
        found.kinds,
        _table(names, found, sums),
        grid.block_ms,
    )


def _hosts(*sides: Cube) -> dict[str, tuple[str, str]]:
    """Namespace and service behind each host that was dialled, as far as any answer told; the busiest counts."""
    rows = pd.concat([side.table.assign(total=total(side.cells)) for side in sides])
    known = rows[~rows["destination_service"].isin(ABSENT) & ~rows["destination_host"].isin(ABSENT)]
    known = known.sort_values("total").drop_duplicates("destination_host", keep="last")
    return {
        str(host): (str(space), str(service))
        for host, space, service in zip(
            known["destination_host"], known["destination_namespace"], known["destination_service"], strict=True
        )
    }


def _keyed(table: pd.DataFrame, hosts: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """The edge of each combination; where no server answered, the service is told by the host that was dialled."""
    keyed = table[list(EDGE)].copy()
    if "destination_host" not in table or keyed.empty:
        return keyed
    nameless = (keyed["destination_service"] == "").to_numpy(np.bool_)
    told = [hosts.get(host) or _named(host) for host in table["destination_host"][nameless]]
    keyed.loc[nameless, "destination_namespace"] = [space for space, _ in told]
    keyed.loc[nameless, "destination_service"] = [service for _, service in told]
    return keyed


def _parents(keyed: pd.DataFrame, table: pd.DataFrame, proxies: pd.DataFrame) -> pd.DataFrame:
    """The edge to what was dialled, where retries are told of it: a route's retries may go to any of its backends."""
    told = [_named(host) if host not in ABSENT else ("", "") for host in table["destination_host"]]
    parent = keyed.assign(
        destination_namespace=[
            space or own for (space, _), own in zip(told, keyed["destination_namespace"], strict=True)
        ],
        destination_service=[service for _, service in told],
    )
    dialled = pd.MultiIndex.from_frame(parent).isin(pd.MultiIndex.from_frame(proxies)) & (
        parent["destination_service"] != ""
    ).to_numpy(np.bool_)
    return keyed.where(~pd.Series(dialled, keyed.index), parent)


def _named(host: str) -> tuple[str, str]:
    """Namespace and service as a host's own name has them."""
    parts = host.split(":")[0].split(".")
    return (parts[1] if len(parts) > 1 else "", parts[0])


def _graph(
    names: pd.DataFrame, tables: list[pd.DataFrame], keys: list[pd.DataFrame]
) -> tuple[NDArray[np.intp], NDArray[np.intp], pd.DataFrame]:
    """Numbers of the called services, and of the service that each caller is a workload of."""
    services = names[["destination_namespace", "destination_service"]].drop_duplicates().reset_index(drop=True)
    services.columns = pd.Index(["namespace", "service"])
    index = pd.MultiIndex.from_frame(services)
    callee = index.get_indexer(pd.MultiIndex.from_frame(names[["destination_namespace", "destination_service"]]))
    told = pd.concat(
        [
            pd.DataFrame(
                {
                    "namespace": k["destination_namespace"],
                    "workload": t["destination_workload"],
                    "service": k["destination_service"],
                }
            )
            for t, k in zip(tables, keys, strict=True)
        ]
        # A workload that nothing tells of is taken for the service of its name.
        + [services.assign(workload=services["service"])[["namespace", "workload", "service"]]]
    )
    told = told[(told["workload"] != "") & (told["service"] != "")].drop_duplicates(["namespace", "workload"])
    of = pd.Series(
        index.get_indexer(pd.MultiIndex.from_frame(told[["namespace", "service"]])),
        index=pd.MultiIndex.from_frame(told[["namespace", "workload"]]),
    )
    own = of.reindex(pd.MultiIndex.from_frame(names[["source_namespace", "source"]])).fillna(-1)
    return callee.astype(np.intp), own.to_numpy(np.intp), services


def _sums(proxies: Cube, totals: Floats, at: NDArray[np.intp], count: int) -> pd.DataFrame:
    """Totals of each proxy counter by edge; NaN where it is not exported."""
    sums = {}
    for name in COUNTERS:
        mine = (proxies.table["metric"] == name).to_numpy(np.bool_) & (at >= 0)
        column = np.full(count, np.nan)
        column[at[mine]] = 0.0
        np.add.at(column, at[mine], totals[mine])
        sums[name] = column
    return pd.DataFrame(sums)


def _table(names: pd.DataFrame, found: Counted, sums: pd.DataFrame) -> pd.DataFrame:
    whole = {str(name): values.to_numpy(np.float64) for name, values in found.totals.items()}
    asked, tried = whole["logical"], whole["attempts"]
    retries = tried - asked
    own, has_called = found.kinds == "proxies", found.has_called
    table = names.copy()
    table["basis"] = found.kinds
    for name, values in (
        ("logical", asked),
        ("attempts", tried),
        ("amplification", ratio(tried, asked)),
        ("retries_per_request", ratio(retries, asked)),
        ("retries_per_attempt", ratio(retries, tried)),
    ):
        table[name] = np.where(found.kinds != "", values, np.nan)
    saved = np.where(own, sums["retry_success"], np.nan)
    table["saved"] = saved
    table["wasted"] = np.where(own, 1 - ratio(saved, np.where(retries > 0, retries, np.nan)), np.nan)
    # A refused retry (b) is counted by itself; what else bears UO was refused before it was sent (a).
    blocked = sums[["pending_overflow", "active_overflow"]].max(axis=1).to_numpy(np.float64)
    least = whole["refused"]
    table["breaker_rejected"] = np.where(np.isfinite(blocked), blocked, np.where(has_called, least, np.nan))
    table["retries_refused"] = np.where(
        own, sums["retry_overflow"], np.where(has_called, whole["overflow"] - least, np.nan)
    )
    for name in ("retry_limit_exceeded", "per_try_timeout", "timeout", "connect_fail", "ejections"):
        table[name] = sums[name]
    table["never_arrived"] = whole["never"]
    table["injected"] = whole["injected"]
    table["unexplained"] = np.where(has_called, whole["unexplained"], np.nan)
    table["good_share"] = ratio(whole["sent_good"], whole["sent"])
    table["fault"] = found.fault
    table["only_called"] = ~found.has_callers & has_called
    both = has_called & found.has_callers
    table["identity"] = np.where(both, ratio(whole["arrived_good"], whole["sent_good"]), np.nan)
    return table
