"""Who speaks under which name: shared and default accounts, and trust domains."""

from __future__ import annotations

from typing import Final

import pandas as pd

from meshlab.questions.security.tables import TABLES

__all__ = ["identities"]

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
