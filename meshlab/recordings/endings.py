"""When series ended: the stale markers that no query answers with, asked for where samples stop, and only there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meshlab.core.selector import Matcher, Op
from meshlab.core.series import SeriesSet
from meshlab.core.window import Span
from meshlab.engines.base import LOOKBACK_MS, Engine, TellsEnds
from meshlab.errors import MeshlabError
from meshlab.promql.store import STALE_BITS
from meshlab.promql.syntax import is_plain_selector, parse, selector_conditions
from meshlab.recordings.manifest import NO_MARKERS
from meshlab.recordings.redaction import Redaction

__all__ = ["Endings"]

_LATE: Final = 1.75
"""A sample that comes later than so many times the shortest pause between two did not come as it should."""
_MOST_SPANS: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class _Tails:
    """The last samples of a piece: which series (hashed), when, and the pause after which the next one is late."""

    series: NDArray[np.uint64]
    last: NDArray[np.int64]
    pause: NDArray[np.int64]


class Endings:
    """Adds stale markers to the pieces of one selector, in the order of time.

    Prometheus writes a marker at the scrape in which a series is missing, so that it stands at most a few pauses after
    the last sample, and after the look-back it changes no answer. Nothing is asked while all series go on.

    Parameters
    ----------
    engine : Engine
    selector : str
    redaction : Redaction
        What the pieces' labels have gone through.
    """

    def __init__(self, engine: Engine, selector: str, redaction: Redaction) -> None:
        self._engine = engine if isinstance(engine, TellsEnds) and engine.tells_ends else None
        self._redaction = redaction
        self._matchers = _matchers(selector)
        self._tails: _Tails | None = None

    @property
    def wants_tails(self) -> bool:
        """Whether the piece before the next one is needed and was not seen; see `saw`."""
        return self._engine is not None and self._tails is None

    def forget(self) -> None:
        """The next piece does not come after the one that was seen last."""
        self._tails = None

    def saw(self, piece: SeriesSet, end_ms: int) -> None:
        """Take note of a piece with its markers, which comes before the next one."""
        if self._engine is None:
            return
        time = piece.time.astype(np.int64)
        edges = piece.starts
        there = edges[1:] > edges[:-1]
        first, last = edges[:-1][there], edges[1:][there] - 1
        goes_on = piece.value.view(np.uint64)[last] != STALE_BITS
        keep = goes_on & (time[last] > end_ms - LOOKBACK_MS)
        pause = _pauses(time, first, last)
        self._tails = _Tails(_hashed(piece.labels)[there][keep], time[last][keep], pause[keep])

    def completed(self, piece: SeriesSet, end: int) -> SeriesSet:
        """A piece (its series sorted and redacted) with the markers that belong into it."""
        if self._engine is None:
            return piece
        spans = self._spans(piece, end)
        if not spans:
            return piece
        try:
            found = self._engine.stale_markers(self._matchers, spans)
        except MeshlabError as error:
            lost = f"{NO_MARKERS} from {spans[0].start.isoformat()} on: {error.what}"
            return piece.with_query(replace(piece.query, warnings=(*piece.query.warnings, lost)))
        if found is None:
            self._engine = None
            return piece
        return self._joined(piece, found)

    def _spans(self, piece: SeriesSet, end: int) -> list[Span]:
        """Where a series of this piece, or of the one before, has no sample where one was due."""
        time, edges = piece.time.astype(np.int64), piece.starts
        there = edges[1:] > edges[:-1]
        first, last = edges[:-1][there], edges[1:][there] - 1
        pause = _pauses(time, first, last)
        own = np.repeat(pause, last - first + 1)
        due = time + own
        # The next sample of the same series; after the last one, the end of the piece.
        following = np.r_[time[1:], end] if len(time) else time
        following[last] = end
        late = due < following
        begins, ends = [time[late]], [following[late]]
        if self._tails is not None and len(self._tails.series):
            hashed = _hashed(piece.labels)[there]
            order = np.argsort(hashed)
            place = np.searchsorted(hashed[order], self._tails.series)
            place = np.minimum(place, max(len(order) - 1, 0))
            again = np.full(len(self._tails.series), end, np.int64)
            if len(order):
                same = hashed[order][place] == self._tails.series
                again[same] = time[first[order[place[same]]]]
            late = self._tails.last + self._tails.pause < again
            begins.append(self._tails.last[late])
            ends.append(again[late])
        begin, until = np.concatenate(begins), np.concatenate(ends)
        return _united(begin, np.minimum(np.minimum(until, begin + LOOKBACK_MS), end))

    def _joined(self, piece: SeriesSet, found: SeriesSet) -> SeriesSet:
        """With the markers of series that this piece or the one before has; a store's own labels are taken off."""
        if not len(found.sid):
            return piece
        labels = self._redaction.table(found.labels)
        known = set(_hashed(piece.labels).tolist()) | set(() if self._tails is None else self._tails.series.tolist())
        hashed = _hashed(labels)
        if not set(hashed.tolist()) <= known:
            # External labels: the same on all series, and not on those of a query.
            same = [name for name in labels.columns if labels[name].nunique() == 1 and name != "__name__"]
            bare = labels.drop(columns=[name for name in same if name not in piece.labels.columns])
            if len(set(_hashed(bare).tolist()) & known) > len(set(hashed.tolist()) & known):
                labels, hashed = bare, _hashed(bare)
        rows = np.array([value in known for value in hashed.tolist()], np.bool_)
        keep = rows[found.sid]
        both = pd.concat([piece.labels, labels], ignore_index=True).fillna("")
        sid = np.concatenate([piece.sid, found.sid[keep] + len(piece.labels)]).astype(np.int32)
        number = both.groupby(list(both.columns), sort=False, dropna=False).ngroup().to_numpy().astype(np.int32)
        one = both.iloc[np.unique(number, return_index=True)[1]].reset_index(drop=True)
        time = np.concatenate([piece.time, found.time[keep]]).astype("datetime64[ms]")
        value = np.concatenate([piece.value, found.value[keep]])
        sid = number[sid]
        order = np.lexsort((time, sid))
        return SeriesSet(one, sid[order], time[order], value[order], piece.query)


