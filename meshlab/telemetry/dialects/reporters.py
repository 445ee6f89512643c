"""Who is believed when several proxies report the same requests: the one place for that rule."""

from __future__ import annotations

from typing import Final

import pandas as pd

from meshlab.telemetry.dialects.dialect import View

__all__ = ["EDGE", "believed", "words"]

EDGE: Final = (
    "source_namespace",
    "source",
    "destination_cluster",
    "destination_namespace",
    "destination_service",
)
"""The words that tell one edge from another: a calling workload and a called service."""


def words(view: View) -> tuple[str, ...]:
    """The words that `believed` needs of a view: none where each edge is reported once."""
    return (*EDGE, "reporter") if view.preferred else ()


def believed(table: pd.DataFrame, counted: pd.Series[float], view: View) -> pd.Series[bool]:
    """Which rows count, so that no request counts twice.

    Of each edge, the rows of the most believed reporter that counted any request on it. A reporter that is there but
    counted nothing is passed over: the traffic takes another way.

    Parameters
    ----------
    table : DataFrame
        With the words of `words`.
    counted : Series, shape (rows,)
        Requests of each row, over the whole window.
    view : View
        Its `preferred` reporters.
    """
    if not view.preferred or table.empty:
        return pd.Series(True, table.index)
    rank = table["reporter"].map({name: i for i, name in enumerate(view.preferred)}).fillna(len(view.preferred))
    # Reports without any request come last, whoever made them.
    order = rank + (counted.groupby([table[w] for w in words(view)]).transform("sum") <= 0) * (len(view.preferred) + 1)
    best = order.groupby([table[w] for w in EDGE]).transform("min")
    return order == best
