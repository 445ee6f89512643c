"""One counter of one side of one mesh: from what an engine answers to frames in the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.selector import Matcher
from meshlab.core.series import SeriesSet
from meshlab.core.window import Window
from meshlab.engines.base import Engine
from meshlab.stats.counters import increments, resets
from meshlab.telemetry.dialects import identity, replicas, reporters
from meshlab.telemetry.dialects.base import Reporter
from meshlab.telemetry.dialects.columns import Condition
from meshlab.telemetry.dialects.dialect import Dialect, Family, View, Where

__all__ = ["Part"]

_RECENT_MS: Final = 3_600_000
"""How far back a server is asked for names that are not known beforehand."""

_DENSE: Final = 8
"""Cells of a table of groups and blocks, for each increment, up to which the table is made."""

Services = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Part:
    """One counter of one side of one mesh.

    Parameters
    ----------
    engine : Engine
    dialect : Dialect
    reporter : Reporter
    family : Family
    """

    engine: Engine
    dialect: Dialect
    reporter: Reporter
    family: Family
    _services: dict[Window, Services] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def view(self) -> View:
        """The side that it belongs to."""
        return self.dialect.views[self.reporter]

    def needed(self, by: Sequence[str], where: Where) -> tuple[str, ...]:
        """All words without which an answer can be neither filtered nor counted once."""
        asked = (w.word for w in where if isinstance(w, Condition))
        words = tuple(dict.fromkeys((*by, *asked, *reporters.words(self.view))))
        if (self.view.service_from_source or self.view.fallback_to_workload) and "destination_service" in words:
            words = tuple(dict.fromkeys((*words, "destination_namespace", "destination_workload")))
        return words

    def named(self, labels: pd.DataFrame, words: Sequence[str], window: Window) -> pd.DataFrame:
        """The columns of the vocabulary for a label table; shape (rows, words)."""
        named = self.family.named(labels, self.needed(words, ()))
        if "destination_service" in words:
            if self.view.service_from_source:
                named["destination_service"] = identity.with_services(named, self.services(window))
            elif self.view.fallback_to_workload and (nameless := named["destination_service"] == "").any():
                named.loc[nameless, "destination_service"] = identity.with_services(
                    named[nameless], self.services(window)
                )
        return named[list(words)]

    def asked(self, where: Where, window: Window) -> Where:
        """Conditions as this side can be asked: for services where it knows workloads, for their workloads."""
        asked: list[Condition | Matcher] = []
        for condition in where:
            if not isinstance(condition, Condition) or condition.word != "destination_service":
                pass
            elif self.view.fallback_to_workload:
                condition = Condition(condition.word, (*condition.values, ""))
            elif self.view.service_from_source:
                behind = {w for (_, w), s in self.services(window).items() if s in condition.values}
                condition = Condition("destination_workload", tuple(sorted({*behind, *condition.values})))
            asked.append(condition)
        return asked

    def services(self, window: Window) -> Services:
        """The service of each workload by namespace and workload, as the callers' side tells; asked once."""
        if window not in self._services:
            words = ("destination_namespace", "destination_workload", "destination_service")
            frames = [pd.DataFrame(columns=list(words), dtype=str)]
            for family in self.dialect.families(Reporter.SOURCE):
                frames.append(family.named(self._everybody(family, words, window), words))
            self._services[window] = identity.services_of(pd.concat(frames))
        return self._services[window]

    def seen(self, where: Where, words: Sequence[str], window: Window) -> pd.DataFrame:
        """Combinations of words of the counters in a store; conditions that it cannot be asked are left open."""
        selected = self.dialect.counts(self.family, self.asked(where, window))
        return self.named(self.engine.series(selected, window).labels, words, window).drop_duplicates()

    def everybody(self, words: Sequence[str], window: Window) -> pd.DataFrame:
        """Combinations of words of all counters (a server: of the last hour)."""
        return self.named(self._everybody(self.family, words, window), words, window).drop_duplicates()

    def summed(self, answer: SeriesSet, words: Sequence[str], where: Where, window: Window) -> pd.DataFrame:
        """The tidy frame of an answer that the engine has summed: filtered, and no request counted twice.

        Parameters
        ----------
        answer : SeriesSet
            Of `Dialect.rate` or `Dialect.increase` by `words`.
        words : sequence of str
            What `needed` said.
        where : sequence of Condition or Matcher
        window : Window

        Returns
        -------
        DataFrame
            The words, ``time`` and ``value``.
        """
        named = self.named(answer.labels, words, window)
        keep = _fulfilled(named, where)
        if self.view.preferred:
            total = np.bincount(answer.sid, np.nan_to_num(answer.value), len(answer.labels))
            keep &= reporters.believed(named, pd.Series(total, named.index), self.view)
        rows = keep.to_numpy(np.bool_)[answer.sid]
        frame = named.iloc[answer.sid[rows]].reset_index(drop=True)
        frame["time"] = pd.DatetimeIndex(answer.time[rows].astype("datetime64[ms]")).tz_localize("UTC")
        frame["value"] = answer.value[rows]
        return frame

    def counted(
        self, raw: SeriesSet, window: Window, by: Sequence[str], where: Where, block_ms: int, extra: str | None
    ) -> pd.DataFrame:
        """Increments of raw counters in blocks of time, no request counted twice.

        Parameters
        ----------
        raw : SeriesSet
            Samples of the window, and of the look-back before it.
        window : Window
        by : sequence of str
        where : sequence of Condition or Matcher
        block_ms : int
        extra : str or None
            ``le`` for the buckets of a histogram.

        Returns
        -------
        DataFrame
            The words of `by`, ``le`` (milliseconds) if asked for, ``block`` and ``count``, sorted and summed.
        """
        groups, sid, block, rise = self._risen(raw, window, by, where, block_ms)
        if extra is not None:
            # Prometheus 2 writes le="1", Prometheus 3 le="1.0": the number is what counts.
            edges = raw.labels[extra].astype(np.float64) if len(raw) else pd.Series(dtype=np.float64)
            groups = groups.assign(**{extra: edges * self.family.unit_ms})
        # Exact: a double holds every count up to 2**53.
        return _summed(groups, sid, block, np.rint(rise)).astype({"count": np.int64})

    def timed(self, raw: SeriesSet, window: Window, by: Sequence[str], where: Where, block_ms: int) -> pd.DataFrame:
        """As `counted`, of the sums of durations; ``count`` is in milliseconds (float64)."""
        groups, sid, block, rise = self._risen(raw, window, by, where, block_ms)
        return _summed(groups, sid, block, rise * self.family.unit_ms)

    def _risen(
        self, raw: SeriesSet, window: Window, by: Sequence[str], where: Where, block_ms: int
    ) -> tuple[pd.DataFrame, NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
        """The words of each series, and what each rose by in which block, no request counted twice."""
        sid, time_ms, rise = increments(raw.sid, raw.time.astype(np.int64), raw.value, self._targets(raw))
        block = (time_ms - window.start_ms - 1) // block_ms
        keep = (time_ms > window.start_ms) & (block < (window.end_ms - window.start_ms) // block_ms)
        groups = self.named(raw.labels, self.needed(by, where), window)
        counts = _fulfilled(groups, where)
        if self.view.preferred:
            total = np.bincount(sid[keep], rise[keep], len(raw))
            counts &= reporters.believed(groups, pd.Series(total, groups.index), self.view)
        keep &= counts.to_numpy(np.bool_)[sid]
        return groups[list(by)], sid[keep], block[keep], rise[keep]

    def restarted(self, raw: SeriesSet, window: Window, by: Sequence[str], where: Where) -> pd.DataFrame:
        """How often counters fell, by the words; a process has many counters, and the one that fell most often counts.

        Returns
        -------
        DataFrame
            The words of `by` and ``restarts``.
        """
        groups = self.named(raw.labels, self.needed(by, where), window)
        groups = groups.assign(restarts=resets(raw.sid, raw.value, len(raw)))
        groups = groups[_fulfilled(groups, where)]
        return groups.groupby(list(by), sort=True)["restarts"].max().reset_index()

    def single(self, raw: SeriesSet, source: str) -> SeriesSet:
        """Raw counters with one replica of each.

        Raises
        ------
        ParameterError
            There are replicas, and the options do not name their label.
        """
        label = self.dialect.options.replica_label
        if label:
            return replicas.without_replicas(raw, label, self.dialect.owns)
        if label := replicas.replica_label(raw, self.dialect.owns):
            raise replicas.doubled(source, label)
        return raw

    def glance(self, where: Where, window: Window, source: str) -> None:
        """Look at a few of the largest counters for replicas, before the engine sums them all.

        Raises
        ------
        ParameterError
            There are replicas, and the options do not name their label.
        """
        if not self.dialect.options.replica_label:
            selected = self.dialect.counts(self.family, self.asked(where, window))
            if label := replicas.glance(self.engine, selected, window, self.dialect.owns, self.dialect.options.forced):
                raise replicas.doubled(source, label)

    def _everybody(self, family: Family, words: Sequence[str], window: Window) -> pd.DataFrame:
        """Labels of all counters: a server groups them, because a big store's series are too many to look through."""
        if not self.engine.is_live:
            return self.engine.series(self.dialect.counts(family, ()), window).labels
        asked = self.dialect.seen(family, words, min(window.end_ms - window.start_ms, _RECENT_MS))
        return self.engine.query(asked, window.end).labels

    def _targets(self, raw: SeriesSet) -> NDArray[np.int64]:
        """Number of the scraped target of each series; shape (series,)."""
        labels = [c for c in raw.labels.columns if not self.dialect.owns(str(c))]
        if not labels or not len(raw):
            return np.zeros(len(raw), np.int64)
        return raw.labels.groupby(labels, sort=False).ngroup().to_numpy().astype(np.int64)


def _summed(
    groups: pd.DataFrame, sid: NDArray[np.int32], block: NDArray[np.int64], rise: NDArray[np.float64]
) -> pd.DataFrame:
    """Increments of series summed by what their groups have in common, and by block.

    Text is looked at once a series and not once an increment: there are hundreds of times as many of those.
    """
    columns = list(groups.columns)
    number = (
        groups.groupby(columns, sort=True).ngroup().to_numpy() if columns else np.zeros(len(groups), np.int64)
    ).astype(np.int64)
    blocks = int(block.max()) + 1 if len(block) else 1
    key = number[sid] * blocks + block
    if len(number) * blocks <= _DENSE * max(len(key), 1):
        keys = np.flatnonzero(np.bincount(key))
        sums = np.bincount(key, rise)[keys]
    else:
        keys, at = np.unique(key, return_inverse=True)
        sums = np.bincount(at, rise)
    first = np.zeros(int(number.max()) + 1 if len(number) else 0, np.int64)
    first[number[::-1]] = np.arange(len(number))[::-1]
    frame = groups.iloc[first[keys // blocks]].reset_index(drop=True)
    frame["block"] = keys % blocks
    frame["count"] = sums
    return frame


def _fulfilled(frame: pd.DataFrame, where: Where) -> pd.Series[bool]:
    keep = pd.Series(True, frame.index)
    for condition in where:
        if isinstance(condition, Condition):
            keep &= condition.mask(frame)
    return keep
