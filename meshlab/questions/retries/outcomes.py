"""What an answer's code and flags say: answered or failed, arrived or not."""

from __future__ import annotations

from typing import Final

import pandas as pd

__all__ = ["failed", "flagged", "never_arrived"]

NEVER: Final = ("UH", "UF", "NR", "NC", "DF", "FI")
"""Flags, at the caller, of requests that reached no server: no healthy host, no connection, no route, no cluster, no
address, or aborted by a fault filter, which stands before the router and its retries."""

_GRPC: Final = frozenset({"2", "4", "8", "13", "14", "15"})
"""gRPC's own failures: unknown, deadline exceeded, resource exhausted, internal, unavailable, data loss."""


def flagged(flags: pd.Series[str], *wanted: str) -> pd.Series[bool]:
    """Whether one of some flags is among those of each row: proxies join several with commas."""
    pattern = rf"(?:^|,)\s*(?:{'|'.join(wanted)})\s*(?:,|$)"
    return flags.astype(str).str.contains(pattern, regex=True)


def failed(table: pd.DataFrame) -> pd.Series[bool]:
    """Whether a request failed: 5xx, no answer at all, or one of gRPC's own failures."""
    code, grpc = table["code"].astype(str), table["grpc_status"].astype(str)
    nothing = (code == "0") | ((code == "") & grpc.isin(["", "unknown", "-"]))
    return code.str.startswith("5") | nothing | grpc.isin(_GRPC)


def never_arrived(table: pd.DataFrame) -> pd.Series[bool]:
    """Whether a request surely reached no server."""
    return flagged(table["flags"], *NEVER)
