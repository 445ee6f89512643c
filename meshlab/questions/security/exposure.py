"""What enters the mesh and what leaves it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from meshlab.questions.security.tables import TABLES

__all__ = ["anonymous_callers", "exposure"]


def exposure(labels: pd.DataFrame) -> pd.DataFrame:
    """Traffic over the mesh's border: the table ``exposure``, from `Traffic.labels`."""
    names = labels["destination_host"].astype(str) + "|" + labels["destination_service"].astype(str)
    through, hole = names.str.contains("PassthroughCluster"), names.str.contains("BlackHoleCluster")
    kind = np.select([labels["exposed"], through, hole], ["ingress", "passthrough", "blackhole"], "")
    inside = labels["destination_workload"].where(labels["exposed"], labels["source"])
    own = labels.assign(kind=kind, workload=inside)[kind != ""]
    return _seen(own, ["kind", "workload", "unit"], "exposure")


def anonymous_callers(labels: pd.DataFrame) -> pd.DataFrame:
    """Callers without any identity inside of the mesh: the table ``unknown``, from `Traffic.labels`."""
    own = labels[(labels["source"] == "") & (labels["source_principal"] == "") & ~labels["exposed"]]
    return _seen(own, ["destination_workload", "destination_namespace", "destination_cluster", "unit"], "unknown")


def _seen(own: pd.DataFrame, keys: list[str], table: str) -> pd.DataFrame:
    """How often each was seen, and when."""
    sums = own.groupby(keys, sort=True).agg(
        count=("count", "sum"), first_seen=("first", "min"), last_seen=("last", "max")
    )
    return TABLES[table].pick(sums.reset_index())
