"""Rows of a table, and an edge, for those who write findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from meshlab.escape import plain

__all__ = ["MOST", "each_row", "edge_name"]

MOST: Final = 15
"""Findings of one code: the rest is in the tables."""


def each_row(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows by the names of their columns."""
    yield from frame.itertuples(name="Row")


def edge_name(row: Any) -> str:
    """An edge for people."""
    return plain(
        f"{row.source or '(unknown)'} → {row.destination_cluster or '-'}/{row.destination_namespace or '-'}/"
        f"{row.destination_workload or row.destination_service or '-'}"
    )
