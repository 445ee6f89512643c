"""Requests and attempts of every edge in every block, whoever counted them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.dialects.base import ABSENT
from meshlab.dialects.proxies import COUNTERS
from meshlab.evidence import Evidence
from meshlab.questions.retries.cube import EDGE, Floats, Groups, grouped
from meshlab.questions.retries.evidence import WORDS, Grid
from meshlab.questions.retries.outcomes import failed, flagged, never_arrived

__all__ = ["Edges", "edges"]

_UNEXPLAINED: Final = 0.05
"""Share of the arrivals beyond requests and failures from which on they count as no retries at all."""

_FAULT: Final = 1.05
"""Arrivals for a request from which on retry counters that stand at zero are not believed."""


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
    logical: Floats
    good: Floats
    attempts: Floats
    accepted: Floats
    injected: Floats
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
    blocks = (evidence.window.end_ms - evidence.window.start_ms) // grid.block_ms
    callers = grouped(evidence.frames["callers"], WORDS, "count")
    called = grouped(evidence.frames["called"], WORDS, "count")
    proxies = grouped(evidence.frames["proxies"], (*EDGE, "metric"), "value")
    hosts = _hosts(callers, called)
    keys = [_keyed(callers.table, hosts), _keyed(called.table, hosts), _keyed(proxies.table, {})]
    # A proxy that is there and calls nobody is no edge.
    used = proxies.totals() > 0
    names = pd.concat([keys[0], keys[1], keys[2][used]])[list(EDGE)].drop_duplicates()
    # Who calls nothing by name, and what is called by nobody's name, is no edge.
    names = names[names["destination_service"] != ""].sort_values(list(EDGE)).reset_index(drop=True)
    index = pd.MultiIndex.from_frame(names)
    at = [index.get_indexer(pd.MultiIndex.from_frame(k[list(EDGE)])) for k in keys]
    callee, caller, services = _graph(names, [callers.table, called.table], keys[:2])
    shape = (len(names), blocks)

    sent = callers.matrix(at[0], *shape)
    sent_good = callers.matrix(at[0], *shape, ~failed(callers.table).to_numpy(np.bool_))
    never = callers.matrix(at[0], *shape, never_arrived(callers.table).to_numpy(np.bool_))
    refused = flagged(callers.table["flags"], "UO").to_numpy(np.bool_)
    overflow = callers.matrix(at[0], *shape, refused & ~never_arrived(callers.table).to_numpy(np.bool_))
    bad = failed(called.table).to_numpy(np.bool_)
    arrived = called.matrix(at[1], *shape)
    arrived_bad = called.matrix(at[1], *shape, bad)
    # An attempt whose caller gave up has no code: it was taken in. What is refused at once has one.
    broken = bad & (called.table["code"].astype(str) == "0").to_numpy(np.bool_)
    taken = called.matrix(at[1], *shape, ~bad | broken)
    metric = {
        name: proxies.matrix(at[2], *shape, (proxies.table["metric"] == name).to_numpy(np.bool_))
        for name in ("retry", "retry_overflow", "pending_overflow", "active_overflow", "per_try_timeout", "sent")
    }
    injected = callers.matrix(at[0], *shape, flagged(callers.table["flags"], "DI", "FI").to_numpy(np.bool_))
    sums = _sums(proxies, at[2], len(names))
    has_callers = np.isin(np.arange(len(names)), at[0])
    has_called = np.isin(np.arange(len(names)), at[1])

    arrivals = _from_arrivals(sent, never, overflow, arrived, arrived_bad)
    exported = np.isfinite(sums["retry"].to_numpy(np.float64)) & has_callers
    silent = exported & (sums["retry"].to_numpy(np.float64) == 0) & has_called
    fault = silent & (_ratio(arrivals.attempts.sum(axis=1), arrivals.reached.sum(axis=1)) > _FAULT)
    own = exported & ~fault
    other = ~own & has_callers & has_called & (not grid.counts_attempts)

    retries = metric["retry"]
    if grid.counts_attempts:
        logical, attempts = np.maximum(sent - retries, 0), sent
    else:
        logical = np.where(own[:, None], sent, arrivals.reached)
        attempts = np.where(own[:, None], sent + retries, arrivals.attempts)
    # A whole that nobody counted is not zero.
    seen = callers.matrix(at[0], *shape, None) > 0
    missing = ~(own | other)[:, None] | (~seen & ~_scraped(evidence, callers, at[0], shape))
    kinds = np.where(own, "proxies", np.where(other, "arrivals", "")).astype(object)
    lone = ~has_callers & has_called
    accepted = np.where(has_called[:, None], taken, sent_good + metric["per_try_timeout"])
    table = _table(names, kinds, logical, attempts, sums, sent, sent_good, never, overflow, arrivals, own, has_called)
    table["fault"] = fault
    table["only_called"] = lone
    table["identity"] = np.where(
        has_called & has_callers, _ratio((arrived - arrived_bad).sum(axis=1), sent_good.sum(axis=1)), np.nan
    )
    hide = missing & ~lone[:, None]
    return Edges(
        names,
        callee,
        caller,
        services,
        np.where(lone[:, None], arrived, np.where(hide, np.nan, logical)),
        np.where(lone[:, None], arrived - arrived_bad, np.where(hide, np.nan, sent_good)),
        np.where(hide | lone[:, None], np.nan, attempts),
        accepted,
        injected,
        kinds,
        table,
        grid.block_ms,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Arrivals:
    """What both ends of an edge tell without any retry counter, shape (edges, blocks)."""

    reached: Floats
    attempts: Floats
    unexplained: Floats
    refused: Floats


def _from_arrivals(sent: Floats, never: Floats, overflow: Floats, arrived: Floats, arrived_bad: Floats) -> _Arrivals:
    """Requests that reached a server, and their attempts, from both ends of an edge.

    UO is two things: a breaker that refused the request itself (it never arrived), and one that refused a retry of a
    request that did. Only as many are taken for the former as must be: those for which there is no arrival, and those
    for which there is no failure that a retry could have followed.
    """
    total = {
        k: v.sum(axis=1) for k, v in (("s", sent), ("n", never), ("o", overflow), ("a", arrived), ("b", arrived_bad))
    }
    must = np.maximum(total["s"] - total["n"] - total["a"], total["o"] - total["b"])
    # Counts of two ends are scraped at two moments: less than a hundredth is no difference.
    must = np.where(must > 0.01 * total["s"] + 1, np.clip(must, 0, total["o"]), 0.0)
    part = _ratio(must, total["o"])
    refused = overflow * np.nan_to_num(part)[:, None]
    reached = np.maximum(sent - never - refused, 0)
    # A retry follows a failure: what arrives beyond requests and failures is mirrored, or comes from outside the mesh.
    beyond = total["a"] - reached.sum(axis=1) - total["b"]
    odd = beyond > _UNEXPLAINED * total["a"] + 1
    unexplained = np.where(odd[:, None], arrived * np.nan_to_num(_ratio(beyond, total["a"]))[:, None], 0.0)
    return _Arrivals(reached, np.maximum(arrived - unexplained, 0), unexplained, refused)


def _ratio(a: Floats, b: Floats) -> Floats:
    ratio: Floats = np.divide(a, b, out=np.full(np.shape(a), np.nan), where=b > 0)
    return ratio


def _scraped(evidence: Evidence, callers: Groups, at: NDArray[np.intp], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """In which blocks an edge's callers were scraped at all, requests or none."""
    once = Groups(callers.table, callers.group, callers.block, np.ones(len(callers.value)))
    return once.matrix(at, *shape) > 0


