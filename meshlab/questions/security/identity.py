"""Who speaks under which name, who without one, and what enters the mesh and leaves it."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from meshlab.questions.security.tables import TABLES

__all__ = ["anonymous_callers", "exposure", "identities"]

_SPIFFE: Final = r"^(?:spiffe://)?(?P<trust_domain>[^/]*)/ns/(?P<namespace>[^/]*)/sa/(?P<account>.*)$"
_DNS_NAME: Final = r"^(?P<account>.+)\.(?P<namespace>[^.]+)\.serviceaccount\.identity\.[^.]+\.(?P<trust_domain>.+)$"


def identities(labels: pd.DataFrame) -> pd.DataFrame:
    """Every identity that was seen calling: the table ``identities``, from `Traffic.labels`."""
    known = labels[labels["source_principal"] != ""]
    if known.empty:
        return TABLES["identities"].empty()
    unique = known[
        ["source_principal", "source", "source_namespace", "destination_service", "destination_namespace"]
    ].drop_duplicates()
    unique["base"] = unique["source"].str.replace(r"-v\d+$|-(canary|primary|stable)$", "", regex=True)
    unique["target"] = unique["destination_namespace"] + "/" + unique["destination_service"]
    groups = unique.groupby("source_principal", sort=True)
    out = pd.DataFrame(
        {
            "workloads": groups["source"].agg(lambda names: ", ".join(sorted(set(names)))),
            "namespaces": groups["source_namespace"].nunique(),
            "shared": groups["base"].nunique() > 1,
            "reaches": groups["target"].nunique(),
        }
    ).reset_index(names="principal")
    parts = out["principal"].str.extract(_SPIFFE).fillna(out["principal"].str.extract(_DNS_NAME)).fillna("")
    out["trust_domain"], out["account"] = parts["trust_domain"], parts["account"]
    out["default"] = out["account"] == "default"
    home = unique["source_principal"].map(pd.Series(parts["namespace"].to_numpy(), out["principal"]))
    away = (home != "") & (unique["source_namespace"] != "") & (home != unique["source_namespace"])
    out["foreign"] = out["principal"].isin(unique.loc[away, "source_principal"])
    return TABLES["identities"].pick(out)


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
