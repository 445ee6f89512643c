"""Who speaks under which name: shared and default accounts, and trust domains."""

from __future__ import annotations

import pandas as pd

__all__ = ["identities"]


def identities(table: pd.DataFrame) -> pd.DataFrame:
    """Every identity that was seen calling.

    Returns
    -------
    DataFrame
        ``principal``, ``trust_domain``, ``account``, ``workloads`` (text), ``namespaces`` (how many call under it),
        ``shared`` (by workloads that are no versions of one another), ``default`` and ``reaches`` (how many services).
    """
    known = table[table["source_principal"] != ""] if len(table) else table
    columns = ["principal", "trust_domain", "account", "workloads", "namespaces", "shared", "default", "reaches"]
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
    parts = out["principal"].str.extract(r"^(?:spiffe://)?(?P<trust_domain>[^/]*)/ns/[^/]*/sa/(?P<account>.*)$")
    out["trust_domain"], out["account"] = parts["trust_domain"].fillna(""), parts["account"].fillna("")
    out["default"] = out["account"] == "default"
    return out[columns]
