"""Requests and attempts of every edge in every block, whoever counted them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts
from meshlab.core.evidence import Evidence
from meshlab.core.sanitize import plain
from meshlab.questions.retries.cells import EDGE, Bools, Floats, totals
from meshlab.questions.retries.counted import Counted, counted, counter_sums, edge_table
from meshlab.telemetry.dialects.base import ABSENT
from meshlab.telemetry.outcomes import DEFAULT_ERRORS

__all__ = ["Edges", "read_edges"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Edges(Counted):
    """All edges as arrays: what was counted on each of them, and who they lead from and to.

    Parameters
    ----------
    names : DataFrame
        The dimensions of `EDGE`; one row an edge.
    destination, source : ndarray of int, shape (edges,)
        Numbers of the called service and of the caller's own; -1 for a caller that is no called service.
    services : DataFrame
        ``namespace`` and ``service``, by number.
    table : DataFrame
        One row an edge: sums over the window; NaN for what is not exported.
    grid : BlockGrid
    """

    names: pd.DataFrame
    destination: NDArray[np.intp]
    source: NDArray[np.intp]
    services: pd.DataFrame
    table: pd.DataFrame
    grid: BlockGrid

    @property
    def known(self) -> Bools:
        """Whether attempts are known at all, shape (edges,)."""
        return np.asarray(self.basis != "", np.bool_)

    @property
    def amplification(self) -> Floats:
        """Attempts for a request over the window, shape (edges,); NaN where it is not known."""
        return self.table["amplification"].to_numpy(np.float64)

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return self.grid.blocks

    @property
    def block_s(self) -> float:
        """Length of a block, seconds."""
        return self.grid.block_ms / 1000

    def numbers_of(self, table: pd.DataFrame) -> NDArray[np.intp]:
        """The edge that each row of a table is about; -1 for none."""
        rows = pd.MultiIndex.from_frame(table[list(EDGE)].astype(str))
        return pd.MultiIndex.from_frame(self.names).get_indexer(rows)

    def label(self, edge: int) -> str:
        """An edge as ``source -> service``, harmless to print."""
        row = self.names.iloc[edge]
        return plain(f"{row['source'] or 'outside'} -> {row['destination_service']}")


def read_edges(evidence: Evidence, error_codes: str = DEFAULT_ERRORS) -> Edges:
    """Put requests at both ends and the proxies' own counters together by edge.

    Parameters
    ----------
    evidence : Evidence
        As the question collects it.
    error_codes : str
        What counts as an error.
    """
    source, destination, proxies = (evidence.counts[name] for name in ("source", "destination", "proxies"))
    hosts = _hosts(source, destination)
    keys = [_keyed(source.labels, hosts), _keyed(destination.labels, hosts), _keyed(proxies.labels, {})]
    if evidence.facts.counts_attempts:
        keys[0] = _parents(keys[0], source.labels, keys[2])
    # A proxy that is there and calls nobody is no edge.
    sums = totals(proxies)
    names = pd.concat([keys[0], keys[1], keys[2][sums > 0]])[list(EDGE)].drop_duplicates()
    # Who calls nothing by name, and what is called by nobody's name, is no edge.
    names = names[names["destination_service"] != ""].sort_values(list(EDGE)).reset_index(drop=True)
    index = pd.MultiIndex.from_frame(names)
    at = [index.get_indexer(pd.MultiIndex.from_frame(key[list(EDGE)])) for key in keys]
    called, calling, services = _services(names, [source.labels, destination.labels], keys[:2])
    counters = counter_sums(proxies, sums, at[2], len(names))
    counts = counted(
        (source, destination, proxies),
        at,
        counters["retry"].to_numpy(np.float64),
        counts_attempts=evidence.facts.counts_attempts,
        error_codes=error_codes,
    )
    return Edges(
        **{field.name: getattr(counts, field.name) for field in fields(counts)},
        names=names,
        destination=called,
        source=calling,
        services=services,
        table=edge_table(names, counts, counters),
        grid=source.grid,
    )


def _hosts(*sides: Counts) -> dict[str, tuple[str, str]]:
    """Namespace and service behind each host that was dialled, as far as any answer says; the busiest counts."""
    rows = pd.concat([side.labels.assign(total=totals(side)) for side in sides])
    known = rows[~rows["destination_service"].isin(ABSENT) & ~rows["destination_host"].isin(ABSENT)]
    known = known.sort_values("total").drop_duplicates("destination_host", keep="last")
    hosts = known[["destination_host", "destination_namespace", "destination_service"]].astype(str)
    return {host: (namespace, service) for host, namespace, service in hosts.itertuples(index=False, name=None)}


def _keyed(table: pd.DataFrame, hosts: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """The edge of each group; where no server answered, the host that was dialled names the service."""
    keyed = table[list(EDGE)].copy()
    if "destination_host" not in table or keyed.empty:
        return keyed
    unresolved = (keyed["destination_service"] == "").to_numpy(np.bool_)
    if unresolved.any():
        dialled = [hosts.get(host) or _named(host) for host in table["destination_host"][unresolved]]
        keyed.loc[unresolved, ["destination_namespace", "destination_service"]] = dialled
    return keyed


def _parents(keyed: pd.DataFrame, table: pd.DataFrame, proxies: pd.DataFrame) -> pd.DataFrame:
    """The edge to what was dialled, where that has retry counters: a route's retries may go to any of its backends."""
    dialled = [_named(host) if host not in ABSENT else ("", "") for host in table["destination_host"]]
    own = keyed["destination_namespace"]
    parent = keyed.assign(
        destination_namespace=[named or namespace for (named, _), namespace in zip(dialled, own, strict=True)],
        destination_service=[service for _, service in dialled],
    )
    counted_there = pd.MultiIndex.from_frame(parent).isin(pd.MultiIndex.from_frame(proxies)) & (
        parent["destination_service"] != ""
    ).to_numpy(np.bool_)
    return keyed.where(~pd.Series(counted_there, keyed.index), parent)


def _named(host: str) -> tuple[str, str]:
    """Namespace and service as a host's own name has them."""
    parts = host.split(":")[0].split(".")
    return (parts[1] if len(parts) > 1 else "", parts[0])


def _services(
    names: pd.DataFrame, tables: list[pd.DataFrame], keys: list[pd.DataFrame]
) -> tuple[NDArray[np.intp], NDArray[np.intp], pd.DataFrame]:
    """Numbers of the called services, and of the service that each caller is a workload of."""
    services = names[["destination_namespace", "destination_service"]].drop_duplicates().reset_index(drop=True)
    services.columns = pd.Index(["namespace", "service"])
    index = pd.MultiIndex.from_frame(services)
    called = index.get_indexer(pd.MultiIndex.from_frame(names[["destination_namespace", "destination_service"]]))
    place = {"destination_namespace": "namespace", "destination_service": "service"}
    workloads = [
        key.rename(columns=place)[[*place.values()]].assign(workload=table["destination_workload"])
        for table, key in zip(tables, keys, strict=True)
    ]
    # A workload that no answer names is taken for the service of its name.
    owners = pd.concat([*workloads, services.assign(workload=services["service"])])
    owners = owners[(owners["workload"] != "") & (owners["service"] != "")].drop_duplicates(["namespace", "workload"])
    number = pd.Series(
        index.get_indexer(pd.MultiIndex.from_frame(owners[["namespace", "service"]])),
        index=pd.MultiIndex.from_frame(owners[["namespace", "workload"]]),
    )
    calling = number.reindex(pd.MultiIndex.from_frame(names[["source_namespace", "source"]])).fillna(-1)
    return called.astype(np.intp), calling.to_numpy(np.intp), services