def _matchers(selector: str) -> list[Matcher]:
    node = parse(selector)
    if not is_plain_selector(node):
        return []
    return [Matcher(c.name, Op(c.op), c.value) for c in selector_conditions(node)]


def _pauses(time: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    """After how many milliseconds the next sample of each series is late."""
    if not len(first):
        return np.empty(0, np.int64)
    step = np.r_[np.diff(time), np.iinfo(np.int64).max]
    # Steps from one series to the next are none.
    step[last] = np.iinfo(np.int64).max
    shortest = np.minimum.reduceat(step, first)
    some = shortest < np.iinfo(np.int64).max
    usual = int(np.median(shortest[some])) if some.any() else LOOKBACK_MS // 20
    return np.rint(np.where(some, shortest, usual) * _LATE).astype(np.int64)


def _hashed(labels: pd.DataFrame) -> NDArray[np.uint64]:
    """A number for each row, whatever other labels the table has."""
    total = np.zeros(len(labels), np.uint64)
    for name in labels.columns:
        codes, values = pd.factorize(labels[name])
        # The empty text is no label.
        hashes = pd.util.hash_array(np.array([f"{name}\x00{value}" if value else "" for value in values], object))
        hashes[[not value for value in values]] = 0
        total += hashes[codes]
    return total


def _united(begin: NDArray[np.int64], end: NDArray[np.int64]) -> list[Span]:
    """Spans that touch as one; where they are very many, all as one."""
    order = np.argsort(begin, kind="stable")
    spans: list[list[int]] = []
    for first, last in zip(begin[order].tolist(), end[order].tolist(), strict=True):
        if last <= first:
            continue
        if spans and first <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], last)
        else:
            spans.append([first, last])
    if len(spans) > _MOST_SPANS:
        spans = [[spans[0][0], spans[-1][1]]]
    return [Span(first, last) for first, last in spans]
