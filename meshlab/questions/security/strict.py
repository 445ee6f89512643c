"""What would break if only mutual TLS were accepted, from the history alone."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from meshlab.questions.security.tables import TABLES
from meshlab.questions.security.traffic import EDGE, Traffic

__all__ = ["blind_spots", "breaks", "workloads"]

_BLIND: Final = (
    "Telemetry cannot see ports that the proxy leaves out, health probes that bypass it, pods without a proxy, and "
    "jobs rarer than the window is long"
)


def breaks(found: pd.DataFrame, table: Traffic, seconds: float) -> pd.DataFrame:
    """The edges that STRICT would break or would have broken in a window of some seconds: the table ``strict``."""
    broken = found[found["plaintext"] > 0]
    broken = broken.assign(port=_ports(broken, table.labels), per_s=broken["plaintext"] / seconds)
    order = broken.sort_values(["now", "per_s", *EDGE], ascending=[False, False] + [True] * len(EDGE))
    return TABLES["strict"].pick(order)


def _ports(broken: pd.DataFrame, labels: pd.DataFrame) -> list[str]:
    """The ports that plaintext came to, of each edge."""
    keys = [*EDGE, "unit"]
    plain = labels[(labels["state"] == "plaintext") & ~labels["exposed"] & (labels["destination_port"] != "")]
    some = {key: ", ".join(sorted(set(own), key=_number)) for key, own in plain.groupby(keys)["destination_port"]}
    return [some.get(key, "not exported") for key in broken[keys].itertuples(index=False, name=None)]


def _number(port: str) -> tuple[int, str]:
    return (int(port), port) if port.isdecimal() else (0, port)


def workloads(found: pd.DataFrame) -> pd.DataFrame:
    """What switching each workload to STRICT would do: the table ``strict_workloads``.

    Safe, unsafe, or unknown: nobody looked at its traffic.
    """
    groups = found.groupby(["destination_workload", "destination_namespace", "destination_cluster"], sort=True)
    table = groups[["mtls", "unverified"]].sum()
    table["callers"] = groups.size()
    table["now"] = groups["now"].any()
    table["last_plaintext"] = groups["last_plaintext"].max()
    table["strict"] = np.select([table["now"], table["unverified"] > 0], ["unsafe", "unknown"], "safe")
    # Nothing but plaintext, and none of late: nobody has shown that its callers can do better.
    table.loc[(table["strict"] == "safe") & (table["mtls"] == 0), "strict"] = "unknown"
    return TABLES["strict_workloads"].pick(table.reset_index())


def blind_spots(table: Traffic) -> str:
    """What this dry run could not see, in words: what never is in telemetry, and what this mesh does not export."""
    labels, more = table.labels, [_BLIND]
    if not (labels["destination_port"] != "").any():
        more.append("ports are not exported, so a port that must stay open cannot be distinguished from the others")
    if not labels["unit"].isin(["connections", "bytes"]).any():
        more.append("TCP without requests is not exported, or there was none")
    return "; ".join(more)
