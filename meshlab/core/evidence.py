"""What a question collected, before anything is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from meshlab.core.counts import Counts
from meshlab.core.series import Query
from meshlab.core.subject import Subject
from meshlab.core.window import Window

__all__ = ["Evidence", "Missing"]


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that this mesh does not export.

    Parameters
    ----------
    what : str
        What is missing, such as ``request durations``.
    remedy : str
        How to switch it on.
    """

    what: str
    remedy: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """All that a question asked the mesh, for every subject in scope.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        What was scraped or looked up, by name; a missing row is a missing point, never a zero.
    counts : mapping of str to Counts
        What was counted in blocks of time, by name.
    window : Window
        The span asked about.
    subjects : tuple of Subject
        The services that were asked about by name; empty when it was all of them.
    source : str
        What answered: free of secrets and paths.
    queries : mapping of str to Query
        The query behind each frame, with its completeness.
    missing : mapping of str to Missing
        What could not be asked, by the name of the frame it would have made.
    block_ms : int
        Length of a block, milliseconds; 0 where nothing is counted in blocks.
    facts : object or None
        What the question found out while it asked, as its own type.
    documents : mapping of str to object
        The files that were given, read.
    store : mapping of str to str
        What was found out about the store, for people: a few words by name.
    store_doubts : tuple of str
        Why the store's answers may not be whole, whatever it is asked.
    """

    frames: Mapping[str, pd.DataFrame]
    window: Window
    source: str
    subjects: tuple[Subject, ...] = ()
    queries: Mapping[str, Query] = field(default_factory=dict)
    missing: Mapping[str, Missing] = field(default_factory=dict)
    block_ms: int = 0
    facts: Any = None
    documents: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, Counts] = field(default_factory=dict)
    store: Mapping[str, str] = field(default_factory=dict)
    store_doubts: tuple[str, ...] = ()

    @property
    def doubts(self) -> tuple[str, ...]:
        """What speaks against the evidence being whole: the store's own warnings, and answers that came in part."""
        asked = (text for query in self.queries.values() for text in query.doubts)
        return tuple(dict.fromkeys((*self.store_doubts, *asked)))