def _hosts(*sides: Groups) -> dict[str, tuple[str, str]]:
    """Namespace and service behind each host that was dialled, as far as any answer told; the busiest counts."""
    rows = pd.concat([side.table.assign(total=side.totals()) for side in sides])
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
    keyed = table[list(EDGE)].astype(str).copy()
    if "destination_host" not in table or keyed.empty:
        return keyed
    nameless = (keyed["destination_service"] == "").to_numpy(np.bool_)
    told = [hosts.get(host) or _named(host) for host in table["destination_host"].astype(str)[nameless]]
    keyed.loc[nameless, "destination_namespace"] = [space for space, _ in told]
    keyed.loc[nameless, "destination_service"] = [service for _, service in told]
    return keyed


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
                    "workload": t["destination_workload"].astype(str),
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


def _sums(proxies: Groups, at: NDArray[np.intp], count: int) -> pd.DataFrame:
    """Totals of each proxy counter by edge; NaN where it is not exported."""
    totals = proxies.totals()
    sums = {}
    for name in COUNTERS:
        mine = (proxies.table["metric"] == name).to_numpy(np.bool_) & (at >= 0)
        column = np.full(count, np.nan)
        column[at[mine]] = 0.0
        np.add.at(column, at[mine], totals[mine])
        sums[name] = column
    return pd.DataFrame(sums)


def _table(
    names: pd.DataFrame,
    kinds: NDArray[np.object_],
    logical: Floats,
    attempts: Floats,
    sums: pd.DataFrame,
    sent: Floats,
    sent_good: Floats,
    never: Floats,
    overflow: Floats,
    arrivals: _Arrivals,
    own: NDArray[np.bool_],
    has_called: NDArray[np.bool_],
) -> pd.DataFrame:
    asked, tried = logical.sum(axis=1), attempts.sum(axis=1)
    retries = tried - asked
    known = kinds != ""
    table = names.copy()
    table["basis"] = kinds
    for name, values in (
        ("logical", asked),
        ("attempts", tried),
        ("amplification", _ratio(tried, asked)),
        ("retries_per_request", _ratio(retries, asked)),
        ("retries_per_attempt", _ratio(retries, tried)),
    ):
        table[name] = np.where(known, values, np.nan)
    saved = np.where(own, sums["retry_success"], np.nan)
    table["saved"] = saved
    table["wasted"] = np.where(own, 1 - _ratio(saved, np.where(retries > 0, retries, np.nan)), np.nan)
    # A refused retry (b) is counted by itself; what else bears UO was refused before it was sent (a).
    blocked = sums[["pending_overflow", "active_overflow"]].max(axis=1).to_numpy(np.float64)
    least = arrivals.refused.sum(axis=1)
    table["breaker_rejected"] = np.where(np.isfinite(blocked), blocked, np.where(has_called, least, np.nan))
    table["retries_refused"] = np.where(
        own, sums["retry_overflow"], np.where(has_called, overflow.sum(axis=1) - least, np.nan)
    )
    for name in ("retry_limit_exceeded", "per_try_timeout", "timeout", "connect_fail", "ejections"):
        table[name] = sums[name]
    table["never_arrived"] = never.sum(axis=1)
    table["unexplained"] = np.where(has_called, arrivals.unexplained.sum(axis=1), np.nan)
    table["good_share"] = _ratio(sent_good.sum(axis=1), sent.sum(axis=1))
    return table
