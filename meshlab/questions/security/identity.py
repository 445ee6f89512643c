"""Who speaks under which name: shared and default accounts, trust domains, and how far one identity reaches."""

from __future__ import annotations

import pandas as pd

__all__ = ["identities", "reach"]


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


def reach(table: pd.DataFrame) -> pd.DataFrame:
    """Blast radius as observed: the services that each identity called, and that those called in turn.

    Returns
    -------
    DataFrame
        ``source``, ``direct`` and ``closure`` (how many services), the farthest first.
    """
    if table.empty:
        return pd.DataFrame(columns=["source", "direct", "closure"])
    pairs = table[["source", "destination_workload"]].drop_duplicates()
    pairs = pairs[(pairs["source"] != "") & (pairs["destination_workload"] != "")]
    calls = {str(name): set(own) for name, own in pairs.groupby("source")["destination_workload"]}
    rows = []
    for name, direct in calls.items():
        found, todo = set(direct), list(direct)
        while todo:
            more = calls.get(todo.pop(), set()) - found
            found |= more
            todo += more
        rows.append((name, len(direct), len(found - {name})))
    out = pd.DataFrame(rows, columns=["source", "direct", "closure"])
    return out.sort_values(["closure", "source"], ascending=[False, True]).reset_index(drop=True)
