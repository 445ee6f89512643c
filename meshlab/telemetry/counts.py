"""Requests of several meshes and sides as one: in blocks of time, at points of a grid, and over a span."""

from __future__ import annotations

from collections.abc import Sequence
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

__all__ = ["both_totals", "durations", "latency_buckets", "rates", "request_counts", "restarts", "services", "totals"]

_HOST: Final = "destination_host"

Views = Sequence[CounterView]


def request_counts(views: Views, span: Span, by: Sequence[str], where: Where, block_ms: int) -> Counts:
    """Requests in blocks of time; see `Mesh.request_counts`."""
    grid = BlockGrid.over(span, block_ms)
    return _joined([view.request_counts(span, by, where, grid) for view in views], Counts.none(by, grid), span)


def latency_buckets(views: Views, span: Span, by: Sequence[str], where: Where, block_ms: int) -> Counts:
    """Requests by duration in blocks of time; see `Mesh.latency_buckets`."""
    grid = BlockGrid.over(span, block_ms)
    parts = [view.latency_buckets(span, by, where, grid) for view in views if view.family.durations]
    return _joined(parts, Counts.none([*by, "le"], grid), span)


def durations(views: Views, span: Span, by: Sequence[str], where: Where, block_ms: int) -> Counts:
    """How long requests took together, in blocks of time; see `Mesh.durations`."""
    grid = BlockGrid.over(span, block_ms)
    parts = [view.durations(span, by, where, grid) for view in views if view.family.durations]
    return _joined(parts, Counts.none(by, grid, quantity="sum_ms"), span)


def _joined(parts: Sequence[Counts], nothing: Counts, span: Span) -> Counts:
    return Counts.joined(parts or [nothing], joined_query([part.query for part in parts], span))


def rates(views: Views, window: Window, by: Sequence[str], where: Where) -> Answer:
    """Requests a second at every point of a grid: the words, ``time`` and ``rate_per_s``."""
    answers = [view.rates(window, by, where) for view in views]
    frame = _added([frame for frame, _ in answers], [*by, "time"], "value").rename(columns={"value": "rate_per_s"})
    return Answer(frame, joined_query([query for _, query in answers], window))


def restarts(views: Views, span: Span, by: Sequence[str], where: Where) -> Answer:
    """How often proxies were started anew: the words and ``restarts`` (int64)."""
    answers = [view.restarts(span, by, where) for view in views]
    frame = _added([frame for frame, _ in answers], list(by), "restarts").astype({"restarts": np.int64})
    return Answer(frame, joined_query([query for _, query in answers], span))


def totals(views: Views, span: Span, words: Sequence[str], where: Where) -> Answer:
    """Requests over a span, of the side that counted more: the words and ``requests``, the busiest first."""
    sides, query = _sides(views, span, words, where)
    return Answer(_larger(sides, list(words)), query)


def both_totals(views: Views, span: Span, words: Sequence[str]) -> tuple[dict[Reporter, pd.DataFrame], Query]:
    """Requests over a span, of each side (the words and ``requests``), and what was asked."""
    sides, query = _sides(views, span, words, ())
    named = (side.rename(columns={"value": "requests"}) for side in sides)
    return dict(zip(Reporter, named, strict=True)), query


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
