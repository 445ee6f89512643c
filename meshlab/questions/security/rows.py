"""Rows of a table, and their names, for those who write findings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd

from meshlab.core.sanitize import plain

__all__ = ["MOST", "each_row", "edge_name", "place_name", "shown"]

MOST: Final = 10
"""Findings of one code: the rest is in the tables."""

_LONGEST: Final = 63
"""Of a name of Kubernetes; what is longer is cut where people read it, and whole in the tables."""


def each_row(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows by the names of their columns."""
    yield from frame.itertuples(name="Row")


def shown(name: object, most: int = _LONGEST) -> str:
    """A name in one line that has an end: a label may be as long as a book, and a result has its limit."""
    line = plain(name)
    # As the result is written: what is no ASCII takes six characters there.
    if len(json.dumps(line)) - 2 <= most:
        return line
    sizes = np.cumsum([len(json.dumps(letter)) - 2 for letter in line[:most]])
    return line[: int(np.searchsorted(sizes, most - 6, side="right"))] + "…"


def place_name(*parts: str) -> str:
    """Cluster, namespace and workload (or pod) for people."""
    return "/".join(shown(part or "-") for part in parts)


def edge_name(row: Any) -> str:
    """An edge for people."""
    called = row.destination_workload or row.destination_service
    place = place_name(row.destination_cluster, row.destination_namespace, called)
    return f"{shown(row.source or '(unknown)')} → {place}"
