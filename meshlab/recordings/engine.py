"""A recording as an engine: the embedded default, which needs no server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from meshlab.core.sanitize import plain
from meshlab.core.selector import Matcher
from meshlab.core.series import Query, SeriesSet
from meshlab.core.window import Span, Window
from meshlab.engines.base import LOOKBACK_MS
from meshlab.engines.label_tables import label_table
from meshlab.errors import BadQuery, ParameterError, RecordingError, UnsupportedQuery
from meshlab.promql.evaluate import Evaluator
from meshlab.promql.notes import Notes
from meshlab.promql.order import order
from meshlab.promql.rules import Rules
from meshlab.promql.sample_store import Resident, SampleStore
from meshlab.promql.store import Condition, Selected, Store
from meshlab.promql.syntax import is_plain_selector, parse, selector_conditions
from meshlab.promql.values import METRIC, Bools, Floats, Ints, Ranges, Scalar, Text, Vector, key
from meshlab.recordings.manifest import warnings

__all__ = ["Recording"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE: Final = 1 << 20
"""So many samples are looked at together."""


class Recording:
    """Recorded telemetry that answers PromQL.

    Parameters
    ----------
    series : SeriesSet or SampleStore
        Raw samples, sorted by series and time; stale markers as Prometheus writes them.
    manifest : mapping
        What was recorded; ``window`` is read, and what `Rules.of` reads.
    name : str
        For people.
    """

    def __init__(self, series: SeriesSet | SampleStore, manifest: Mapping[str, object], name: str) -> None:
        self._manifest = dict(manifest)
        self.name = name
        self._samples = Resident(series) if isinstance(series, SeriesSet) else series
        self.rules = Rules.of(self._manifest)
        self._store = Store(self._samples, dot_is_all=self.left_open)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a recording's folder. All of it is checked; samples of a large one are read when they are asked for.

        Raises
        ------
        RecordingError, UnsupportedQuery
            The folder is not a recording, or is damaged.
        """
        from meshlab.recordings.reader import open_folder

        samples, manifest = open_folder(folder)
        return cls(samples, manifest, folder.name)

    @classmethod
    def from_series(
        cls,
        series: Iterable[tuple[Mapping[str, str], ArrayLike, ArrayLike]],
        *,
        left_open: bool = False,
        rules: Rules | None = None,
        name: str = "memory",
    ) -> Self:
        """Build a recording in memory.

        Parameters
        ----------
        series : iterable of (labels, unix_seconds, values)
            Times ascending within a series. A NaN with Prometheus's stale bits ends the series there.
        left_open : bool
            Whether ranges follow Prometheus 3.
        rules : Rules, optional
            All that is known of the engine that the samples came from; `left_open` is then not looked at.
        name : str
            For people.

        Raises
        ------
        ParameterError
            Two series have the same labels, times and values differ in length, or times do not ascend (in whole
            milliseconds, which is all that Prometheus keeps).
        """
        rows = [(dict(w), np.asarray(t, np.float64), np.asarray(v, np.float64)) for w, t, v in series]
        stamps = [_stamps(*row) for row in rows]
        # Prometheus knows no empty label: with one or without it, a series is the same.
        if len({key({n: v for n, v in who.items() if v}) for who, _, _ in rows}) < len(rows):
            raise ParameterError(
                "two series have the same labels", "join their samples, or give each a label of its own"
            )
        labels, order = label_table([row[0] for row in rows])
        sid = np.repeat(np.arange(len(rows), dtype=np.int32), [len(stamps[i]) for i in order])
        time = np.concatenate([stamps[i] for i in order]) if rows else np.empty(0, np.int64)
        value = np.concatenate([rows[i][2] for i in order]) if rows else np.empty(0)
        rules = rules or Rules(left_open)
        return cls(SeriesSet(labels, sid, time.astype("datetime64[ms]"), value), rules.said(), name)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        time: str = "time",
        value: str = "value",
        metric: str = METRIC,
        timezone: str = "",
        left_open: bool = False,
        name: str = "memory",
    ) -> Self:
        """Build a recording in memory from a long frame: one row a sample, all other columns are labels.

        Parameters
        ----------
        frame : DataFrame
            As `SeriesSet.tidy` makes it, in any order. A missing or empty label is no label.
        time : str
            The column of times: aware ones, text as `meshlab.import_file` reads it, or unix seconds, milliseconds,
            microseconds or nanoseconds, recognised by their size.
        value : str
            The column of numbers. NaN is a value; a missing one (None, NA) is no sample.
        metric : str
            The column of the metric's name, or the name itself where there is no such column.
        timezone : str
            The zone of times without an offset.
        left_open : bool
            Whether ranges follow Prometheus 3.
        name : str
            For people.

        Raises
        ------
        ParameterError
            A column is missing, a time has no zone or is of no year from 2001 to 2099, a value is no number, or a
            series has two values at one moment. Samples that are the same are taken once.
        """
        from meshlab.recordings.assembly import Assembly
        from meshlab.recordings.frames import frame_batch

        there = metric in map(str, frame.columns)
        whole = Assembly("" if there or metric == METRIC else metric)
        whole.add(frame_batch(frame, time, value, metric, timezone, "the frame"), "the frame")
        return cls(whole.series(), Rules(left_open).said(), name)

    @property
    def manifest(self) -> Mapping[str, object]:
        """What stands in its manifest.json."""
        return MappingProxyType(self._manifest)

    @property
    def description(self) -> str:
        """Its name; no path."""
        return f"recording {self.name}"

    @property
    def is_live(self) -> bool:
        """Its time has ended."""
        return False

    @property
    def left_open(self) -> bool:
        """Whether the recorded engine's ranges left out their first instant."""
        return self.rules.left_open

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why it may not be whole: what its server warned of while it was recorded."""
        return tuple(f"when this was recorded, the store warned: {plain(text)}" for text in warnings(self.manifest))

    @property
    def delayed_names(self) -> bool | None:
        """Whether the recorded engine dropped metric names at the end of a query alone; None where nobody knows."""
        return self.rules.delayed_names

    def query(self, promql: str, at: datetime | None = None) -> SeriesSet:
        """Evaluate an expression at one instant; the recording's end when none is given.

        Raises
        ------
        BadQuery
            It is not PromQL, answers with a string, or the series do not allow it.
        UnsupportedQuery
            A construct that the embedded evaluator does not know.
        ParameterError
            The instant has no time zone.
        """
        at_ms = _ms(at or self.now())
        question = Query(promql=promql, engine=self.description, at_ms=at_ms)
        value, question = self._evaluate(question, np.array([at_ms]))
        if isinstance(value, Ranges):
            return _raw(value, question)
        kind = "scalar" if isinstance(value, Scalar) else "vector"
        found = _points(value, np.array([at_ms]), replace(question, result_type=kind))
        return found.in_order(order(parse(promql), found.labels, found.value))

    def query_range(self, promql: str, window: Window) -> SeriesSet:
        """Evaluate an expression on a window's grid.

        Raises
        ------
        BadQuery
            It is not PromQL, is a range vector or a string, or the series do not allow it.
        UnsupportedQuery
            A construct that the embedded evaluator does not know.
        """
        grid = window.grid().astype(np.int64)
        question = Query(promql=promql, engine=self.description, window=window)
        value, question = self._evaluate(question, grid, window.step_ms)
        if isinstance(value, Ranges):
            raise BadQuery(f"{promql!r} is a range vector, which has no range", "ask for it at one instant")
        return _points(value, grid, question)

    def samples(self, selector: str, window: Span) -> SeriesSet:
        """Raw samples with start < time <= end, stale markers left out."""
        rows = self._find(selector)
        parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
        for chosen in self._taken(rows):
            keep = _within(chosen, window.start_ms, window.end_ms)
            parts.append((_count(chosen, keep), chosen.time[keep], chosen.value[keep]))
        count, time, value = (np.concatenate(column) for column in zip(*parts, strict=True))
        query = Query(
            promql=selector,
            engine=self.description,
            window=window,
            result_type="samples",
            points_expected=len(time),
            points_got=len(time),
        )
        labels = _narrow(self._samples.labels.iloc[rows[count > 0]])
        sid = np.repeat(np.arange(len(labels), dtype=np.int32), count[count > 0])
        return SeriesSet(labels, sid, time.astype("datetime64[ms]"), value, query)

    @property
    def tells_ends(self) -> bool:
        """Its stale markers are kept where it is recorded again."""
        return True

    def stale_markers(self, matchers: Sequence[Matcher], spans: Sequence[Span]) -> SeriesSet:
        """When series ended; see `meshlab.engines.base.TellsEnds`."""
        rows = self._store.find([Condition(m.name, m.op.value, m.value) for m in matchers])
        parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
        for chosen in self._taken(rows):
            inside = [(chosen.time > span.start_ms) & (chosen.time <= span.end_ms) for span in spans]
            keep = chosen.stale & np.logical_or.reduce(inside)
            parts.append((_count(chosen, keep), chosen.time[keep], chosen.value[keep]))
        count, time, value = (np.concatenate(column) for column in zip(*parts, strict=True))
        labels = _narrow(self._samples.labels.iloc[rows[count > 0]])
        sid = np.repeat(np.arange(len(labels), dtype=np.int32), count[count > 0])
        return SeriesSet(labels, sid, time.astype("datetime64[ms]"), value, Query("", self.description))

    def series(self, selector: str, window: Span) -> SeriesSet:
        """Label sets of the series with samples in the window (or just before: within the look-back)."""
        query = Query(promql=selector, engine=self.description, window=window, result_type="series")
        rows = self._find(selector)
        there = [np.empty(0, np.bool_)]
        for chosen in self._taken(rows):
            there.append(_count(chosen, _within(chosen, window.start_ms - LOOKBACK_MS, window.end_ms)) > 0)
        nothing = SeriesSet.empty(query)
        labels = _narrow(self._samples.labels.iloc[rows[np.concatenate(there)]])
        return SeriesSet(labels, nothing.sid, nothing.time, nothing.value, query)

    def span(self) -> tuple[datetime, datetime] | None:
        """What was recorded: the manifest's window, or the first and the last sample."""
        window = self.manifest.get("window")
        if isinstance(window, Mapping):
            try:
                return datetime.fromisoformat(str(window["start"])), datetime.fromisoformat(str(window["end"]))
            except (KeyError, ValueError):
                raise RecordingError(f"{self.description} has an invalid window", "record again") from None
        return self._sampled

    @cached_property
    def _sampled(self) -> tuple[datetime, datetime] | None:
        """The first and the last sample of all."""
        edges = self._samples.edges
        rows = np.flatnonzero(edges[1:] > edges[:-1])
        ends = [self._samples.take(part)[0] for part in self._store.batches(rows, _AT_ONCE, len(rows))]
        if not ends:
            return None
        return _instant(min(int(t.min()) for t in ends)), _instant(max(int(t.max()) for t in ends))

    def now(self) -> datetime:
        """Its end."""
        span = self.span()
        return span[1] if span else _EPOCH

    def _evaluate(self, question: Query, at: Ints, step_ms: int = 0) -> tuple[Vector | Scalar | Ranges, Query]:
        """What an expression is, and the question with what is to be said beside it."""
        promql = question.promql
        node, notes = parse(promql, step_ms, int(at[-1] - at[0])), Notes(self.left_open)
        evaluator = Evaluator(self._store, at, int(at[0]), int(at[-1]), self.rules, step_ms, notes=notes)
        try:
            value = evaluator.evaluate(node)
        except RecursionError:
            raise UnsupportedQuery(
                "the embedded evaluator does not know expressions nested this deeply", "simplify it"
            ) from None
        if isinstance(value, Text):
            raise BadQuery(f"{promql!r} is a string", "ask for a vector, a scalar or a range")
        return value, replace(question, warnings=notes.warnings, infos=notes.infos)

    def _taken(self, rows: Ints) -> Iterator[Selected]:
        """The samples of some series, in bounded memory."""
        return map(self._store.take, self._store.batches(rows, _AT_ONCE, len(rows)))

    def _find(self, selector: str) -> Ints:
        node = parse(selector)
        if not is_plain_selector(node):
            raise BadQuery(f"{selector!r} is not a plain selector", 'write a metric with matchers, such as up{job="x"}')
        return self._store.find(selector_conditions(node))


