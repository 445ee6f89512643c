"""What would break if only mutual TLS were accepted, from the history alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from meshlab.questions.security.encryption import EDGE

__all__ = ["BLIND", "breaks", "workloads"]

BLIND = (
    "telemetry cannot see ports that the proxy leaves out, health probes that bypass it, pods without a proxy, and "
    "jobs that run more rarely than the window is long"
)


def breaks(found: pd.DataFrame, seconds: float) -> pd.DataFrame:
    """The edges that STRICT would break or would have broken.

    Parameters
    ----------
    found : DataFrame
        Of `encryption.edges`.
    seconds : float
        The window's length.

    Returns
    -------
    DataFrame
        `EDGE`, ``unit``, ``port`` (empty: standard metrics do not name it), ``per_s``, ``first_plaintext``,
        ``last_plaintext`` and ``now`` (false: a mended edge).
    """
    broken = found[found["plaintext"] > 0]
    table = broken[[*EDGE, "unit", "first_plaintext", "last_plaintext", "now"]].copy()
    table.insert(len(EDGE) + 1, "port", "")
    table.insert(len(EDGE) + 2, "per_s", broken["plaintext"] / seconds)
    return table.sort_values(["now", "per_s", *EDGE], ascending=[False, False] + [True] * len(EDGE)).reset_index(
        drop=True
    )


def workloads(found: pd.DataFrame) -> pd.DataFrame:
    """What switching each workload to STRICT would do: safe, unsafe, or unknown (nobody looked at its traffic).

    Returns
    -------
    DataFrame
        ``destination_workload, destination_namespace, destination_cluster``, ``callers``, ``strict`` and
        ``last_plaintext``.
    """
    keys = ["destination_workload", "destination_namespace", "destination_cluster"]
    groups = found.groupby(keys, sort=True)
    table = groups[["mtls", "unverified"]].sum()
    table["callers"] = groups.size()
    table["now"] = groups["now"].any()
    table["last_plaintext"] = groups["last_plaintext"].max()
    table["strict"] = np.select([table["now"], table["unverified"] > 0], ["unsafe", "unknown"], "safe")
    # Nothing but plain text, and none of late: nobody has shown that its callers can do better.
    table.loc[(table["strict"] == "safe") & (table["mtls"] == 0), "strict"] = "unknown"
    return table.reset_index()[[*keys, "callers", "strict", "last_plaintext"]]
