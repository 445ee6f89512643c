"""What enters the mesh and what leaves it."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["anonymous_callers", "exposure"]


def exposure(table: pd.DataFrame) -> pd.DataFrame:
    """Traffic over the mesh's border.

    Parameters
    ----------
    table : DataFrame
        Of `traffic.Traffic.labels`.

    Returns
    -------
    DataFrame
        ``kind`` (ingress, passthrough, blackhole), ``workload`` (of the mesh's side), ``unit``, ``count`` and
        ``last_seen``.
    """
    columns = ["kind", "workload", "unit", "count", "last_seen"]
    if table.empty:
        return pd.DataFrame(columns=columns)
    names = table["destination_host"].astype(str) + "|" + table["destination_service"].astype(str)
    through, hole = names.str.contains("PassthroughCluster"), names.str.contains("BlackHoleCluster")
    kind = np.select([table["exposed"].astype(bool), through, hole], ["ingress", "passthrough", "blackhole"], "")
    inside = table["destination_workload"].where(table["exposed"].astype(bool), table["source"])
    own = table.assign(kind=kind, workload=inside)[kind != ""]
    found: pd.DataFrame = own.groupby(["kind", "workload", "unit"], sort=True).agg(
        count=("count", "sum"), last_seen=("last", "max")
    )
    return pd.DataFrame(found.reset_index()[columns])


def anonymous_callers(table: pd.DataFrame) -> pd.DataFrame:
    """Callers without any identity inside of the mesh: what they called, how often, and when last.

    Parameters
    ----------
    table : DataFrame
        Of `traffic.Traffic.labels`.

    Returns
    -------
    DataFrame
        ``destination_workload, destination_namespace, destination_cluster, unit``, ``count``, ``first_seen`` and
        ``last_seen``.
    """
    keys = ["destination_workload", "destination_namespace", "destination_cluster", "unit"]
    if table.empty:
        return pd.DataFrame(columns=[*keys, "count", "first_seen", "last_seen"])
    own = table[(table["source"] == "") & (table["source_principal"] == "") & ~table["exposed"].astype(bool)]
    found = own.groupby(keys, sort=True).agg(
        count=("count", "sum"), first_seen=("first", "min"), last_seen=("last", "max")
    )
    return found.reset_index()
