"""Since when targets are scraped, as `up` tells: asked where it matters, and kept for each span."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.counts import group_rows
from meshlab.core.selector import Matcher, one_of, selector
from meshlab.core.series import SeriesSet
from meshlab.core.window import Span
from meshlab.engines.base import LOOKBACK_MS, Engine
from meshlab.telemetry.targets import PODS, Targets, first_times

__all__ = ["Scrapes"]

_IDENTITY: Final = ("instance", *PODS)
"""Labels by one of which a target can be asked for."""
_MOST: Final = 200
"""Targets that are asked for by name; of more, all are asked for."""
_SAME_SCRAPE_MS: Final = 1_000
_NEVER: Final = np.iinfo(np.int64).max

Ints = NDArray[np.int64]
Others = Callable[[Matcher | None], Sequence[str]]
"""Selectors of other series of some targets, for a store that holds no `up`; None: of all targets."""


@dataclass(slots=True)
class _Kept:
    """What was asked of one span."""

    labels: list[str] = field(default_factory=list)
    asked: set[tuple[str, str]] = field(default_factory=set)
    table: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, slots=True)
class Scrapes:
    """When targets of an engine were scraped.

    A target that was scraped without a counter, and then with it, tells that the counter rose from zero. The series
    that a question selects do not say when their target was first scraped: another code, version or service may have
    been there long before. `up` does, whatever is selected.

    Parameters
    ----------
    engine : Engine
    forced : tuple of Matcher
        What must stand in every selector.
    replica_label : str
        Tells replicas of Prometheus apart: a target was scraped as soon as one of them did.
    """

    engine: Engine
    forced: tuple[Matcher, ...] = ()
    replica_label: str = ""
    _kept: dict[tuple[str, Span], _Kept] = field(default_factory=dict, init=False, repr=False, compare=False)

    def targets(self, known: Targets, span: Span, others: Others) -> Targets:
        """The same targets, with the moment since which each was scraped.

        Asks nothing where every series either began before the span or stands beside an earlier one of its target.

        Parameters
        ----------
        known : Targets
            Of samples with the look-back before the span.
        span : Span
        others : function of Matcher to sequence of str
        """
        raw, first = known.raw, first_times(known.raw)
        late = (first > span.start_ms) & (first <= known.since) & (first < _NEVER)
        if not late.any():
            return known
        numbers, at = np.unique(known.number[late], return_index=True)
        rows = np.flatnonzero(late)[at]
        table = raw.labels.iloc[rows][list(known.names)].reset_index(drop=True)
        since = self._since(table, span, others)
        earliest = np.full(int(known.number.max()) + 1, _NEVER)
        earliest[numbers] = np.where(since < first[rows] - _SAME_SCRAPE_MS, since, _NEVER)
        return replace(known, since=np.minimum(known.since, earliest[known.number]))

    def counts(self, table: pd.DataFrame, span: Span) -> Ints:
        """How many scrapes of each target (one row of labels) `up` knows of; 0: nothing is known; shape (rows,)."""
        return _joined(table, self._ups(table, span), "scrapes", largest=True, nothing=0)

    def _since(self, table: pd.DataFrame, span: Span, others: Others) -> Ints:
        """When each target was first scraped; never, where nothing tells."""
        # A target that several scrapes could belong to is as young as the youngest.
        since = _joined(table, self._ups(table, span), "first", largest=True, nothing=_NEVER)
        if (missing := since == _NEVER).any():
            rest = table[missing].reset_index(drop=True)
            since[missing] = _joined(rest, self._others(rest, span, others), "first", largest=False, nothing=_NEVER)
        return since

    def _ups(self, table: pd.DataFrame, span: Span) -> pd.DataFrame:
        def ask(matcher: Matcher | None) -> Sequence[str]:
            return (selector("up", *([matcher] if matcher else []), forced=self.forced),)

        return self._asked("up", table[_named(table)], span, ask, up=True)

    def _others(self, table: pd.DataFrame, span: Span, others: Others) -> pd.DataFrame:
        def ask(matcher: Matcher | None) -> Sequence[str]:
            if matcher is not None and not self.engine.is_live:
                return (selector("", matcher, forced=self.forced),)
            return others(matcher)

        # A server is never asked for all counters that it holds.
        asked = table[_named(table)] if self.engine.is_live else table
        return self._asked("|".join(others(None)), asked, span, ask, up=False)

    def _asked(
        self, what: str, table: pd.DataFrame, span: Span, ask: Callable[[Matcher | None], Sequence[str]], *, up: bool
    ) -> pd.DataFrame:
        """Labels, ``first`` and ``scrapes`` of the series that were asked for, those of earlier questions included."""
        kept = self._kept.setdefault((what, span), _Kept())
        wanted = _wanted(table) - kept.asked
        if not wanted or ("", "") in kept.asked:
            return kept.table
        matchers: list[Matcher | None] = [None]
        if len(wanted) <= _MOST and ("", "") not in wanted:
            names = sorted({name for name, _ in wanted})
            matchers = [one_of(name, sorted(value for n, value in wanted if n == name)) for name in names]
        else:
            wanted = {("", "")}
        frames = [kept.table] if len(kept.table) else []
        for matcher in matchers:
            for selected in ask(matcher):
                frames.append(_times(self.engine.samples(selected, span.with_lead(LOOKBACK_MS)), up=up))
        labelled = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
        names = [c for c in labelled.columns if c not in ("first", "scrapes")]
        kept.table = labelled.fillna(dict.fromkeys(names, "")).drop_duplicates(ignore_index=True)
        if self.replica_label in names:
            rest = [name for name in names if name != self.replica_label]
            each = kept.table.groupby(rest, sort=False)
            kept.table = each.agg({"first": "min", "scrapes": "max"}).reset_index()
        kept.asked |= wanted
        return kept.table


def _named(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows have an address or a pod, by which they can be distinguished from others."""
    return (table[[name for name in _IDENTITY if name in table]] != "").any(axis=1).to_numpy(np.bool_)


