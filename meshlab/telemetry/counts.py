"""Requests of several meshes and sides as one: in blocks of time, at points of a grid, and over a span."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
import pandas as pd

from meshlab.core.blocks import BlockGrid
from meshlab.core.counts import Counts
from meshlab.core.series import Query
from meshlab.core.window import Span, Window
from meshlab.telemetry.answer import Answer, joined_query
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.counter_view import CounterView
from meshlab.telemetry.dialects.dialect import Where
from meshlab.telemetry.dialects.identity import NAMES

__all__ = ["in_blocks", "rates", "restarts", "services", "totals"]

_HOST: Final = "destination_host"

Views = Sequence[CounterView]


def in_blocks(
    ask: Callable[[CounterView, BlockGrid], Counts],
    views: Iterable[CounterView],
    words: Sequence[str],
    span: Span,
    block_ms: int,
    quantity: str = "count",
) -> Counts:
    """Counts of several views as one.

    Parameters
    ----------
    ask : callable
        What is counted.
    views : iterable of CounterView
    words : sequence of str
        The labels of an answer from nobody.
    span : Span
        Blocks are counted from its start, and a last one that would reach beyond it is left out.
    block_ms : int
        Length of a block, milliseconds.
    quantity : str
    """
    grid = BlockGrid.over(span, block_ms)
    parts = [ask(view, grid) for view in views] or [Counts.none(words, grid, quantity=quantity)]
    queries = [part.query for part in parts if part.query.promql]
    return Counts.joined(parts, joined_query(queries, span))


def rates(views: Iterable[CounterView], window: Window, by: Sequence[str], where: Where) -> Answer:
    """Requests a second at every point of a grid: the words, ``time`` and ``rate_per_s``."""
    answers = [view.rates(window, by, where) for view in views]
    frame = _added([frame for frame, _ in answers], [*by, "time"], "value").rename(columns={"value": "rate_per_s"})
    return Answer(frame, joined_query([query for _, query in answers], window))


def restarts(views: Iterable[CounterView], span: Span, by: Sequence[str], where: Where) -> Answer:
    """How often proxies were started anew: the words and ``restarts`` (int64)."""
    answers = [view.restarts(span, by, where) for view in views]
    frame = _added([frame for frame, _ in answers], list(by), "restarts").astype({"restarts": np.int64})
    return Answer(frame, joined_query([query for _, query in answers], span))


def totals(views: Views, span: Span, words: Sequence[str], where: Where) -> Answer:
    """Requests over a span, of the side that counted more: the words and ``requests``, the busiest first."""
    sides, query = _sides(views, span, words, where)
    return Answer(_larger(sides, list(words)), query)


def services(views: Views, span: Span) -> Answer:
    """As `totals`, of every service and workload, with the busiest host that either side knows for it."""
    sides, query = _sides(views, span, NAMES, ())
    keys = [word for word in NAMES if word != _HOST]
    every = pd.concat(sides)
    hosts = every[every[_HOST] != ""].sort_values("value").drop_duplicates(keys, keep="last")
    table = _larger(sides, keys).merge(hosts[[*keys, _HOST]], on=keys, how="left").fillna({_HOST: ""})
    return Answer(table[[*NAMES, "requests"]], query)


def _sides(views: Views, span: Span, words: Sequence[str], where: Where) -> tuple[list[pd.DataFrame], Query]:
    """The words and ``value`` of each side."""
    answers = [(view.reporter, *view.totals(span, words, where)) for view in views]
    sides = [_added([f for side, f, _ in answers if side is reporter], list(words), "value") for reporter in Reporter]
    return sides, joined_query([query for _, _, query in answers], span)


def _larger(sides: Sequence[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """The larger of the sides' sums, the largest first: the keys and ``requests``."""
    sums = pd.concat([side.groupby(keys)["value"].sum().reset_index() for side in sides if len(side)] or sides[:1])
    table = sums.groupby(keys)["value"].max().reset_index(name="requests")
    order = [False] + [True] * len(keys)
    return table.sort_values(["requests", *keys], ascending=order).reset_index(drop=True)


def _added(frames: Sequence[pd.DataFrame], keys: list[str], value: str) -> pd.DataFrame:
    """Frames of several counters as one: what has the same keys is added up."""
    held = [frame[[*keys, value]] for frame in frames if len(frame)]
    if not held:
        return pd.DataFrame({**{key: pd.Series(dtype=str) for key in keys}, value: pd.Series(dtype=np.float64)})
    return pd.concat(held, ignore_index=True).groupby(keys, sort=True)[value].sum().reset_index()