def _within(chosen: Selected, after_ms: int, until_ms: int) -> Bools:
    """Which samples lie in a span; no stale markers."""
    return (chosen.time > after_ms) & (chosen.time <= until_ms) & ~chosen.stale


def _count(chosen: Selected, keep: Bools) -> Ints:
    """How many samples of each series are kept."""
    counted: Ints = np.diff(np.r_[0, np.cumsum(keep)][chosen.begin])
    return counted


def _stamps(labels: Mapping[str, str], time: Floats, value: Floats) -> Ints:
    """A series' times in milliseconds, once they are known to make sense."""
    who = plain(labels)[:200]
    if time.ndim != 1 or time.shape != value.shape:
        raise ParameterError(
            f"the series {who} has {time.size:,} times and {value.size:,} values", "give one value for each time"
        )
    if not np.isfinite(time).all():
        raise ParameterError(f"the series {who} has a time that is not a number", "give unix seconds")
    stamps = np.rint(time * 1000).astype(np.int64)
    if not (stamps[1:] > stamps[:-1]).all():
        raise ParameterError(
            f"the times of the series {who} do not ascend, or two share a millisecond",
            "sort the samples by time, and give one for each moment",
        )
    return stamps


def _points(value: Vector | Scalar, at: Ints, question: Query) -> SeriesSet:
    """The points that are present, as series sorted by their labels."""
    if isinstance(value, Scalar):
        value = Vector([{}], value.value[None, :], np.ones((1, len(at)), np.bool_))
    shown = np.flatnonzero(value.present.any(axis=1))
    labels, order = label_table([value.labels[i] for i in shown])
    rows = shown[order] if len(order) else shown
    present = value.present[rows]
    sid = np.repeat(np.arange(len(rows), dtype=np.int32), present.sum(axis=1))
    time = np.broadcast_to(at, present.shape)[present].astype("datetime64[ms]")
    query = replace(question, points_expected=len(rows) * len(at), points_got=len(sid))
    return SeriesSet(labels, sid, time, np.ascontiguousarray(value.value[rows][present]), query)


def _raw(value: Ranges, question: Query) -> SeriesSet:
    """A range vector's own samples."""
    low, high = value.low[:, 0], value.high[:, 0]
    shown = np.flatnonzero(high > low)
    labels, order = label_table([value.labels[i] for i in shown])
    rows = [int(shown[i]) for i in order]
    at = np.concatenate([np.arange(low[i], high[i]) for i in rows]) if rows else np.empty(0, np.int64)
    sid = np.repeat(np.arange(len(rows), dtype=np.int32), [int(high[i] - low[i]) for i in rows])
    query = replace(question, result_type="matrix", points_expected=len(at), points_got=len(at))
    return SeriesSet(labels, sid, value.time[at].astype("datetime64[ms]"), value.value[at], query)


def _narrow(labels: pd.DataFrame) -> pd.DataFrame:
    """Without columns that are empty in every row, as a server would answer."""
    kept = [name for name in labels.columns if name == METRIC or (labels[name] != "").any()]
    return labels[kept].reset_index(drop=True)


def _ms(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise ParameterError(f"{instant} has no time zone", "give an aware datetime")
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _instant(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