def _wanted(table: pd.DataFrame) -> set[tuple[str, str]]:
    """A label and its value for each target: by which it is asked for; two empty texts where nothing names it."""
    wanted: set[tuple[str, str]] = set()
    left = np.ones(len(table), np.bool_)
    for name in _IDENTITY:
        if name in table:
            mine = left & (table[name] != "").to_numpy(np.bool_)
            wanted |= {(name, str(value)) for value in table.loc[mine, name].unique()}
            left &= ~mine
    return wanted | ({("", "")} if left.any() else set())


def _times(found: SeriesSet, *, up: bool) -> pd.DataFrame:
    """Labels, ``first`` and ``scrapes`` of each series; of `up` only the scrapes that succeeded."""
    rows = found.value > 0 if up else np.ones(len(found.sid), np.bool_)
    sid, time = found.sid[rows], found.time.astype("datetime64[ms]").view(np.int64)[rows]
    first, scrapes = np.full(len(found), _NEVER), np.bincount(sid, minlength=len(found))
    np.minimum.at(first, sid, time)
    table = found.labels.drop(columns="__name__", errors="ignore").assign(first=first, scrapes=scrapes)
    return table[scrapes > 0].reset_index(drop=True)


def _joined(table: pd.DataFrame, found: pd.DataFrame, what: str, *, largest: bool, nothing: int) -> Ints:
    """A number for each target from the series that carry the same labels, as far as both carry them."""
    values = np.full(len(table), nothing, np.int64)
    if not len(found) or not len(table):
        return values
    held = [name for name in table.columns if name in found]
    carried = np.asarray(table[held] != "", np.bool_).reshape(len(table), len(held))
    named, theirs_named = _named(table), _named(found)
    for pattern in np.unique(np.c_[carried, named], axis=0):
        rows = np.flatnonzero((np.c_[carried, named] == pattern).all(axis=1))
        names = [name for name, there in zip(held, pattern[:-1], strict=True) if there]
        if pattern[-1] and not set(names) & set(_IDENTITY):
            continue
        # What has neither address nor pod is known by what has none either.
        other = found if pattern[-1] else found[~theirs_named]
        both = pd.concat([table.iloc[rows][names], other[names]], ignore_index=True)
        number = group_rows(both)[0] if names else np.zeros(len(rows) + len(other), np.int64)
        mine, theirs = number[: len(rows)], number[len(rows) :]
        best = np.full(int(number.max()) + 1, -1 if largest else _NEVER)
        (np.maximum if largest else np.minimum).at(best, theirs, other[what].to_numpy(np.int64))
        known = np.isin(mine, theirs)
        values[rows[known]] = best[mine[known]]
    return values
