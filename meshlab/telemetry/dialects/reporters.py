"""Which reporter counts when several proxies report the same requests: the one place for that rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pandas as pd
from numpy.typing import ArrayLike

from meshlab.telemetry.dialects.dialect import View

__all__ = ["EDGE", "dimensions", "select_reporter"]

EDGE: Final = (
    "source_namespace",
    "source",
    "destination_cluster",
    "destination_namespace",
    "destination_service",
    "category",
)
"""The dimensions that tell one edge from another: a calling workload and a called service.

What reached nobody is an edge of its own: who was asked next knows nothing of it."""


def dimensions(view: View) -> tuple[str, ...]:
    """The dimensions that `select_reporter` needs of a view: none where each edge is reported once."""
    return (*EDGE, "reporter") if view.preferred else ()


def select_reporter(table: pd.DataFrame, counted: Callable[[], ArrayLike], view: View) -> pd.Series[bool]:
    """Which rows count, so that no request counts twice.

    Of each edge, the rows of the most preferred reporter that counted any request on it. A reporter that is there but
    counted nothing is passed over: the traffic takes another way.

    Parameters
    ----------
    table : DataFrame
        With what `dimensions` names.
    counted : callable
        Requests of each row over the whole window, shape (rows,); called only where reporters overlap.
    view : View
        Its `preferred` reporters.
    """
    edges = [table[name] for name in EDGE] if view.preferred else []
    if not edges or table.empty or (table["reporter"].groupby(edges).transform("nunique") == 1).all():
        return pd.Series(True, table.index)
    rank = table["reporter"].map({name: i for i, name in enumerate(view.preferred)}).fillna(len(view.preferred))
    # Reports without any request come last, whoever made them.
    total = pd.Series(counted(), table.index).groupby([table[name] for name in dimensions(view)]).transform("sum")
    order = rank + (total <= 0) * (len(view.preferred) + 1)
    return order == order.groupby(edges).transform("min")
