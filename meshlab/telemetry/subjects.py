"""Which services a store knows, and by which names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pandas as pd

from meshlab.core.subject import IDENTITY, Subject
from meshlab.core.window import Span
from meshlab.engines.base import Engine
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.counter_view import CounterView

__all__ = ["combinations", "known_span", "where"]


def where(subject: Subject) -> list[Condition]:
    """Conditions that select one subject, whatever the mesh."""
    values = ((subject.cluster,), (subject.namespace,), subject.services)
    return [Condition(word, value) for word, value in zip(IDENTITY, values, strict=True)]


def combinations(views: Sequence[CounterView], subject: Subject, span: Span, words: Sequence[str]) -> pd.DataFrame:
    """All combinations of some words that the store has ever known of a service; the columns are the words."""
    frames = [pd.DataFrame(columns=list(words), dtype=str)]
    for view in views:
        table = view.combinations(where(subject), tuple(dict.fromkeys((*words, *IDENTITY))), span)
        frames.append(table.loc[subject.mask(table), list(words)])
    return pd.concat(frames).drop_duplicates().sort_values(list(words)).reset_index(drop=True)


def known_span(engine: Engine, span: Span) -> Span:
    """Where a name counts as known: a recording's whole span, or the day before a live span's end."""
    first, last = engine.span() or (span.end - timedelta(days=1), span.end)
    minute = timedelta(minutes=1)
    return Span.between(min(first, span.start) - minute, max(last, span.end) + minute)
