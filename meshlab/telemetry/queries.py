"""What is asked in PromQL by hand: the window as it is typed, and the answer as a frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.sanitize import plain
from meshlab.core.series import SeriesSet, utc_index
from meshlab.core.times import Moment
from meshlab.core.window import Span, Window
from meshlab.engines.base import Engine
from meshlab.errors import ParameterError
from meshlab.telemetry.dialects.counter_view import CounterView

__all__ = ["frame", "native_histograms", "together", "window"]

_PART: Final = "meshlab_part"
_DEFAULT_SPAN: Final = "-1h"


def window(
    engine: Engine, source: str, start: Moment, end: Moment, step: str | timedelta, *, lag_ms: int = 0
) -> Window:
    """The window to ask about: see `Mesh.window`. The present is where a store that is behind has its newest sample."""
    now, span = engine.now() - timedelta(milliseconds=lag_ms), engine.span()
    if isinstance(start, str) and not start:
        start = span[0] if span else _DEFAULT_SPAN
    asked = Window.parse(start, end, step, now=now)
    if span and (asked.end <= span[0] or asked.start >= span[1]):
        raise ParameterError(
            f"the window {asked} lies outside {plain(source)}, which holds "
            f"{span[0]:%Y-%m-%dT%H:%M:%SZ} to {span[1]:%Y-%m-%dT%H:%M:%SZ}",
            'leave start and end empty for all of it, or write times relative to its end, such as start="-5m"',
        )
    return asked


def native_histograms(views: Sequence[CounterView], span: Span) -> dict[str, str]:
    """What to do where durations are there as native histograms alone, by mesh; nothing where they are not."""
    found: dict[str, str] = {}
    for view in views:
        if view.engine.is_live and view.dialect.name not in found and (name := view.native_durations(span)):
            found[view.dialect.name] = (
                f"{name} is there as a native histogram only: keep its classic buckets as well "
                "(always_scrape_classic_histograms: true in the scrape configuration)"
            )
    return found


def together(engine: Engine, expressions: Sequence[str], at: datetime) -> list[SeriesSet]:
    """Evaluate several expressions at one instant in one query, and tell their answers apart again.

    Each must answer with an instant vector in which labels tell the series apart.
    """
    if not expressions:
        return []
    named = (f'label_replace({each}, "{_PART}", "{n}", "", "")' for n, each in enumerate(expressions))
    answer = engine.query(" or ".join(named), at)
    part = answer.labels[_PART] if _PART in answer.labels else pd.Series("", answer.labels.index)
    bare = answer.labels.drop(columns=_PART, errors="ignore")
    whole = SeriesSet(bare, answer.sid, answer.time, answer.value, answer.query)
    return [whole.only((part == str(n)).to_numpy(np.bool_)) for n in range(len(expressions))]


def frame(answer: SeriesSet, *, wide: bool) -> pd.DataFrame:
    """An answer over a window as a frame; its `Query` is in ``frame.attrs["query"]``.

    Parameters
    ----------
    answer : SeriesSet
        Of `Engine.query_range`.
    wide : bool
        One row a point of the window (``time``), one column a series, by the labels that tell them apart; NaN where a
        point is missing.
    """
    table = answer.tidy()
    if wide:
        apart = [name for name in answer.labels if answer.labels[name].nunique() > 1]
        columns = pd.MultiIndex.from_frame(answer.labels[apart]) if apart else pd.Index(["value"][: len(answer)])
        table = pd.DataFrame({"sid": answer.sid, "time": utc_index(answer.time), "value": answer.value})
        table = table.pivot(index="time", columns="sid", values="value").reindex(columns=range(len(answer)))
        asked = answer.query.window
        if isinstance(asked, Window):
            table = table.reindex(utc_index(asked.grid()).rename("time"))
        table.columns = columns
    table.attrs["query"] = answer.query
    return table
