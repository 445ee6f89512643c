"""Who speaks under which name: shared and default accounts, and trust domains."""

from __future__ import annotations

from typing import Final

import pandas as pd

__all__ = ["identities"]

_SPIFFE: Final = r"^(?:spiffe://)?(?P<trust_domain>[^/]*)/ns/(?P<namespace>[^/]*)/sa/(?P<account>.*)$"
_DNS_NAME: Final = r"^(?P<account>.+)\.(?P<namespace>[^.]+)\.serviceaccount\.identity\.[^.]+\.(?P<trust_domain>.+)$"


def identities(table: pd.DataFrame) -> pd.DataFrame:
    """Every identity that was seen calling.

    Returns
    -------
    DataFrame
        ``principal``, ``trust_domain``, ``account``, ``workloads`` (text), ``namespaces`` (how many call under it),
        ``shared`` (by workloads that are no versions of one another), ``default``, ``foreign`` (it calls
        from another namespace than its own) and ``reaches`` (how many services).
    """
    known = table[table["source_principal"] != ""] if len(table) else table
    columns = [
        "principal",
        "trust_domain",
        "account",
        "workloads",
        "namespaces",
        "shared",
        "default",
        "foreign",
        "reaches",
    ]
    if known.empty:
        return pd.DataFrame(columns=columns)
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
    parts = out["principal"].str.extract(_SPIFFE).fillna(out["principal"].str.extract(_DNS_NAME))
    out["trust_domain"], out["account"] = parts["trust_domain"].fillna(""), parts["account"].fillna("")
    out["default"] = out["account"] == "default"
    home = unique["source_principal"].map(pd.Series(parts["namespace"].fillna("").to_numpy(), out["principal"]))
    away = (home != "") & (unique["source_namespace"] != "") & (home != unique["source_namespace"])
    out["foreign"] = out["principal"].isin(unique.loc[away, "source_principal"])
    return out[columns]
