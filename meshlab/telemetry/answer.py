"""A frame, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from meshlab.core.series import Query
from meshlab.core.window import Span

__all__ = ["Answer", "joined_query"]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A frame, and the query that it came from.

    Parameters
    ----------
    frame : DataFrame
        Columns as the method says.
    query : Query
        With its completeness; several queries are joined into one.
    """

    frame: pd.DataFrame
    query: Query

    @property
    def empty(self) -> bool:
        """Whether there is no row."""
        return self.frame.empty


def joined_query(queries: Sequence[Query], span: Span) -> Query:
    """Several queries as one that can be typed; none at all where no mesh reports this side."""
    if not queries:
        return Query(promql="", engine="", window=span)
    if len(queries) == 1:
        return queries[0]
    return replace(
        queries[0],
        promql=" or ".join(query.promql for query in queries),
        warnings=tuple(dict.fromkeys(text for query in queries for text in query.warnings)),
        infos=tuple(dict.fromkeys(text for query in queries for text in query.infos)),
        points_expected=sum(query.points_expected for query in queries),
        points_got=sum(query.points_got for query in queries),
        failed=tuple(text for query in queries for text in query.failed),
        # A link to one of several would prove a part only.
        link="",
    )
